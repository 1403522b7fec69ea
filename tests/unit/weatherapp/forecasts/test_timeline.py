from datetime import UTC, datetime

import numpy as np
import pytest

from weatherapp.forecasts.errors import QueryInvalid
from weatherapp.forecasts.formats.labels import local_labels
from weatherapp.forecasts.query import parse_query, split_lists
from weatherapp.forecasts.timeline import check_spans, day_bounds, hourly_span, minutely_span, place_clock

NOW = datetime(2026, 7, 4, 3, 25, tzinfo=UTC)


def parse(**values):
    return parse_query(split_lists({"latitude": "41.9", "longitude": "-87.6", **values}.items()))


def clock_of(now=NOW, **values):
    return place_clock(parse(**values).places[0], now)


def labels(now=NOW, span=hourly_span, index=0, **values):
    query = parse(**values)
    clock = place_clock(query.places[index], now)
    return list(local_labels(span(query, clock, index).times, clock.zone))


def days(now=NOW, **values):
    query = parse(**values)
    clock = place_clock(query.places[0], now)
    bounds, today = day_bounds(query, clock, 0)
    return list(local_labels(bounds[:-1], clock.zone, days=True)), np.diff(bounds).tolist(), today


def test_a_series_starts_at_local_midnight_of_today():
    found = labels(timezone="America/Chicago", forecast_days="2", past_days="1")
    assert (found[0], found[-1], len(found)) == ("2026-07-02T00:00", "2026-07-04T23:00", 72)
    clock = clock_of(timezone="America/Chicago")
    assert (clock.offset, clock.abbreviation) == (-18000, "GMT-5")


def test_auto_finds_the_zone_of_the_place():
    assert clock_of(timezone="auto").zone == "America/Chicago"


def test_gmt_is_the_default():
    clock = clock_of()
    assert (clock.zone, clock.offset, clock.abbreviation) == ("GMT", 0, "GMT")
    assert labels(forecast_days="1")[0] == "2026-07-04T00:00"


def test_hours_start_at_the_current_one():
    found = labels(forecast_hours="3", past_hours="1")
    assert found == ["2026-07-04T02:00", "2026-07-04T03:00", "2026-07-04T04:00", "2026-07-04T05:00"]


def test_past_hours_alone_keep_the_end_of_the_days():
    found = labels(past_hours="2", forecast_days="1")
    assert (found[0], found[-1]) == ("2026-07-04T01:00", "2026-07-04T23:00")


@pytest.mark.parametrize(
    ("now", "hours", "repeated"),
    [((2026, 11, 1, 12), 25, "2026-11-01T01:00"), ((2026, 3, 8, 12), 23, None)],
)
def test_a_day_of_a_change_of_clocks_has_its_own_number_of_hours(now, hours, repeated):
    moment = datetime(*now, tzinfo=UTC)
    found = labels(moment, timezone="America/Chicago", forecast_days="1")
    assert len(found) == hours
    assert found.count(repeated) == (2 if repeated else 0)
    assert found[-1].endswith("T23:00")
    assert "2026-03-08T02:00" not in found
    assert days(moment, timezone="America/Chicago", forecast_days="2")[1] == [hours * 3600, 86400]


@pytest.mark.parametrize(
    ("now", "hours", "last"),
    # Back by half an hour at 02:00 on 5 April, ahead by half an hour on 4 October.
    [((2026, 4, 5, 1), 24.5, "2026-04-05T23:30"), ((2026, 10, 4, 1), 23.5, "2026-10-04T23:30")],
)
def test_a_day_of_a_change_by_half_an_hour_keeps_its_last_hour(now, hours, last):
    moment = datetime(*now, tzinfo=UTC)
    zone = {"timezone": "Australia/Lord_Howe", "forecast_days": "1"}
    found = labels(moment, **zone)
    assert (found[0][-5:], found[-1], len(found)) == ("00:00", last, int(hours + 0.5))
    assert days(moment, **zone)[1] == [hours * 3600]
    # From the current hour on the labels are full hours of the clock that holds now.
    assert labels(moment, past_hours="0", **zone)[-1][-5:] == "23:00"


def test_zones_off_the_full_hour_have_their_own_midnight_and_their_own_current_hour():
    assert labels(timezone="Asia/Kathmandu", forecast_days="1")[0] == "2026-07-04T00:00"
    assert labels(timezone="Asia/Kathmandu", forecast_hours="1") == ["2026-07-04T09:00"]
    assert clock_of(timezone="Asia/Kathmandu").abbreviation == "GMT+5:45"


def test_no_days_is_an_empty_series():
    assert labels(forecast_days="0") == []
    assert days(forecast_days="0")[0] == []


def test_days_count_from_today_at_the_place():
    assert days(timezone="America/Chicago", past_days="1", forecast_days="2") == (
        ["2026-07-02", "2026-07-03", "2026-07-04"],
        [86400] * 3,
        1,
    )


def test_dates_are_taken_as_they_are_with_both_ends():
    span = {"start_date": "2026-07-01", "end_date": "2026-07-02"}
    found = labels(timezone="America/Chicago", **span)
    assert (found[0], found[-1], len(found)) == ("2026-07-01T00:00", "2026-07-02T23:00", 48)
    assert days(timezone="America/Chicago", **span)[0] == ["2026-07-01", "2026-07-02"]


def test_places_may_have_dates_of_their_own():
    span = {"start_date": "2026-07-01,2026-07-03", "end_date": "2026-07-01,2026-07-04"}
    pair = {"latitude": "1,2", "longitude": "3,4", **span}
    assert labels(index=0, **pair)[0] == "2026-07-01T00:00"
    assert len(labels(index=1, **pair)) == 48


def test_hours_of_a_span_have_both_ends():
    span = {"start_hour": "2026-07-04T10:00", "end_hour": "2026-07-04T12:00", "timezone": "Asia/Kathmandu"}
    assert labels(**span) == ["2026-07-04T10:00", "2026-07-04T11:00", "2026-07-04T12:00"]


def test_quarters_of_an_hour_start_at_the_current_one():
    found = labels(span=minutely_span, forecast_minutely_15="2", past_minutely_15="1")
    assert found == ["2026-07-04T03:00", "2026-07-04T03:15", "2026-07-04T03:30"]
    both = {"start_minutely_15": "2026-07-04T10:15", "end_minutely_15": "2026-07-04T10:45"}
    assert labels(span=minutely_span, **both) == ["2026-07-04T10:15", "2026-07-04T10:30", "2026-07-04T10:45"]
    assert len(labels(span=minutely_span, forecast_days="1")) == 96


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({"start_date": "2026-04-01", "end_date": "2026-07-02"}, "start_date"),
        ({"start_date": "2026-07-04", "end_date": "2026-07-21"}, "end_date"),
        ({"start_hour": "1999-12-31T23:00", "end_hour": "2026-07-04T00:00"}, "start_hour"),
        (
            {"start_minutely_15": "2026-07-04T00:00", "end_minutely_15": "2027-07-04T00:00"},
            "end_minutely_15",
        ),
    ],
)
def test_a_span_too_far_away_is_refused_with_the_range(values, name):
    query = parse(**values)
    clock = place_clock(query.places[0], NOW)
    with pytest.raises(QueryInvalid, match=f"'{name}' is out of allowed range from 2026-04-02 to 2026-07-20"):
        check_spans(query, clock, 0)
