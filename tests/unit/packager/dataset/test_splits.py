import numpy as np
import pytest

from packager.dataset.errors import SplitUnknown
from packager.dataset.records import Station
from packager.dataset.splits import (
    BLOCK_DAYS,
    EARLY_STOPPING_BLOCK,
    HELD_OUT_STATIONS,
    OPEN,
    UNSEEN_PERIOD_BLOCK,
    Split,
    block_of,
    great_circle_kilometres,
    parse_split,
    training_neighbours,
    windows_of_split,
)
from tests.unit.packager.dataset.small import make_dataset

LENGTH = 96


def hours_of_year(year):
    first = int(np.datetime64(f"{year}-01-01", "h").astype(np.int64))
    last = int(np.datetime64(f"{year + 1}-01-01", "h").astype(np.int64))
    return np.arange(first, last)


def test_a_block_is_the_last_twelve_days_of_its_month():
    hours = hours_of_year(2013)
    kinds = block_of(hours)
    starts = np.flatnonzero((np.diff(kinds) != 0) & (kinds[1:] != OPEN)) + 1
    assert hours[starts[0]].astype("datetime64[h]") == np.datetime64("2013-01-20T00")
    assert all((kinds[start : start + BLOCK_DAYS * 24] == kinds[start]).all() for start in starts)
    assert kinds[np.flatnonzero(hours == np.datetime64("2013-02-01T00", "h").astype(np.int64))[0]] == OPEN


def test_over_eleven_years_every_month_gets_each_kind_of_block():
    hours = np.concatenate([hours_of_year(year) for year in range(2000, 2011)])
    kinds = block_of(hours)
    months = hours.astype("datetime64[h]").astype("datetime64[M]").astype(np.int64) % 12
    for kind, times in ((UNSEEN_PERIOD_BLOCK, 3), (EARLY_STOPPING_BLOCK, 2)):
        counts = np.bincount(months[kinds == kind], minlength=12)
        assert counts.tolist() == [times * BLOCK_DAYS * 24] * 12


def test_an_unknown_split_is_named_with_the_known_ones():
    with pytest.raises(
        SplitUnknown, match=r"'test' is not known; it can be train, early_stopping, unseen_period"
    ):
        parse_split("test")


def test_distance_from_la_guardia_to_kennedy():
    assert great_circle_kilometres(40.777, -73.873, 40.640, -73.779) == pytest.approx(17.2, abs=0.2)


def pair(distance_degrees):
    held_out = Station(HELD_OUT_STATIONS[0], "held out", 45.0, 0.0, 0.0, "test", "actual")
    return held_out, Station("near", "near", 45.0 + distance_degrees, 0.0, 0.0, "test", "actual")


def starts_of(dataset):
    return np.flatnonzero(dataset.segment[: -LENGTH + 1] == dataset.segment[LENGTH - 1 :])


def hours_covered(dataset, starts):
    return set((dataset.hour[starts][:, None] + np.arange(LENGTH)).ravel().tolist())


def test_a_held_out_station_with_a_training_neighbour_is_scored_only_in_held_out_blocks():
    hours = hours_of_year(2013)
    dataset = make_dataset(len(hours), start=int(hours[0]), stations=pair(1.0))
    starts = starts_of(dataset)
    chosen = starts[windows_of_split(dataset, starts, LENGTH, Split.UNSEEN_STATION)]
    trained = starts[windows_of_split(dataset, starts, LENGTH, Split.TRAIN)]
    stopped = starts[windows_of_split(dataset, starts, LENGTH, Split.EARLY_STOPPING)]
    assert (dataset.station[chosen] == 0).all()
    assert (block_of(np.array(sorted(hours_covered(dataset, chosen)))) == UNSEEN_PERIOD_BLOCK).all()
    assert not hours_covered(dataset, chosen) & hours_covered(dataset, trained)
    assert not hours_covered(dataset, chosen) & hours_covered(dataset, stopped)


def test_a_held_out_station_without_a_neighbour_is_scored_at_every_time():
    dataset = make_dataset(1000, stations=pair(2.0))
    starts = starts_of(dataset)
    chosen = windows_of_split(dataset, starts, LENGTH, Split.UNSEEN_STATION)
    assert chosen.sum() == 1000 - LENGTH + 1


def test_a_neighbour_at_another_time_hides_nothing():
    dataset = make_dataset(1000, stations=pair(1.0))
    dataset.hour[1000:] += 10_000
    starts = starts_of(dataset)
    assert windows_of_split(dataset, starts, LENGTH, Split.UNSEEN_STATION).sum() == 1000 - LENGTH + 1


@pytest.fixture(scope="module")
def reference_windows(reference):
    starts = starts_of(reference)
    return {split: starts[windows_of_split(reference, starts, LENGTH, split)] for split in Split}


def test_the_reference_dataset_has_the_held_out_stations(reference):
    names = {station.id: station.name for station in reference.stations}
    assert [names[station_id] for station_id in HELD_OUT_STATIONS] == [
        "Denver Buckley",
        "Washington Dulles",
        "Oklahoma City Will Rogers",
        "New York LaGuardia",
    ]


def test_no_training_row_is_of_a_held_out_place(reference):
    held_out = [station for station in reference.stations if station.id in HELD_OUT_STATIONS]
    others = [station for station in reference.stations if station.id not in HELD_OUT_STATIONS]
    nearest = min(
        great_circle_kilometres(a.latitude, a.longitude, b.latitude, b.longitude)
        for a in held_out
        for b in others
    )
    assert nearest > 10


def test_no_reference_row_is_in_two_splits(reference, reference_windows):
    covered = {}
    for split, starts in reference_windows.items():
        rows = np.zeros(len(reference), dtype=bool)
        rows[(starts[:, None] + np.arange(LENGTH)).ravel()] = True
        covered[split] = rows
    for split in Split:
        for other in Split:
            assert split == other or not (covered[split] & covered[other]).any()


def test_held_out_stations_are_never_seen_through_a_neighbour(reference, reference_windows):
    used = np.zeros(len(reference), dtype=bool)
    for split in (Split.TRAIN, Split.EARLY_STOPPING):
        used[(reference_windows[split][:, None] + np.arange(LENGTH)).ravel()] = True
    scored = reference_windows[Split.UNSEEN_STATION]
    for station_id in HELD_OUT_STATIONS:
        index = reference.station_index(station_id)
        mine = scored[reference.station[scored] == index]
        near = np.isin(reference.station, training_neighbours(reference, index))
        seen = set(reference.hour[near & used].tolist())
        assert len(mine) > 500
        assert not hours_covered(reference, mine) & seen


def test_la_guardia_has_training_neighbours_and_oklahoma_city_none(reference):
    near = training_neighbours(reference, reference.station_index("nyc-LGA"))
    assert {"nyc-JFK", "nyc-EWR"} <= {reference.stations[index].id for index in near}
    assert len(training_neighbours(reference, reference.station_index("tmy3-723530"))) == 0
