"""Releases: draft, compare with what is live, review, sign, roll out."""

from typing import Any, ClassVar, cast

from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import Model, Prefetch, QuerySet
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import action, display
from unfold.enums import ActionVariant

from mobile_models import services, transitions
from mobile_models.admin import review
from mobile_models.admin.steps import SteppedAdmin, step
from mobile_models.admin_base import COLOURS, finish, link, said_only
from mobile_models.errors import DeliveryError
from mobile_models.forms import ApproveDialog, ReasonDialog, ReleaseForm, StartDialog
from mobile_models.models import Release, Rollout
from mobile_models.selectors import OFFERED
from mobile_models.signing.services import development_signers, sign_release

SIGN_PERMISSION = "mobile_models.approve_release"


@admin.register(Release)
class ReleaseAdmin(SteppedAdmin):
    form = ReleaseForm
    list_display: ClassVar = [
        "version",
        "shown_state",
        "signature",
        "variants",
        "channels",
        "made_by",
        "created",
    ]
    list_filter: ClassVar = ["state"]
    list_select_related: ClassVar = ["made_by"]
    search_fields: ClassVar = ["version", "notes"]
    readonly_fields: ClassVar = ["shown_state", "channels", "people"]
    fieldsets: ClassVar = [
        (
            None,
            {
                "fields": [
                    "version", "shown_state", "channels", "people", "notes", "override_reason",
                    "withdrawn_because",
                ]
            },
        ),
    ]  # fmt: skip
    add_fieldsets: ClassVar = [(None, {"fields": ["bundles", "notes"]})]
    change_form_outer_after_template = "mobile_models/release.html"
    actions_detail: ClassVar = [
        transitions.SUBMIT.name,
        transitions.RETURN.name,
        transitions.APPROVE.name,
        "sign",
        transitions.START.name,
        transitions.WITHDRAW.name,
    ]

    submit_release = step(
        transitions.SUBMIT,
        lambda release, by, reason: services.submit_release(release=release, by=by, reason=reason),
        icon="rate_review",
        said="Its bundles are then fixed, and a second person can approve it.",
        done="{row} is in review.",
        variant=ActionVariant.PRIMARY,
    )
    return_release = step(
        transitions.RETURN,
        lambda release, by, reason: services.return_release(release=release, by=by, reason=reason),
        icon="keyboard_return",
        said="It becomes a draft again.",
        done="{row} is a draft again.",
        form=ReasonDialog,
    )
    approve_release = step(
        transitions.APPROVE,
        lambda release, by, **given: services.approve_release(release=release, by=by, **given),
        icon="check",
        said="The gate compares it with what is live now; then it can be signed and rolled out.",
        done="{row} is approved.",
        form=ApproveDialog,
        variant=ActionVariant.SUCCESS,
    )
    start_rollout = step(
        transitions.START,
        lambda release, by, **given: services.start_rollout(release=release, by=by, **given),
        icon="rocket_launch",
        said="A share stands in front of what everyone has; 100 % takes its place.",
        done="The rollout of {row} has its place.",
        form=StartDialog,
        variant=ActionVariant.PRIMARY,
    )
    withdraw_release = step(
        transitions.WITHDRAW,
        lambda release, by, reason: services.withdraw_release(release=release, by=by, reason=reason),
        icon="block",
        said="It is taken off every channel and cannot be rolled out again.",
        done="{row} is withdrawn.",
        form=ReasonDialog,
        variant=ActionVariant.DANGER,
    )

    @action(
        description="Sign",
        url_path="sign",
        icon="signature",
        permissions=[SIGN_PERMISSION],
        dialog={
            "title": "Sign with the development keys",
            "description": "Phones that trust this repository then take its bundles. "
            "In production people sign where the offline keys are.",
            "form_class": None,
            "form_submit_text": "Sign",
        },
    )
    def sign(self, request: HttpRequest, form: Form, object_id: str) -> HttpResponse:
        release = self.row_or_404(request, object_id)
        return finish(
            request,
            lambda: sign_release(release=release, signers=development_signers()),
            f"{release} is signed.",
            (DeliveryError,),
        )

    def shows(self, request: HttpRequest, row: Model | None, button: Any) -> bool:
        return (
            button.action_name.endswith("_sign")
            and isinstance(row, Release)
            and bool(request.user.has_perm(SIGN_PERMISSION))
            and review.signature(row).can_sign_here
        )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm(transitions.DRAFT.permission))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Release]:
        releases: QuerySet[Release] = super().get_queryset(request)
        offered = Rollout.objects.filter(state__in=OFFERED).select_related("channel")
        return releases.prefetch_related(
            "bundles", Prefetch("rollouts", queryset=offered, to_attr="offered")
        ).select_related("made_by", "submitted_by", "approved_by")

    def get_fieldsets(self, request: HttpRequest, obj: Release | None = None) -> Any:
        if obj is None:
            return self.add_fieldsets
        return said_only(self.fieldsets, obj, "withdrawn_because", "notes", "override_reason")

    def save_model(self, request: HttpRequest, obj: Release, form: Form, change: bool) -> None:
        release = services.create_release(
            bundles=list(form.cleaned_data["bundles"]), notes=obj.notes, by=cast("User", request.user)
        )
        obj.pk = release.pk
        obj.refresh_from_db()

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """The page, with the release beside what is live."""
        release = self.get_object(request, object_id)
        shown = review.context(release) if release else {}
        response: HttpResponse = super().change_view(
            request, object_id, form_url, {**shown, **(extra_context or {})}
        )
        return response

    @display(description="State", label=COLOURS)
    def shown_state(self, release: Release) -> str:
        return release.get_state_display().lower()

    @display(description="Signed", boolean=True, ordering="signed_at")
    def signature(self, release: Release) -> bool:
        return release.signed_at is not None

    @display(description="Variants")
    def variants(self, release: Release) -> str:
        return ", ".join(sorted(bundle.variant for bundle in release.bundles.all()))

    @display(description="Offered to")
    def channels(self, release: Any) -> SafeString | str:
        shown = [
            link(
                reverse("admin:mobile_models_rollout_change", args=[rollout.pk]),
                f"{rollout.channel} {rollout.basis_points / 100:g} %",
            )
            for rollout in release.offered
        ]
        return format_html(", ".join("{}" for _ in shown), *shown) if shown else "nobody"

    @display(description="By")
    def people(self, release: Release) -> str:
        said = [f"drafted by {release.made_by or 'the system'} on {release.created:%d %b %Y %H:%M}"]
        if release.submitted_by:
            said.append(f"submitted by {release.submitted_by}")
        if release.approved_at:
            said.append(
                f"approved by {release.approved_by or 'the system'} on {release.approved_at:%d %b %Y %H:%M}"
            )
        return "; ".join(said)
