"""Rollouts: how far they are, how they fare, and what to do about them."""

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from unfold.decorators import display
from unfold.enums import ActionVariant

from mobile_models import plan, services, transitions
from mobile_models.admin import figures
from mobile_models.admin.steps import SteppedAdmin, step
from mobile_models.admin_base import COLOURS, bar, link, said_only
from mobile_models.forms import HaltDialog, ReasonDialog, WidenDialog
from mobile_models.models import Rollout


@admin.register(Rollout)
class RolloutAdmin(SteppedAdmin):
    list_display: ClassVar = [
        "title", "channel", "share", "stage_line", "release_counter", "shown_state", "started",
    ]  # fmt: skip
    list_filter: ClassVar = ["state", "channel"]
    list_select_related: ClassVar = ["release", "channel", "started_by"]
    search_fields: ClassVar = ["release__version", "channel__name"]
    readonly_fields: ClassVar = [
        "release_link", "share", "shown_state", "stage_line", "plan", "shown_conditions", "title",
    ]  # fmt: skip
    fieldsets: ClassVar = [
        (None, {"fields": ["release_link", "channel", "share", "shown_state", "stage_line", "halt_reason"]}),
        ("Plan", {"fields": ["plan", "shown_conditions", "starts_at", "roll_back_on_halt", "started_by"]}),
        ("Details", {"fields": ["release_counter", "salt", "started", "state_changed_at"]}),
    ]
    change_form_outer_after_template = "mobile_models/rollout.html"
    actions_detail: ClassVar = [taken.name for taken in transitions.ROLLOUT]

    widen_rollout = step(
        transitions.WIDEN,
        lambda rollout, by, **given: services.widen_rollout(rollout=rollout, by=by, **given),
        icon="open_in_full",
        said="Every device that has the release keeps its place.",
        done="Offered more widely: {row}.",
        form=WidenDialog,
        variant=ActionVariant.PRIMARY,
    )
    pause_rollout = step(
        transitions.PAUSE,
        lambda rollout, by, reason: services.pause_rollout(rollout=rollout, by=by, reason=reason),
        icon="pause",
        said="Nobody new gets the release; devices that have it keep it. The clock of its stages stops.",
        done="{row.release} is offered to nobody new in {row.channel}.",
    )
    resume_rollout = step(
        transitions.RESUME,
        lambda rollout, by, reason: services.resume_rollout(rollout=rollout, by=by, reason=reason),
        icon="play_arrow",
        said="The rollout goes on where it was; its next stage is due as much later as the pause was long.",
        done="{row.release} is offered in {row.channel} again.",
    )
    halt_rollout = step(
        transitions.HALT,
        lambda rollout, by, **given: services.halt_rollout(rollout=rollout, by=by, **given),
        icon="pan_tool",
        said="The release is offered to nobody more; devices that installed it keep it.",
        done="{row.release} is no longer offered to {row.channel}.",
        form=HaltDialog,
        variant=ActionVariant.DANGER,
    )
    roll_back = step(
        transitions.ROLL_BACK,
        lambda rollout, by, reason: services.roll_back(rollout=rollout, by=by, reason=reason),
        icon="undo",
        said="Everyone who has it gets the release before, under a new counter: back is forward for a phone.",
        done="{row.release} is rolled back in {row.channel}.",
        form=ReasonDialog,
        variant=ActionVariant.DANGER,
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        """A rollout is started on its release's page, beside what speaks for it."""
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Rollout]:
        rollouts: QuerySet[Rollout] = super().get_queryset(request)
        return rollouts.select_related("release", "channel", "started_by")

    def get_fieldsets(self, request: HttpRequest, obj: Rollout | None = None) -> Any:
        return said_only(self.fieldsets, obj, "halt_reason", "starts_at", "started_by")

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """The page, with what devices report."""
        rollout = self.get_object(request, object_id)
        shown = {"fares": figures.of_rollout(rollout)} if rollout else {}
        response: HttpResponse = super().change_view(
            request, object_id, form_url, {**shown, **(extra_context or {})}
        )
        return response

    @display(description="Rollout", ordering="release__version")
    def title(self, rollout: Rollout) -> str:
        return rollout.release.version

    @display(description="Release")
    def release_link(self, rollout: Rollout) -> SafeString:
        url = reverse("admin:mobile_models_release_change", args=[rollout.release_id])
        return link(url, rollout.release.version)

    @display(description="Share", ordering="basis_points")
    def share(self, rollout: Rollout) -> SafeString:
        return bar(rollout.basis_points / 100, f"{rollout.basis_points / 100:g} %", "Share of the channel")

    @display(description="Stage")
    def stage_line(self, rollout: Rollout) -> str:
        return figures.stage_line(rollout)

    @display(description="Stages that follow")
    def plan(self, rollout: Rollout) -> SafeString | str:
        lines = [
            ("✓ " if number < rollout.stage else "", line)
            for number, line in enumerate(plan.write_plan(rollout.stages))
        ]
        return format_html_join("", "<div>{}{}</div>", lines) or "none"

    @display(description="For devices")
    def shown_conditions(self, rollout: Rollout) -> str:
        return figures.conditions_line(rollout.conditions)

    @display(description="State", label=COLOURS)
    def shown_state(self, rollout: Rollout) -> str:
        return rollout.get_state_display().lower()
