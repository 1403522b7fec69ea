"""Extra windows lie between those of the stride, hold no targets, and never touch what is held out."""

import numpy as np

from packager.contract import reference_contract
from packager.dataset.extra import extra_windows, join_windows
from packager.dataset.records import VARIABLES, Station
from packager.dataset.splits import OPEN, block_of, held_out_indexes
from packager.dataset.windows import make_windows
from tests.unit.packager.dataset.small import make_dataset

CONTRACT = reference_contract()
STATIONS = tuple(Station(name, name, 10.0 * i, 0.0, 0.0, "test", "actual") for i, name in enumerate("abc"))


def three_stations():
    return make_dataset(500, stations=STATIONS)


def test_they_start_between_the_strides_hours_at_stations_and_in_days_that_train():
    dataset = three_stations()
    extra = extra_windows(dataset, CONTRACT, stride=6, count=60)
    assert len(extra) == 60
    assert (extra.init_hour % 6 != 0).all()
    assert len(np.unique(extra.init_hour % 6)) == 5
    assert not np.isin(extra.station, held_out_indexes(dataset)).any()
    span = extra.init_hour[:, None] + np.arange(-47, 49)
    assert (block_of(span) == OPEN).all()
    trained = make_windows(dataset, CONTRACT, stride=6, split="train")
    assert not set(zip(extra.station, extra.init_hour, strict=True)) & set(
        zip(trained.station, trained.init_hour, strict=True)
    )


def test_only_the_teacher_labels_them():
    extra = extra_windows(three_stations(), CONTRACT, stride=3, count=20)
    assert all(np.isnan(values).all() for values in extra.targets.values())
    assert np.isfinite(extra.inputs["history"]).all()


def test_windows_after_which_nothing_was_reported_are_among_them():
    dataset = three_stations()
    dataset.values[300:, VARIABLES.index("temperature") :] = np.nan
    dataset.precipitation_type[:] = np.nan
    silent = extra_windows(dataset, CONTRACT, stride=1, count=1000)
    assert silent is not None
    trained = make_windows(dataset, CONTRACT, stride=1, split="train")
    assert trained.init_hour.max() < silent.init_hour.max() or len(trained) == 0


def test_where_there_are_none_nothing_is_given():
    assert extra_windows(three_stations(), CONTRACT, stride=1, count=50) is None


def test_joined_windows_keep_their_order():
    extra = extra_windows(three_stations(), CONTRACT, stride=3, count=20)
    both = join_windows([extra, extra])
    np.testing.assert_array_equal(both.init_hour[20:], extra.init_hour)
    np.testing.assert_array_equal(both.inputs["history"][:20], extra.inputs["history"])
