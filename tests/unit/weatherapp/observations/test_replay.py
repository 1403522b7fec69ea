from datetime import UTC, datetime

import numpy as np
import pytest

from packager.dataset.records import VARIABLES, Dataset, Station
from weatherapp.observations.feeds.replay import ReplayFeed, distinct_sites

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def hour_of(*date):
    return int((datetime(*date, tzinfo=UTC) - EPOCH).total_seconds() // 3600)


def dataset(*stations):
    """(station, [(first hour, hours), ...]) each; temperature is the hour's number of the source."""
    rows = []
    segment = 0
    for index, (_, spans) in enumerate(stations):
        for first, hours in spans:
            rows.extend((index, hour, segment) for hour in range(first, first + hours))
            segment += 1
    station, hour, segments = np.array(rows).T
    values = np.full((len(rows), len(VARIABLES)), np.nan, np.float32)
    values[:, 0] = hour % 50
    return Dataset(
        stations=tuple(made for made, _ in stations),
        station=station,
        hour=hour,
        segment=segments,
        values=values,
        precipitation_type=np.zeros(len(rows), np.float32),
        precipitation_type_from=np.zeros(len(rows), np.float32),
        digest="0",
        provenance={},
    )


ACTUAL = Station("a", "A", 45.0, 0.0, 10.0, "test", "actual")
TYPICAL = Station("t", "T", 30.0, 0.0, 10.0, "test", "tmy")


def show(data, *now):
    feed = ReplayFeed(data)
    return feed.parse(feed.fetch(now=datetime(*now, tzinfo=UTC)))


def test_an_actual_station_shows_the_same_hour_of_its_last_full_year():
    data = dataset(
        (ACTUAL, [(hour_of(2015, 1, 1), 8760), (hour_of(2016, 1, 1), 8784), (hour_of(2017, 1, 1), 900)])
    )
    batch = show(data, 2026, 7, 4, 18, 30)
    assert batch.hour.tolist() == list(range(hour_of(2026, 7, 2, 19), hour_of(2026, 7, 4, 18) + 1))
    assert batch.values[-1, 0] == hour_of(2016, 7, 4, 18) % 50
    assert len(set(batch.series.tolist())) == 1


def test_leap_day_shows_the_day_before_it():
    data = dataset((ACTUAL, [(hour_of(2017, 1, 1), 8760)]))
    batch = show(data, 2028, 2, 29, 12)
    assert batch.values[-1, 0] == hour_of(2017, 2, 28, 12) % 50
    before = batch.series[batch.hour <= hour_of(2028, 2, 28, 23)]
    assert set(before.tolist()).isdisjoint(batch.series[batch.hour > hour_of(2028, 2, 28, 23)].tolist())


def test_months_of_a_typical_year_are_different_series():
    june, july = (hour_of(1999, 6, 1), 720), (hour_of(2003, 7, 1), 744)
    batch = show(dataset((TYPICAL, [june, july])), 2026, 7, 2, 6)
    is_july = batch.hour >= hour_of(2026, 7, 1)
    assert is_july.sum() == 31
    assert len(set(batch.series[is_july].tolist())) == 1
    assert set(batch.series[is_july].tolist()).isdisjoint(batch.series[~is_july].tolist())
    assert batch.values[-1, 0] == hour_of(2003, 7, 2, 6) % 50


def test_the_turn_of_the_year_is_not_continuous():
    data = dataset((ACTUAL, [(hour_of(2017, 1, 1), 8760)]))
    batch = show(data, 2027, 1, 1, 20)
    new_year = batch.hour >= hour_of(2027, 1, 1)
    assert set(batch.series[new_year].tolist()).isdisjoint(batch.series[~new_year].tolist())


def test_gaps_stay_gaps():
    data = dataset((ACTUAL, [(hour_of(2017, 1, 1), 4000), (hour_of(2017, 1, 1) + 4010, 4750)]))
    gap = datetime.fromtimestamp((hour_of(2017, 1, 1) + 4020) * 3600, UTC)
    assert len(show(data, 2026, gap.month, gap.day, gap.hour)) == 38


def test_a_typical_year_beside_an_actual_station_is_left_out():
    twin = Station("twin", "A", 45.01, 0.01, 10.0, "test", "tmy")
    assert distinct_sites((TYPICAL, twin, ACTUAL)) == [0, 2]
    data = dataset((twin, [(hour_of(2003, 7, 1), 744)]), (ACTUAL, [(hour_of(2017, 1, 1), 8760)]))
    batch = show(data, 2026, 7, 4, 18)
    assert [station.code for station in batch.stations] == ["a"]
    assert set(batch.station.tolist()) == {0}


@pytest.mark.parametrize("now", [(2026, 1, 15, 0), (2026, 11, 21, 22), (2028, 12, 20, 23)])
def test_every_reference_station_shows_a_whole_window_in_the_middle_of_a_month(now):
    feed = ReplayFeed()
    batch = feed.parse(feed.fetch(now=datetime(*now, tzinfo=UTC)))
    rows = np.bincount(batch.station, minlength=len(batch.stations))
    assert rows.max() == 48
    assert (rows >= 40).all()
