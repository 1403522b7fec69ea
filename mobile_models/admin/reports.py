"""What devices reported, in counts; and what the health test made of it."""

from typing import Any, ClassVar

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.safestring import SafeString
from unfold.decorators import display

from mobile_models.admin import figures
from mobile_models.admin_base import OperatedAdmin, document, link
from mobile_models.models import ReportBatch, ReportCount, RolloutHealth


class ReportedAdmin(OperatedAdmin):
    """Rows that reports bring: nobody adds one by hand."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    @display(description="Rollout")
    def rollout_link(self, row: Any) -> SafeString | str:
        if row.rollout is None:
            return "–"
        return link(reverse("admin:mobile_models_rollout_change", args=[row.rollout_id]), str(row.rollout))


@admin.register(ReportCount)
class ReportCountAdmin(ReportedAdmin):
    list_display: ClassVar = [
        "hour", "release", "variant", "arm", "operation", "outcome", "count", "platform", "perf_class",
        "cell",
    ]  # fmt: skip
    list_filter: ClassVar = ["operation", "outcome", "arm", "platform", "perf_class"]
    list_select_related: ClassVar = ["rollout__release", "rollout__channel"]
    search_fields: ClassVar = ["release", "variant", "cell"]
    date_hierarchy = "hour"
    ordering: ClassVar = ["-hour", "operation"]
    readonly_fields: ClassVar = ["rollout_link"]


@admin.register(ReportBatch)
class ReportBatchAdmin(ReportedAdmin):
    list_display: ClassVar = ["batch_id", "rollout_link", "received"]
    list_select_related: ClassVar = ["rollout__release", "rollout__channel"]
    date_hierarchy = "received"
    readonly_fields: ClassVar = ["rollout_link", "shown_body"]
    # The hash of the token stays out: it is nobody's business which batches came together.
    fieldsets: ClassVar = [
        (None, {"fields": ["batch_id", "rollout_link", "received"]}),
        ("As it was sent", {"fields": ["shown_body"]}),
    ]

    @display(description="Batch")
    def shown_body(self, batch: ReportBatch) -> SafeString:
        return document(batch.body)


@admin.register(RolloutHealth)
class RolloutHealthAdmin(ReportedAdmin):
    list_display: ClassVar = [
        "figure", "group", "rollout_link", "exposed_line", "control_line", "shown_evidence", "decision", "at",
    ]  # fmt: skip
    list_filter: ClassVar = ["metric", "decision"]
    list_select_related: ClassVar = ["rollout__release", "rollout__channel"]
    readonly_fields: ClassVar = [
        "figure", "rollout_link", "exposed_line", "control_line", "shown_evidence", "shown_state",
    ]  # fmt: skip
    fieldsets: ClassVar = [
        (None, {"fields": ["rollout_link", "figure", "group", "exposed_line", "control_line"]}),
        ("Evidence", {"fields": ["shown_evidence", "decision", "at", "shown_state"]}),
    ]

    @display(description="Figure", ordering="metric")
    def figure(self, health: RolloutHealth) -> str:
        return figures.figure_line(health)

    @display(description="Exposed")
    def exposed_line(self, health: RolloutHealth) -> str:
        return figures.side_line(health.exposed)

    @display(description="Control")
    def control_line(self, health: RolloutHealth) -> str:
        return figures.side_line(health.control)

    @display(description="Evidence", ordering="evidence")
    def shown_evidence(self, health: RolloutHealth) -> str:
        return f"{health.evidence:.3g}"

    @display(description="State of the test")
    def shown_state(self, health: RolloutHealth) -> SafeString:
        return document(health.state)
