"""The pages of searches: start one, watch its trials, read its front and take its recipe."""

from typing import Any, ClassVar, cast

import yaml
from django import forms
from django.contrib import admin
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from unfold.decorators import display
from unfold.widgets import UnfoldAdminSelectWidget

from mobile_models.admin_base import OperatedAdmin, block, link, rows_table, size
from mobile_models.errors import DeliveryError
from packager.errors import PackagerError
from packager.jobs import searching
from packager.jobs.errors import JobError
from packager.jobs.models import SearchStudy, SearchTrial
from packager.recipes import PROFILES
from packager.recipes.tiers import read_tiers
from packager.report.page import POLICY

COLOURS = {"running": "warning", "succeeded": "success", "failed": "danger"}
REFRESH_SECONDS = "5"
SHOWN_TRIALS = 200


class SearchForm(forms.ModelForm):
    """What to search; a limit that is not given is the tier's."""

    profile = forms.ChoiceField(
        choices=lambda: [(name, name) for name in PROFILES], widget=UnfoldAdminSelectWidget
    )
    tier = forms.ChoiceField(
        choices=lambda: [("", "none"), *((name, name) for name in read_tiers())],
        widget=UnfoldAdminSelectWidget,
        required=False,
    )
    max_bytes = forms.IntegerField(required=False, min_value=1, help_text="The tier's when not given.")
    max_skill_loss_percent = forms.FloatField(required=False, help_text="The tier's when not given.")

    class Meta:
        model = SearchStudy
        fields: ClassVar = [
            "name",
            "target",
            "profile",
            "tier",
            "max_bytes",
            "max_skill_loss_percent",
            "budget_minutes",
            "workers",
        ]


@admin.register(SearchStudy)
class SearchStudyAdmin(OperatedAdmin):
    expected_errors = (JobError, DeliveryError, PackagerError)
    form = SearchForm
    list_display: ClassVar = ["name", "shown_state", "target", "limits", "counted", "requested_by", "created"]
    list_filter: ClassVar = ["state", "target"]
    list_select_related: ClassVar = ["requested_by"]
    readonly_fields: ClassVar = ["shown_state", "limits", "shown_page", "shown_recipes", "shown_trials"]
    fieldsets: ClassVar = [
        (None, {"fields": ["name", "target", "limits", "shown_state", "message", "shown_page"]}),
        ("Winners", {"fields": ["shown_recipes"]}),
        ("Trials", {"fields": ["shown_trials"]}),
        (
            "How",
            {
                "fields": [
                    "profile",
                    "tier",
                    "budget_minutes",
                    "workers",
                    "requested_by",
                    "started",
                    "finished",
                ]
            },
        ),
    ]
    add_fieldsets: ClassVar = [(None, {"fields": SearchForm.Meta.fields})]

    def get_fieldsets(self, request: HttpRequest, obj: SearchStudy | None = None) -> Any:
        return self.fieldsets if obj else self.add_fieldsets

    def get_urls(self) -> list[URLPattern]:
        page = path(
            "<int:study_id>/page/",
            self.admin_site.admin_view(self.page_view),
            name="jobs_searchstudy_page",
        )
        return [page, *super().get_urls()]

    def save_model(
        self,
        request: HttpRequest,
        obj: SearchStudy,
        form: forms.Form,
        change: bool,
    ) -> None:
        asked = {name: form.cleaned_data[name] for name in SearchForm.Meta.fields}
        study = searching.request_search(**asked, user=cast("User", request.user))
        obj.pk = study.pk
        obj.refresh_from_db()

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        response: HttpResponse = super().change_view(request, object_id, *args, **kwargs)
        if SearchStudy.objects.filter(pk=object_id, state=SearchStudy.State.RUNNING).exists():
            response["Refresh"] = REFRESH_SECONDS
        return response

    def page_view(self, request: HttpRequest, study_id: int) -> HttpResponse:
        """The search's own page: one HTML file that asks for nothing."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        study = SearchStudy.objects.filter(pk=study_id).exclude(page="").first()
        if study is None:
            raise Http404(f"Search {study_id} has no page; it is written when a search ends.")
        return HttpResponse(study.page, headers={"Content-Security-Policy": POLICY})

    @display(description="State", label=COLOURS, ordering="state")
    def shown_state(self, study: SearchStudy) -> str:
        return study.state

    @display(description="Limits")
    def limits(self, study: SearchStudy) -> str:
        return f"{size(study.max_bytes)}, {study.max_skill_loss_percent:g} % skill loss"

    @display(description="Trials")
    def counted(self, study: SearchStudy) -> int:
        return study.trials.exclude(number=None).count()

    @display(description="Front and importances")
    def shown_page(self, study: SearchStudy) -> SafeString | str:
        if not study.page:
            return "Written when the search ends."
        return link(reverse("admin:jobs_searchstudy_page", args=[study.pk]), "Open the page")

    @display(description="Recipes")
    def shown_recipes(self, study: SearchStudy) -> SafeString:
        return block("\n".join(yaml.safe_dump(recipe, sort_keys=False) for recipe in study.recipes))

    @display(description="Latest")
    def shown_trials(self, study: SearchStudy) -> SafeString:
        rows = list(study.trials.order_by("-pk")[:SHOWN_TRIALS])
        heads = ["trial", "outcome", "on the wire", "skill loss %", "µs", "export", "message"]
        return rows_table(heads, [_cells(row) for row in rows])


def _cells(row: SearchTrial) -> list[Any]:
    figures, export = row.figures, row.recipe.get("export", {})
    named = row.kind if row.number is None else str(row.number)
    loss, speed = figures.get("skill_loss_percent"), figures.get("microseconds")
    return [
        named,
        row.outcome or row.state,
        size(figures["wire_bytes"]) if figures else "–",
        "–" if loss is None else f"{loss:.2f}",
        "–" if speed is None else f"{speed:.0f}",
        " ".join(str(value) for value in export.values()) or "–",
        row.message or row.stage or "–",
    ]
