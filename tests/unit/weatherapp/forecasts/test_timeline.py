from datetime import UTC, datetime

import pytest

from weatherapp.forecasts.query import parse_query, split_lists
from weatherapp.forecasts.timeline import plan_timeline


def plan(now, **values):
    query = parse_query(split_lists({"latitude": "41.9", "longitude": "-87.6", **values}.items()))
    return plan_timeline(query, query.places[0], now)


NOW = datetime(2026, 7, 4, 3, 25, tzinfo=UTC)


def test_a_series_starts_at_local_midnight_of_today():
    timeline = plan(NOW, timezone="America/Chicago", forecast_days="2", past_days="1")
    labels = timeline.labels(unixtime=False)
    assert (labels[0], labels[-1], len(labels)) == ("2026-07-02T00:00", "2026-07-04T23:00", 72)
    assert (timeline.offset, timeline.abbreviation) == (-18000, "GMT-5")


def test_auto_finds_the_zone_of_the_place():
    assert plan(NOW, timezone="auto").zone == "America/Chicago"


def test_gmt_is_the_default():
    timeline = plan(NOW, forecast_days="1")
    assert (timeline.zone, timeline.offset, timeline.abbreviation) == ("GMT", 0, "GMT")
    assert timeline.labels(unixtime=False)[0] == "2026-07-04T00:00"


def test_hours_start_at_the_current_one():
    labels = plan(NOW, forecast_hours="3", past_hours="1").labels(unixtime=False)
    assert labels == ["2026-07-04T02:00", "2026-07-04T03:00", "2026-07-04T04:00", "2026-07-04T05:00"]


def test_unix_time_is_true_utc():
    labels = plan(NOW, timezone="America/Chicago", forecast_days="1", timeformat="unixtime").labels(
        unixtime=True
    )
    assert labels[0] == int(datetime(2026, 7, 3, 5, tzinfo=UTC).timestamp())


@pytest.mark.parametrize(
    ("now", "hours", "repeated"),
    [((2026, 11, 1, 12), 25, "2026-11-01T01:00"), ((2026, 3, 8, 12), 23, None)],
)
def test_a_day_of_a_change_of_clocks_has_its_own_number_of_hours(now, hours, repeated):
    labels = plan(datetime(*now, tzinfo=UTC), timezone="America/Chicago", forecast_days="1").labels(
        unixtime=False
    )
    assert len(labels) == hours
    assert labels.count(repeated) == (2 if repeated else 0)
    assert labels[-1].endswith("T23:00")
    assert "2026-03-08T02:00" not in labels


def test_zones_off_the_full_hour_are_labelled_at_their_own_midnight():
    timeline = plan(NOW, timezone="Asia/Kathmandu", forecast_days="1")
    assert timeline.labels(unixtime=False)[0] == "2026-07-04T00:00"
    assert timeline.abbreviation == "GMT+5:45"


def test_no_days_is_an_empty_series():
    assert plan(NOW, forecast_days="0").labels(unixtime=False) == []
