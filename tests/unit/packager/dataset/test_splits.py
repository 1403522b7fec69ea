from dataclasses import replace

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
    held_out_indexes,
    held_out_neighbours,
    parse_split,
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


def test_hours_that_a_held_out_station_shares_with_a_neighbour_train_nothing():
    hours = hours_of_year(2013)
    dataset = make_dataset(len(hours), start=int(hours[0]), stations=pair(1.0))
    starts = starts_of(dataset)
    for split in (Split.TRAIN, Split.EARLY_STOPPING):
        assert not windows_of_split(dataset, starts, LENGTH, split).any()
    assert windows_of_split(dataset, starts, LENGTH, Split.UNSEEN_STATION).sum() == len(hours) - LENGTH + 1
    assert windows_of_split(dataset, starts, LENGTH, Split.UNSEEN_PERIOD).any()


def test_a_station_farther_than_150_km_trains_at_the_same_time():
    hours = hours_of_year(2013)
    dataset = make_dataset(len(hours), start=int(hours[0]), stations=pair(2.0))
    starts = starts_of(dataset)
    assert windows_of_split(dataset, starts, LENGTH, Split.TRAIN).any()


def test_a_neighbour_trains_on_hours_that_the_held_out_station_does_not_have():
    hours = hours_of_year(2013)
    dataset = make_dataset(len(hours), start=int(hours[0]), stations=pair(1.0))
    dataset.hour[len(hours) :] += 20_000
    starts = starts_of(dataset)
    assert windows_of_split(dataset, starts, LENGTH, Split.TRAIN).any()


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
        here = reference.stations[index]
        near = [
            other
            for other, there in enumerate(reference.stations)
            if great_circle_kilometres(here.latitude, here.longitude, there.latitude, there.longitude) <= 150
        ]
        seen = set(reference.hour[np.isin(reference.station, near) & used].tolist())
        assert len(mine) > 500
        assert not hours_covered(reference, mine) & seen


def test_kennedy_is_a_neighbour_of_la_guardia_and_miami_of_nobody(reference):
    near = held_out_neighbours(reference, reference.station_index("nyc-JFK"))
    assert [reference.stations[index].id for index in near] == ["nyc-LGA"]
    assert len(held_out_neighbours(reference, reference.station_index("tmy3-722020"))) == 0


def network(*ids):
    return tuple(Station(name, name, 30.0 + 3 * n, 0.0, 0.0, "test", "actual") for n, name in enumerate(ids))


@pytest.mark.parametrize(("count", "held_out"), [(1, 0), (2, 1), (5, 1), (10, 2), (40, 6)])
def test_another_dataset_holds_out_about_a_seventh_of_its_stations(count, held_out):
    dataset = make_dataset(2, stations=network(*(f"s{n}" for n in range(count))))
    assert len(held_out_indexes(dataset)) == held_out


def test_which_stations_are_held_out_depends_on_their_ids_alone():
    ids = [f"K{n:03}" for n in range(20)]

    def chosen(names):
        dataset = make_dataset(2, stations=network(*names))
        return {dataset.stations[index].id for index in held_out_indexes(dataset)}

    assert chosen(ids) == chosen(ids[::-1])
    assert len(chosen(ids)) == 3
    # Their digests are the lowest, so a smaller network that has them holds out some of the same.
    assert chosen([*ids[:6], *chosen(ids)]) <= chosen(ids)


def test_a_station_without_rows_is_not_held_out():
    dataset = make_dataset(2, stations=network("a", "b", "c"))
    (first,) = held_out_indexes(dataset)
    rows = dataset.station != first
    fewer = replace(dataset, station=dataset.station[rows], hour=dataset.hour[rows])
    assert held_out_indexes(fewer).tolist() not in ([], [first])


def test_the_references_stations_are_held_out_wherever_one_of_them_is():
    dataset = make_dataset(2, stations=network("a", HELD_OUT_STATIONS[2], "b"))
    assert held_out_indexes(dataset).tolist() == [1]
