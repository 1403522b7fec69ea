"""From a feed's batch to rows: what is stored, refused, withdrawn and counted."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from packager.contract import GUIDANCE_VARIABLES
from weatherapp.observations import rejections, services
from weatherapp.observations.errors import FeedUnreadable
from weatherapp.observations.feeds import Batch, StationReport
from weatherapp.observations.feeds.interface import GuidanceBatch, RejectedReport
from weatherapp.observations.models import VARIABLES, Guidance, Observation, Rejection, Station

NOW = datetime(2026, 7, 4, 18, 25, tzinfo=UTC)
HOUR = int(NOW.timestamp() // 3600)
pytestmark = pytest.mark.django_db


def place(code, longitude=5.0):
    return StationReport(code, code.upper(), 45.0, longitude, 120.0, "test")


def batch(*reports, **given):
    """(code, hours from now, {variable: value}[, corrected]) each."""
    codes = sorted({report[0] for report in reports})
    values = np.full((len(reports), len(VARIABLES)), np.nan, np.float32)
    for row, report in enumerate(reports):
        for name, value in report[2].items():
            values[row, VARIABLES.index(name)] = value
    told = {
        "stations": tuple(place(code, 5.0 + 0.3 * index) for index, code in enumerate(codes)),
        "station": np.array([codes.index(report[0]) for report in reports], int),
        "hour": np.array([HOUR + report[1] for report in reports], int),
        "values": values,
        "series": np.zeros(len(reports), int),
        "corrected": np.array([len(report) > 3 and report[3] for report in reports], bool),
    }
    return Batch(**(told | given))


class FixedFeed:
    name = "fixed"

    def __init__(self, given):
        self.given = given

    def fetch(self, *, now):
        return self.given

    def parse(self, raw):
        return raw


def ingest(*reports, now=NOW, **given):
    return services.ingest(feed=FixedFeed(batch(*reports, **given)), now=now)


def temperatures(code="x"):
    rows = Observation.objects.filter(station__code=code).order_by("valid_time")
    return [row.temperature for row in rows]


def refused():
    return sorted(Rejection.objects.values_list("check_name", "variable", "value"))


def test_a_pass_counts_what_it_did():
    first = ingest(("x", -2, {"temperature": 15.1}), ("x", -1, {"temperature": 15.2}))
    assert (first.reports, first.new, first.changed, first.unchanged) == (2, 2, 0, 0)
    assert first.newest == NOW.replace(minute=0) - timedelta(hours=1)
    again = ingest(
        ("x", -2, {"temperature": 15.1}), ("x", -1, {"temperature": 15.3}), ("x", 0, {"temperature": 15.4})
    )
    assert (again.reports, again.new, again.changed, again.unchanged) == (3, 1, 1, 1)


def test_late_is_what_is_new_of_the_hours_before_the_present():
    assert ingest(("x", 0, {"temperature": 15.1})).late == 0
    report = ingest(("x", 0, {"temperature": 15.1}), ("x", -3, {"temperature": 14.1}))
    assert (report.new, report.late) == (1, 1)
    assert ingest(("x", -3, {"temperature": 14.1})).late == 0


def test_the_same_report_again_keeps_its_time_of_receipt_and_a_change_moves_it():
    ingest(("x", 0, {"temperature": 15.1}))
    later = NOW + timedelta(minutes=10)
    ingest(("x", 0, {"temperature": 15.1}), now=later)
    row = Observation.objects.get()
    assert (row.received, row.revision) == (NOW, 0)
    ingest(("x", 0, {"temperature": 15.4}), now=later)
    row = Observation.objects.get()
    assert (row.received, row.revision) == (later, 1)


def test_a_correction_stands_against_routine_reports():
    ingest(("x", 0, {"temperature": 15.1, "dew_point": 9.0}))
    ingest(("x", 0, {"temperature": 16.1}, True))
    report = ingest(("x", 0, {"temperature": 15.1, "dew_point": 9.0}))
    row = Observation.objects.get()
    assert (row.temperature, row.dew_point, row.corrected) == (16.1, None, True)
    assert (report.held, report.changed, report.unchanged) == (1, 0, 0)


def test_a_partial_report_keeps_what_is_known():
    ingest(("x", 0, {"temperature": 15.1}))
    ingest(("x", 0, {"dew_point": 9.0}))
    row = Observation.objects.get()
    assert (row.temperature, row.dew_point) == (15.1, 9.0)


def test_what_fell_is_stored_and_an_unknown_class_is_refused():
    report = ingest(
        ("x", -1, {"temperature": 1.1}),
        ("x", 0, {"temperature": 1.2}),
        precipitation_type=np.array([2.0, 7.0]),
    )
    assert list(Observation.objects.order_by("valid_time").values_list("precipitation_type", flat=True)) == [
        2,
        None,
    ]
    assert report.rejected == {"no_such_class": 1}
    assert refused() == [("no_such_class", "precipitation_type", 7.0)]


def test_a_refused_value_is_kept_with_its_check():
    report = ingest(("x", 0, {"temperature": 99.0, "dew_point": 9.0}))
    row = Observation.objects.get()
    assert (row.temperature, row.dew_point) == (None, 9.0)
    assert report.rejected == {"physical_limits": 1}
    kept = Rejection.objects.get()
    assert (kept.station.code, kept.feed, kept.variable, kept.value) == ("x", "fixed", "temperature", 99.0)
    assert (kept.valid_time, kept.received) == (NOW.replace(minute=0), NOW)


def test_what_is_refused_again_is_kept_once_and_counted_each_time():
    for _ in range(2):
        assert ingest(("x", 0, {"temperature": 99.0})).rejected == {"physical_limits": 1}
    assert Rejection.objects.count() == 1


@pytest.mark.parametrize(("hours", "check"), [(1, "from_the_future"), (24 * 365, "from_the_future")])
def test_reports_of_hours_to_come_are_refused(hours, check):
    report = ingest(("x", hours, {"temperature": 15.0}), ("x", 0, {"temperature": 15.0}))
    assert (report.reports, report.rejected) == (1, {check: 1})
    assert Rejection.objects.get().valid_time == NOW.replace(minute=0) + timedelta(hours=hours)


@pytest.mark.parametrize("hour", [-(10**9), 10**12])
def test_hours_that_are_no_time_are_refused(hour):
    report = ingest(("x", 0, {"temperature": 15.0}), hour=np.array([hour]))
    assert (report.reports, report.newest, report.rejected) == (0, None, {"no_such_time": 1})
    assert Rejection.objects.get().valid_time is None


def test_reports_that_a_feed_could_not_read_are_kept_as_text():
    unread = (
        RejectedReport(station="x", text="METAR X 0418\0Z //", hour=HOUR, check="not_a_metar"),
        RejectedReport(station="nowhere", text="?" * 500, hour=None, check="station_unknown"),
    )
    report = ingest(("x", 0, {"temperature": 15.0}), rejected=unread)
    assert report.rejected == {"not_a_metar": 1, "station_unknown": 1}
    known, unknown = Rejection.objects.order_by("check_name")
    assert (known.station.code, known.text) == ("x", "METAR X 0418Z //")
    assert (unknown.station, unknown.station_code, len(unknown.text)) == (None, "nowhere", 200)


def test_a_flood_of_refusals_is_counted_and_not_all_kept(monkeypatch, caplog):
    monkeypatch.setattr(rejections, "KEPT_PER_PASS", 5)
    unread = tuple(RejectedReport("x", f"line {number}", None, "html") for number in range(8))
    assert ingest(("x", 0, {"temperature": 15.0}), rejected=unread).rejected == {"html": 8}
    assert Rejection.objects.count() == 5
    assert "more than 5 values refused" in caplog.text


def test_a_spike_is_withdrawn_when_the_next_hour_shows_it():
    for hour, value in ((-2, 15.1), (-1, 27.0), (0, 15.3)):
        report = ingest(("x", hour, {"temperature": value}))
    assert temperatures() == [15.1, None, 15.3]
    assert (report.withdrawn, report.rejected, report.changed) == (1, {"jump": 1}, 1)
    assert refused() == [("jump", "temperature", 27.0)]
    assert Observation.objects.get(temperature=None).revision == 1


def test_a_sensor_that_stands_still_is_refused_and_stays_refused():
    """Hour by hour, as a feed brings it: eighteen equal hours are withdrawn, the ones after never stand."""
    for hour in range(-30, 0):
        value = 12.3 if hour >= -25 else 12.0 + hour / 10
        ingest(
            ("x", hour, {"temperature": value, "dew_point": 5 + hour / 10}), now=NOW + timedelta(hours=hour)
        )
    assert temperatures() == [9.0, 9.1, 9.2, 9.3, 9.4] + [None] * 25
    assert Rejection.objects.filter(check_name="stuck", variable="temperature").count() == 25
    ingest(("x", 0, {"temperature": 12.9, "dew_point": 5.0}))
    assert temperatures()[-1] == 12.9


def test_neighbours_of_another_feed_are_asked():
    steady = batch(*[(code, 0, {"temperature": 15.0}) for code in "abc"])
    services.upsert_observations(batch=steady, feed="other", received=NOW)
    told = batch(("d", 0, {"temperature": 45.0}))
    told = Batch(**{**vars(told), "stations": (place("d", 5.9),)})
    report = services.ingest(feed=FixedFeed(told), now=NOW)
    assert report.rejected == {"neighbours": 1}
    assert refused() == [("neighbours", "temperature", 45.0)]
    assert temperatures("d") == [None]
    assert temperatures("a") == [15.0]


def test_stations_far_away_are_not_read(django_assert_max_num_queries):
    ingest(("x", 0, {"temperature": 15.0}))
    with django_assert_max_num_queries(14):
        ingest(("x", 0, {"temperature": 15.5}))


def guidance(*rows, stations=("x",), source="gfs"):
    """(station, init, valid, available, temperature), hours from now."""
    values = np.full((len(rows), len(GUIDANCE_VARIABLES)), np.nan, np.float32)
    values[:, 0] = [row[4] for row in rows]
    columns = np.array([[HOUR + value for value in row[1:4]] for row in rows], int)
    return GuidanceBatch(
        stations=tuple(place(code) for code in stations),
        source=source,
        station=np.array([stations.index(row[0]) for row in rows]),
        init_hour=columns[:, 0],
        valid_hour=columns[:, 1],
        available_hour=columns[:, 2],
        values=values,
    )


class GuidedFeed(FixedFeed):
    def __init__(self, given, guided):
        super().__init__(given)
        self.guided = guided

    def parse_guidance(self, raw):
        if isinstance(self.guided, Exception):
            raise self.guided
        return self.guided


def upsert(*rows):
    return services.upsert_guidance(batch=guidance(*rows), feed="fixed", received=NOW)


def test_a_feed_brings_guidance_too():
    told = guidance(("x", -6, 1, -2, 15.0), ("x", -6, 2, -2, 99.0))
    report = services.ingest(feed=GuidedFeed(batch(("x", 0, {"temperature": 15.0})), told), now=NOW)
    assert (report.reports, report.guidance, report.rejected) == (1, 2, {"guidance_out_of_limits": 1})
    assert list(Guidance.objects.order_by("valid_time").values_list("temperature", flat=True)) == [15.0, None]
    assert refused() == [("guidance_out_of_limits", "guidance temperature", 99.0)]


def test_a_feed_whose_guidance_cannot_be_read_stores_nothing():
    feed = GuidedFeed(batch(("x", 0, {"temperature": 15.0})), FeedUnreadable("half a file"))
    with pytest.raises(FeedUnreadable):
        services.ingest(feed=feed, now=NOW)
    assert not Observation.objects.exists()


def test_the_same_guidance_again_keeps_the_time_at_which_it_was_known():
    assert upsert(("x", -6, 1, -2, 15.0))[0] == 1
    assert upsert(("x", -6, 1, 0, 15.0))[0] == 0
    assert Guidance.objects.get().available_time == NOW.replace(minute=0) - timedelta(hours=2)


def test_other_values_of_the_same_run_were_known_later():
    upsert(("x", -6, 1, -2, 15.0))
    assert upsert(("x", -6, 1, 0, 15.5))[0] == 1
    row = Guidance.objects.get()
    assert (row.temperature, row.available_time) == (15.5, NOW.replace(minute=0))


def test_of_two_rows_in_one_batch_the_later_stands():
    assert upsert(("x", -6, 1, -2, 15.0), ("x", -6, 1, -2, 15.5))[0] == 1
    assert Guidance.objects.get().temperature == 15.5


@pytest.mark.parametrize(
    "row", [("x", -6, -7, -2, 15.0), ("x", -6, 1, -7, 15.0), ("x", -(10**9), 1, 0, 15.0)]
)
def test_guidance_known_or_valid_before_its_run_is_refused(row):
    written, why = upsert(row)
    assert (written, dict(why)) == (0, {"guidance_before_its_run": 1})
    assert not Guidance.objects.exists()


def test_a_stations_metadata_is_written_only_when_it_changed(django_assert_num_queries):
    reports = (place("x"), place("y"))
    services.upsert_stations(reports)
    # 1. what is known  2. the ids
    with django_assert_num_queries(2):
        assert set(services.upsert_stations(reports)) == {"x", "y"}
    services.upsert_stations((place("x", 7.0),))
    assert Station.objects.get(code="x").longitude == 7.0


def test_naming_services_costs_no_parquet():
    """The admin and the forecast views name these modules in the web process."""
    script = (
        "import sys, django; django.setup()\n"
        "import weatherapp.observations.services, weatherapp.observations.tasks\n"
        "import weatherapp.observations.admin\n"
        "import weatherapp.observations.management.commands.build_dataset\n"
        "import weatherapp.observations.management.commands.archive_observations\n"
        "print([name for name in ('pyarrow', 'pandas', 'tensorflow') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[]", done.stderr
