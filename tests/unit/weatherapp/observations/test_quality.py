import numpy as np
import pytest

from weatherapp.observations.merging import Rows, merge
from weatherapp.observations.models import VARIABLES
from weatherapp.observations.neighbours import Places, nearest
from weatherapp.observations.quality import check

ONE_PLACE = Places(np.zeros(1), np.zeros(1), np.zeros(1))


def rows(first=0, station=0, series=0, **columns):
    """Hourly reports of one station from hour `first` on; what is not given is NaN."""
    length = max(len(column) for column in columns.values())
    values = np.full((length, len(VARIABLES)), np.nan)
    for name, column in columns.items():
        values[:, VARIABLES.index(name)] = column
    return Rows(
        station=np.full(length, station),
        hour=first + np.arange(length),
        values=values,
        precipitation_type=np.full(length, np.nan),
        series=np.full(length, series),
        corrected=np.zeros(length, bool),
    )


NOTHING = rows(temperature=[0.0]).take(slice(0, 0))


def failures(incoming, standing=NOTHING, refused=None, places=ONE_PLACE):
    """{(check, variable): hours} of everything that failed."""
    merged = merge(standing, incoming)
    before = np.full(merged.rows.values.shape, np.nan) if refused is None else refused
    found = {}
    targets = np.unique(incoming.station)
    for name, failed in check(merged, before, places, targets, nearest(places, targets)).items():
        for row, column in zip(*np.nonzero(failed), strict=True):
            found.setdefault((name, VARIABLES[column]), []).append(int(merged.rows.hour[row]))
    return found


def varied(count, middle=15.0):
    return middle + 3 * np.sin(np.arange(count) / 4) + 0.1


def test_good_reports_pass():
    good = rows(
        temperature=varied(48), dew_point=varied(48, 8.0), precipitation=np.zeros(48), cloud_base=[2e4] * 48
    )
    assert not failures(good)


def test_values_beyond_the_records_of_the_earth_fail():
    bad = rows(temperature=[99.0], precipitation=[-1.0], wind_u=[90.0], wind_v=[1.0], cloud_base=[15_000.0])
    assert failures(bad) == {
        ("physical_limits", name): [0]
        for name in ("temperature", "precipitation", "wind_u", "wind_v", "cloud_base")
    }


def test_dew_point_above_temperature_fails():
    assert failures(rows(temperature=[10.0, 10.0], dew_point=[10.1, 10.2])) == {
        ("dew_point_above_temperature", "dew_point"): [1]
    }


def test_a_jump_from_the_hour_before_fails_when_it_comes():
    standing = rows(temperature=[10.3, 10.6])
    assert failures(rows(first=2, temperature=[32.0]), standing) == {("jump", "temperature"): [2]}
    assert not failures(rows(first=2, temperature=[25.0]), standing)


def test_a_spike_is_seen_an_hour_later():
    standing = rows(temperature=[10.3, 25.0])
    assert failures(rows(first=2, temperature=[10.5]), standing) == {("jump", "temperature"): [1]}


def test_a_wrong_new_value_does_not_condemn_the_good_one_before_it():
    standing = rows(temperature=[10.3, 10.4, 10.5])
    assert failures(rows(first=2, temperature=[10.5, 33.0]), standing) == {("jump", "temperature"): [3]}


def test_a_step_that_stays_condemns_both_sides():
    standing = rows(temperature=[10.3, 33.0])
    assert failures(rows(first=2, temperature=[33.1]), standing) == {("jump", "temperature"): [0, 1]}


def test_refused_values_still_tell_a_jump_from_the_next():
    # 33.0 was refused when it came; the next hour is compared with it, not with the hour before.
    standing = rows(temperature=[10.3, np.nan])
    refused = np.full((3, len(VARIABLES)), np.nan)
    refused[1, 0] = 33.0
    assert failures(rows(first=2, temperature=[10.4]), standing, refused) == {("jump", "temperature"): [1]}


def test_a_component_of_the_wind_falls_with_its_other():
    standing = rows(wind_u=[1.0], wind_v=[2.0])
    assert failures(rows(first=1, wind_u=[50.0], wind_v=[2.0]), standing) == {
        ("jump", "wind_u"): [1],
        ("jump", "wind_v"): [1],
    }


def test_a_sensor_that_stands_still_fails_with_all_its_hours():
    standing = rows(temperature=[9.0, *[12.3] * 17], dew_point=[3.1 + hour / 10 for hour in range(18)])
    assert not failures(rows(first=18, temperature=[12.4]), standing)
    assert failures(rows(first=18, temperature=[12.3]), standing) == {
        ("stuck", "temperature"): list(range(1, 19))
    }


def test_a_stuck_sensor_stays_stuck_though_its_values_were_refused():
    standing = rows(dew_point=[3.1 + hour / 10 for hour in range(20)])
    refused = np.full((21, len(VARIABLES)), np.nan)
    refused[:20, 0] = 12.3
    assert failures(rows(first=20, temperature=[12.3]), standing, refused)[("stuck", "temperature")][-1] == 20


def test_whole_degrees_may_stand_still():
    assert not failures(rows(temperature=[12.0] * 30, dew_point=[11.0] * 30, pressure_msl=[1013.0] * 30))


def test_hours_of_different_series_are_not_compared():
    standing = rows(temperature=[10.3], series=1)
    assert not failures(rows(first=1, temperature=[35.0], series=2), standing)


def four_places():
    return Places(np.zeros(4), np.arange(4) * 0.3, np.zeros(4))


def beside(values, hours):
    """Neighbours 1 to 3 with steady reports."""
    parts = [rows(first=hours[0], station=station, temperature=values) for station in (1, 2, 3)]
    return Rows(
        *(
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("station", "hour", "values", "precipitation_type", "series", "corrected")
        )
    )


def test_a_value_that_no_neighbour_supports_fails():
    standing = beside([10.1, 10.2], hours=(0, 1))
    assert failures(rows(first=1, temperature=[40.0]), standing, places=four_places()) == {
        ("neighbours", "temperature"): [1]
    }


def test_neighbours_whose_values_failed_do_not_speak():
    standing = beside([99.0, 99.0], hours=(0, 1))
    found = failures(rows(first=1, temperature=[40.0]), standing, places=four_places())
    assert ("neighbours", "temperature") not in found


def test_stored_values_are_not_compared_with_neighbours_again():
    standing = beside([10.1, 10.2], hours=(0, 1))
    own = rows(first=1, temperature=[40.0])
    both = merge(own, standing).rows
    assert not failures(rows(first=1, station=1, dew_point=[3.0]), both, places=four_places())


@pytest.mark.parametrize("length", [1, 2])
def test_few_hours_are_enough_to_be_judged(length):
    assert not failures(rows(temperature=[10.0] * length))
