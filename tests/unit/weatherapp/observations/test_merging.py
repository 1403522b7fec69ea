import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weatherapp.observations.feeds import Batch, StationReport
from weatherapp.observations.merging import fold, merge, settle, sorted_rows

NAN = np.nan


def batch(*reports):
    """(station, hour, temperature, dew point[, series, corrected, type]) each, in the order received."""
    full = [(*report, *(0, False, NAN)[len(report) - 4 :]) for report in reports]
    columns = list(zip(*full, strict=True)) if full else [()] * 7
    values = np.full((len(full), 9), NAN, np.float32)
    values[:, 0], values[:, 1] = columns[2], columns[3]
    return Batch(
        stations=(
            StationReport("a", "A", 45.0, 5.0, 120.0, "test"),
            StationReport("b", "B", 45.0, 6.0, 10.0, "test"),
        ),
        station=np.array(columns[0], int),
        hour=np.array(columns[1], int),
        values=values,
        series=np.array(columns[4], int),
        corrected=np.array(columns[5], bool),
        precipitation_type=np.array(columns[6], float),
    )


def rows(*reports):
    given = batch(*reports)
    return fold(given, given.station)


def told(made):
    return [
        (int(station), int(hour), *(None if np.isnan(value) else float(value) for value in values[:2]))
        for station, hour, values in zip(made.station, made.hour, made.values, strict=True)
    ]


def outcome(standing, incoming, bad=()):
    merged = merge(standing, incoming)
    failed = np.zeros(merged.rows.values.shape, bool)
    for row, column in bad:
        failed[row, column] = True
    return merged, settle(merged, standing, failed)


def test_rows_are_sorted_by_station_and_hour():
    made = rows((1, 5, 1, 1), (0, 7, 2, 2), (1, -4, 3, 3), (0, 6, 4, 4))
    assert told(made) == [(0, 6, 4, 4), (0, 7, 2, 2), (1, -4, 3, 3), (1, 5, 1, 1)]


def test_the_later_of_two_reports_of_an_hour_counts():
    assert told(rows((0, 5, 10.0, 4.0), (0, 5, 11.0, 4.5))) == [(0, 5, 11.0, 4.5)]


def test_a_partial_report_leaves_what_it_does_not_say():
    assert told(rows((0, 5, 10.0, 4.0), (0, 5, 11.0, NAN))) == [(0, 5, 11.0, 4.0)]
    assert told(merge(rows((0, 5, 10.0, 4.0)), rows((0, 5, NAN, 3.0))).rows) == [(0, 5, 10.0, 3.0)]


def test_a_correction_replaces_the_whole_report():
    correction = (0, 5, 11.0, NAN, 0, True, NAN)
    assert told(rows((0, 5, 10.0, 4.0, 0, False, 1), correction)) == [(0, 5, 11.0, None)]
    assert np.isnan(rows((0, 5, 10.0, 4.0, 0, False, 1), correction).precipitation_type[0])


def test_no_routine_report_replaces_a_correction():
    standing = rows((0, 5, 11.0, NAN, 0, True))
    merged, settled = outcome(standing, rows((0, 5, 10.0, 4.0)))
    assert told(settled.rows) == [(0, 5, 11.0, None)]
    assert merged.held == 1
    assert not settled.changed.any()
    assert settled.unchanged == 0


def test_a_correction_replaces_a_correction():
    merged = merge(rows((0, 5, 11.0, 4.0, 0, True)), rows((0, 5, 12.0, NAN, 0, True)))
    assert told(merged.rows) == [(0, 5, 12.0, None)]


def test_a_report_of_another_series_replaces_the_whole_report():
    merged = merge(rows((0, 5, 10.0, 4.0, 1)), rows((0, 5, 11.0, NAN, 2)))
    assert told(merged.rows) == [(0, 5, 11.0, None)]
    assert merged.rows.series.tolist() == [2]


def test_the_same_again_is_unchanged():
    standing = rows((0, 5, 10.1, NAN), (0, 6, 10.2, 4.0))
    _, settled = outcome(standing, standing)
    assert (settled.unchanged, settled.new.any(), settled.changed.any()) == (2, False, False)


def test_new_and_changed_hours_are_told_apart():
    _, settled = outcome(rows((0, 5, 10.0, 4.0)), rows((0, 5, 10.5, 4.0), (0, 6, 11.0, 4.0)))
    assert settled.changed.tolist() == [True, False]
    assert settled.new.tolist() == [False, True]


@pytest.mark.parametrize(
    "changed", [(0, 5, 10.0, 4.0, 1), (0, 5, 10.0, 4.0, 0, True), (0, 5, 10.0, 4.0, 0, False, 2)]
)
def test_series_correction_and_type_are_changes_too(changed):
    _, settled = outcome(rows((0, 5, 10.0, 4.0)), rows(changed))
    assert settled.changed.tolist() == [True]


def test_a_refused_value_leaves_the_one_before_it():
    _, settled = outcome(rows((0, 5, 10.0, 4.0)), rows((0, 5, 99.0, 4.5)), bad=[(0, 0)])
    assert told(settled.rows) == [(0, 5, 10.0, 4.5)]
    assert settled.refused[0, 0]


def test_a_value_that_is_refused_now_does_not_stand_because_it_stood():
    _, settled = outcome(rows((0, 5, 10.0, 4.0)), rows((0, 5, 10.0, 4.0)), bad=[(0, 0)])
    assert told(settled.rows) == [(0, 5, None, 4.0)]
    assert settled.changed.tolist() == [True]


def test_a_refused_correction_leaves_nothing():
    _, settled = outcome(rows((0, 5, 10.0, 4.0)), rows((0, 5, 99.0, 4.5, 0, True)), bad=[(0, 0)])
    assert told(settled.rows) == [(0, 5, None, 4.5)]


def test_a_stored_value_is_withdrawn():
    _, settled = outcome(rows((0, 5, 10.0, 4.0)), rows((0, 6, 30.0, 4.0)), bad=[(0, 0)])
    assert told(settled.rows) == [(0, 5, None, 4.0), (0, 6, 30.0, 4.0)]
    assert settled.withdrawn[0, 0]
    assert settled.changed.tolist() == [True, False]


def test_what_is_not_finite_was_not_reported():
    assert told(rows((0, 5, np.inf, -np.inf))) == [(0, 5, None, None)]


REPORT = st.tuples(
    st.integers(0, 1),
    st.integers(-2, 2),
    st.one_of(st.just(NAN), st.integers(-30, 40)),
    st.one_of(st.just(NAN), st.integers(-30, 40)),
    st.just(0),
    st.booleans(),
    st.one_of(st.just(NAN), st.integers(0, 3)),
)


@given(st.lists(REPORT, max_size=12), st.integers(0, 12))
def test_it_does_not_matter_how_reports_are_cut_into_passes(reports, cut):
    whole = rows(*reports)
    parts = merge(rows(*reports[:cut]), rows(*reports[cut:])).rows
    assert told(whole) == told(parts)
    assert whole.corrected.tolist() == parts.corrected.tolist()
    assert np.array_equal(whole.precipitation_type, parts.precipitation_type, equal_nan=True)


@given(st.lists(REPORT, max_size=12))
def test_the_same_pass_twice_changes_nothing(reports):
    once = rows(*reports)
    _, settled = outcome(once, once)
    assert told(settled.rows) == told(once)
    assert not (settled.new | settled.changed).any()


def test_parts_that_share_nothing_are_put_together():
    assert told(sorted_rows([rows((1, 5, 1, 1)), rows((0, 7, 2, 2))])) == [(0, 7, 2, 2), (1, 5, 1, 1)]
