"""Forecast runs, how good they were, and what got worse."""

from typing import Any, ClassVar

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.timesince import timesince
from unfold.decorators import display

from mobile_models.admin_base import OperatedAdmin, block, link, mono, said_only
from weatherapp.forecasts.models import DriftAlarm, ForecastRun, Verification
from weatherapp.forecasts.verification.page import page

COLOURS = {"stored": "success", "failed": "danger", "storing": "info", "open": "danger", "closed": "success"}
REASON_LETTERS = 90


@admin.register(ForecastRun)
class ForecastRunAdmin(OperatedAdmin):
    list_display: ClassVar = [
        "init_time", "shown_state", "age", "release_link", "stations", "replay", "took", "why",
    ]  # fmt: skip
    list_filter: ClassVar = ["state", "release", "replay"]
    list_select_related: ClassVar = ["release"]
    date_hierarchy = "init_time"
    readonly_fields: ClassVar = ["shown_state", "age", "release_link", "server_model", "took", "full_reason"]
    fieldsets: ClassVar = [
        (None, {"fields": ["init_time", "shown_state", "age", "full_reason", "stations", "replay"]}),
        ("Made with", {"fields": ["release_link", "server_model"]}),
        ("Details", {"fields": ["folder", "took", "created", "stored"]}),
    ]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def get_fieldsets(self, request: HttpRequest, obj: ForecastRun | None = None) -> Any:
        if obj is not None and obj.reason:
            return self.fieldsets
        first, *others = self.fieldsets
        fields = [name for name in first[1]["fields"] if name != "full_reason"]
        return said_only([(None, {"fields": fields}), *others], obj, "folder", "stored")

    @display(description="State", label=COLOURS)
    def shown_state(self, run: ForecastRun) -> str:
        return run.state

    @display(description="Age", ordering="-init_time")
    def age(self, run: ForecastRun) -> str:
        return timesince(run.init_time, timezone.now(), depth=2)

    @display(description="Release", ordering="release")
    def release_link(self, run: ForecastRun) -> SafeString:
        return link(reverse("admin:mobile_models_release_change", args=[run.release_id]), run.release.version)

    @display(description="Server model")
    def server_model(self, run: ForecastRun) -> SafeString:
        return mono(run.bundle_sha256)

    @display(description="Took")
    def took(self, run: ForecastRun) -> str:
        return ", ".join(f"{part} {seconds:.1f} s" for part, seconds in run.seconds.items()) or "–"

    @display(description="Why it failed")
    def why(self, run: ForecastRun) -> str:
        short = run.reason[:REASON_LETTERS]
        return short + ("…" if short != run.reason else "") or "–"

    @display(description="Why it failed")
    def full_reason(self, run: ForecastRun) -> SafeString:
        return block(run.reason)


@admin.register(Verification)
class VerificationAdmin(OperatedAdmin):
    """One page instead of a list of rows: plots and tables of the scores."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            **page(request.GET.dict(), today=timezone.now().date()),
            "title": "Verification",
            "opts": self.opts,
            **(extra_context or {}),
        }
        return TemplateResponse(request, "forecasts/verification.html", context)


@admin.register(DriftAlarm)
class DriftAlarmAdmin(OperatedAdmin):
    list_display: ClassVar = ["variable", "shown_state", "worse", "statistic", "opened", "closed", "checked"]
    list_filter: ClassVar = ["variable", ("closed", admin.EmptyFieldListFilter)]
    readonly_fields: ClassVar = ["shown_state", "worse"]
    fieldsets: ClassVar = [
        (None, {"fields": ["variable", "shown_state", "worse", "opened", "closed"]}),
        ("Figures", {"fields": ["recent", "before", "statistic", "checked"]}),
    ]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    @display(description="State", label=COLOURS)
    def shown_state(self, alarm: DriftAlarm) -> str:
        return "closed" if alarm.closed else "open"

    @display(description="What happened")
    def worse(self, alarm: DriftAlarm) -> str:
        return str(alarm)
