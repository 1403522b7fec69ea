"""The pages of packaging jobs: start one with a recipe, watch it."""

from typing import Any, ClassVar, cast

from django import forms
from django.contrib import admin
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from unfold.decorators import display
from unfold.widgets import UnfoldAdminSelectWidget

from mobile_models.admin_base import OperatedAdmin, bar, block, link
from mobile_models.errors import DeliveryError
from packager import recipes
from packager.jobs import services
from packager.jobs.errors import JobError
from packager.jobs.models import PackagingJob

COLOURS = {"waiting": "info", "running": "warning", "succeeded": "success", "failed": "danger"}
REFRESH_SECONDS = "3"
OVER = (PackagingJob.State.SUCCEEDED, PackagingJob.State.FAILED)


def recipe_choices() -> list[tuple[str, str]]:
    """The recipes whose bundles this server can register, by name."""
    return [(name, name) for name in recipes.deliverable_names()]


class JobForm(forms.ModelForm):
    """Choose a recipe."""

    recipe = forms.ChoiceField(
        choices=recipe_choices,
        widget=UnfoldAdminSelectWidget,
        help_text="A worker builds, verifies and stores it.",
    )

    class Meta:
        model = PackagingJob
        fields: ClassVar = ["recipe"]


@admin.register(PackagingJob)
class PackagingJobAdmin(OperatedAdmin):
    expected_errors = (JobError, DeliveryError)
    form = JobForm
    list_display: ClassVar = [
        "title",
        "shown_state",
        "shown_progress",
        "doing",
        "made",
        "requested_by",
        "created",
    ]
    list_filter: ClassVar = ["state", "recipe"]
    list_select_related: ClassVar = ["bundle", "requested_by"]
    readonly_fields: ClassVar = ["shown_state", "shown_progress", "made", "shown_message", "shown_log"]
    fieldsets: ClassVar = [
        (None, {"fields": ["recipe", "shown_state", "shown_progress", "stage", "shown_message", "made"]}),
        ("Log", {"fields": ["shown_log"]}),
        ("Times", {"fields": ["requested_by", "attempts", "created", "started", "finished", "lease_until"]}),
    ]
    add_fieldsets: ClassVar = [(None, {"fields": ["recipe"]})]

    def get_fieldsets(self, request: HttpRequest, obj: PackagingJob | None = None) -> Any:
        return self.fieldsets if obj else self.add_fieldsets

    def save_model(
        self,
        request: HttpRequest,
        obj: PackagingJob,
        form: forms.Form,
        change: bool,
    ) -> None:
        job = services.request_build(recipe=obj.recipe, user=cast("User", request.user))
        obj.pk = job.pk
        obj.refresh_from_db()

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        response: HttpResponse = super().changelist_view(request, extra_context)
        return _refreshed(response, unfinished=PackagingJob.objects.exclude(state__in=OVER).exists())

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        response: HttpResponse = super().change_view(request, object_id, *args, **kwargs)
        unfinished = PackagingJob.objects.filter(pk=object_id).exclude(state__in=OVER).exists()
        return _refreshed(response, unfinished=unfinished)

    @display(description="Job", ordering="pk")
    def title(self, job: PackagingJob) -> str:
        return f"{job.pk} · {job.recipe}"

    @display(description="State", label=COLOURS, ordering="state")
    def shown_state(self, job: PackagingJob) -> str:
        return job.state

    @display(description="Progress")
    def shown_progress(self, job: PackagingJob) -> SafeString:
        return bar(job.progress, f"{job.progress} %")

    @display(description="Doing")
    def doing(self, job: PackagingJob) -> str:
        return (
            Truncator(job.message if job.state == PackagingJob.State.FAILED else job.stage).chars(60) or "–"
        )

    @display(description="Message")
    def shown_message(self, job: PackagingJob) -> str:
        return job.message or "–"

    @display(description="Bundle")
    def made(self, job: PackagingJob) -> SafeString | str:
        if job.bundle is None:
            return "–"
        url = reverse("admin:mobile_models_bundle_change", args=[job.bundle.pk])
        return link(url, str(job.bundle))

    @display(description="Latest lines")
    def shown_log(self, job: PackagingJob) -> SafeString:
        return block(job.log)


def _refreshed(response: HttpResponse, *, unfinished: bool) -> HttpResponse:
    """Have the browser load the page again while there is something to watch."""
    if unfinished:
        response["Refresh"] = REFRESH_SECONDS
    return response
