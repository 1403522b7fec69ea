"""Stations, what they reported, what was refused of it, and how the feeds do."""

from datetime import date, datetime, timedelta
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.timesince import timesince
from kombu.exceptions import OperationalError
from unfold.admin import ModelAdmin
from unfold.decorators import action, display
from unfold.enums import ActionVariant

from mobile_models.admin_base import OperatedAdmin, bar, block, document, link, said_only
from weatherapp.observations import selectors
from weatherapp.observations.errors import FeedQueueDown, ObservationError
from weatherapp.observations.feeds import check_known
from weatherapp.observations.models import FeedState, Guidance, Observation, Rejection, Station
from weatherapp.observations.tasks import ingest_feed

COLOURS = {"up": "success", "degraded": "warning", "down": "danger", "never": "info"}
REPORTING_HOURS = 48
REFUSED_DAYS = 7
SILENT = timedelta(hours=3)
REASON_LETTERS = 200


def since(time: datetime | None) -> str:
    """How long ago, for a person."""
    return "never" if time is None else f"{timesince(time, timezone.now(), depth=1)} ago"


def rejections_url(**filters: Any) -> str:
    """The list of rejections, filtered."""
    return f"{reverse('admin:observations_rejection_changelist')}?{urlencode(filters)}"


class ReportedAdmin(OperatedAdmin):
    """Rows that feeds bring: nobody adds one by hand."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False


@admin.register(Station)
class StationAdmin(ModelAdmin):
    list_display: ClassVar = [
        "code", "name", "shown_last_report", "shown_reports", "shown_refused", "source", "active",
    ]  # fmt: skip
    list_filter: ClassVar = ["active", "source"]
    search_fields: ClassVar = ["code", "name"]
    readonly_fields: ClassVar = ["code", "shown_last_report", "shown_reports", "per_check", "per_day"]
    fieldsets: ClassVar = [
        (None, {"fields": ["code", "name", "active"]}),
        ("Place", {"fields": ["latitude", "longitude", "elevation", "source"]}),
        ("Reports", {"fields": ["shown_last_report", "shown_reports"]}),
        (f"Refused in {REFUSED_DAYS} days", {"fields": ["per_check", "per_day"]}),
    ]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # feeds bring stations

    def get_queryset(self, request: HttpRequest) -> QuerySet[Station]:
        now = timezone.now()
        return selectors.stations_counted(
            reports_since=now - timedelta(hours=REPORTING_HOURS),
            refused_since=now - timedelta(days=REFUSED_DAYS),
        )

    @display(description="Last report", ordering="last_report")
    def shown_last_report(self, station: Any) -> SafeString | str:
        told = since(station.last_report)
        silent = station.last_report is None or station.last_report < timezone.now() - SILENT
        return format_html('<span class="text-red-600">{}</span>', told) if silent else told

    @display(description=f"Reports of {REPORTING_HOURS} h", ordering="reports")
    def shown_reports(self, station: Any) -> SafeString:
        return bar(100 * min(station.reports / REPORTING_HOURS, 1), str(station.reports))

    @display(description=f"Refused in {REFUSED_DAYS} d", ordering="refused")
    def shown_refused(self, station: Any) -> SafeString | str:
        url = rejections_url(station__id__exact=station.pk)
        return link(url, str(station.refused)) if station.refused else "0"

    @display(description="Per check")
    def per_check(self, station: Station) -> SafeString | str:
        return check_bars(_recent(station), station__id__exact=station.pk) or "nothing"

    @display(description="Per day")
    def per_day(self, station: Station) -> SafeString | str:
        return day_table(selectors.refusals_per_day(_recent(station)), timezone.now().date()) or "nothing"


@admin.register(Observation)
class ObservationAdmin(ReportedAdmin):
    list_display: ClassVar = [
        "valid_time", "station", "temperature", "dew_point", "pressure_msl", "precipitation",
        "precipitation_type", "cloud_cover", "feed", "corrected", "revision",
    ]  # fmt: skip
    list_filter: ClassVar = ["feed", "corrected"]
    list_select_related: ClassVar = ["station"]
    search_fields: ClassVar = ["station__code", "station__name"]
    date_hierarchy = "valid_time"


@admin.register(Guidance)
class GuidanceAdmin(ReportedAdmin):
    list_display: ClassVar = [
        "valid_time", "station", "source", "init_time", "available_time", "temperature", "precipitation",
    ]  # fmt: skip
    list_filter: ClassVar = ["source"]
    list_select_related: ClassVar = ["station"]
    search_fields: ClassVar = ["station__code", "station__name"]
    date_hierarchy = "valid_time"


@admin.register(Rejection)
class RejectionAdmin(ReportedAdmin):
    list_display: ClassVar = [
        "received", "check_name", "shown_station", "valid_time", "variable", "value", "text", "feed",
    ]  # fmt: skip
    list_filter: ClassVar = ["check_name", "variable", "feed"]
    list_select_related: ClassVar = ["station"]
    search_fields: ClassVar = ["station_code", "station__name", "text"]
    date_hierarchy = "received"
    list_before_template = "observations/refusals.html"

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Links from a station's page name it; a filter of all stations would be too long a list."""
        return lookup == "station__id__exact" or super().lookup_allowed(lookup, value, request)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        recent = Rejection.objects.filter(received__gte=timezone.now() - timedelta(days=REFUSED_DAYS))
        context = {"refusals_chart": check_bars(recent), **(extra_context or {})}
        response: HttpResponse = super().changelist_view(request, context)
        return response

    @display(description="Station", ordering="station_code")
    def shown_station(self, rejection: Rejection) -> SafeString | str:
        if rejection.station is None:
            return rejection.station_code or "–"
        url = reverse("admin:observations_station_change", args=[rejection.station.pk])
        return link(url, rejection.station.code)


@admin.register(FeedState)
class FeedStateAdmin(ReportedAdmin):
    expected_errors = (ObservationError,)
    list_display: ClassVar = [
        "feed", "shown_state", "age", "newest", "consecutive_failures", "reports", "rejected", "why",
    ]  # fmt: skip
    readonly_fields: ClassVar = ["shown_state", "age", "newest", "full_reason", "shown_validators"]
    fieldsets: ClassVar = [
        (None, {"fields": ["feed", "shown_state", "age", "newest", "full_reason"]}),
        ("Last pass", {"fields": ["last_attempt", "reports", "rejected", "consecutive_failures"]}),
        ("Documents", {"fields": ["shown_validators"]}),
    ]
    actions_detail: ClassVar = ["ingest_now"]

    def has_operate_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return self.may_operate(request)

    def get_fieldsets(self, request: HttpRequest, obj: FeedState | None = None) -> Any:
        return said_only(self.fieldsets, obj, "last_attempt")

    @display(description="State", label=COLOURS, ordering="state")
    def shown_state(self, feed: FeedState) -> str:
        return feed.state

    @display(description="Last success", ordering="last_success")
    def age(self, feed: FeedState) -> str:
        return since(feed.last_success)

    @display(description="Newest hour", ordering="last_report_time")
    def newest(self, feed: FeedState) -> str:
        return since(feed.last_report_time)

    @display(description="Why it is not up")
    def why(self, feed: FeedState) -> SafeString | str:
        if not feed.reason:
            return "–"
        # One line that ends in dots: on a narrow screen a row of the list has no room for more.
        return format_html(
            '<span style="display: inline-block; max-width: 14rem; width: 45vw; overflow: hidden; '
            'text-overflow: ellipsis; white-space: nowrap; vertical-align: bottom" title="{0}">{0}</span>',
            feed.reason[:REASON_LETTERS],
        )

    @display(description="Why it is not up")
    def full_reason(self, feed: FeedState) -> SafeString:
        return block(feed.reason)

    @display(description="As last seen")
    def shown_validators(self, feed: FeedState) -> SafeString:
        return document(feed.validators)

    @action(
        description="Ingest now",
        url_path="ingest-now",
        icon="download",
        permissions=["operate"],
        variant=ActionVariant.PRIMARY,
        dialog={
            "title": "Ingest now",
            "description": "A worker asks the feed once more. Its state here changes when that is done.",
            "form_class": None,
            "form_submit_text": "Ingest",
        },
    )
    def ingest_now(self, request: HttpRequest, form: Form, object_id: str) -> HttpResponse:
        feed = FeedState.objects.get(pk=object_id)
        return self.finish(request, lambda: enqueue(feed.feed), f"A pass of {feed.feed} is queued.")


def enqueue(name: str) -> None:
    """Have a worker ask a feed.

    Raises:
        FeedUnknown: the feed was taken out of the program.
        FeedQueueDown: the queue cannot be reached.
    """
    check_known(name)
    try:
        ingest_feed.delay(name)
    except OperationalError as error:
        raise FeedQueueDown(f"The queue cannot be reached: {error}. Start it, then try again.") from error


def check_bars(refusals: QuerySet[Rejection], **filters: Any) -> SafeString:
    """A bar per check, as long as its share of the most frequent one; empty where nothing was refused."""
    counts = selectors.refusals_per_check(refusals)
    most = max((count for _, count in counts), default=1)
    rows = [
        (link(rejections_url(check_name=name, **filters), name), bar(100 * count / most, str(count)))
        for name, count in counts
    ]
    return format_html_join(
        "",
        '<div class="flex gap-4" style="padding: .15rem 0"><div style="width: 16rem">{}</div>{}</div>',
        rows,
    )


def day_table(counts: dict[str, dict[date, int]], today: date) -> SafeString | str:
    """A row per check, a column per day, today last; empty where nothing was refused."""
    if not counts:
        return ""
    days = [today - timedelta(days=back) for back in range(REFUSED_DAYS, -1, -1)]
    cell = '<td style="padding: .15rem .75rem; text-align: right">{}</td>'
    heads = format_html_join("", cell, [(f"{day:%d %b}",) for day in days])
    rows = [
        (name, format_html_join("", cell, [(per_day.get(day, 0) or "·",) for day in days]))
        for name, per_day in sorted(counts.items())
    ]
    body = format_html_join("", "<tr><td>{}</td>{}</tr>", rows)
    return format_html("<table><tr><td></td>{}</tr>{}</table>", heads, body)


def _recent(station: Station) -> QuerySet[Rejection]:
    return Rejection.objects.filter(
        station=station, received__gte=timezone.now() - timedelta(days=REFUSED_DAYS)
    )
