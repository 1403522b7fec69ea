import numpy as np
import pytest

from packager.dataset import NO_CEILING, VARIABLES, quality_control
from tests.unit.packager.dataset.small import START, make_dataset, set_value

MONTH = 31 * 24


def dropped(dataset):
    return quality_control(dataset)[1].dropped


def test_plausible_weather_passes_untouched():
    dataset = make_dataset()
    cleaned, report = quality_control(dataset)
    assert report.dropped == {}
    np.testing.assert_array_equal(cleaned.values, dataset.values)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("temperature", 58.0),
        ("dew_point", 40.0),
        ("pressure_msl", 860.0),
        ("precipitation", 151.0),
        ("precipitation", -1.0),
        ("cloud_cover", 1.1),
        ("cloud_base", 17_000.0),
        ("cloud_base", 21_999.0),
    ],
)
def test_impossible_values_are_dropped(variable, value):
    dataset = make_dataset()
    set_value(dataset, 7, variable, value)
    cleaned, report = quality_control(dataset)
    assert report.dropped["a", variable, "physical_limits"] == 1
    assert np.isnan(cleaned.column(variable)[7])
    assert np.isfinite(cleaned.column(variable)[[6, 8]]).all()


def test_a_sky_without_a_ceiling_is_kept():
    dataset = make_dataset()
    set_value(dataset, 7, "cloud_base", NO_CEILING)
    assert quality_control(dataset)[0].column("cloud_base")[7] == NO_CEILING


def test_a_wind_component_falls_with_the_other():
    dataset = make_dataset()
    set_value(dataset, 7, "wind_u", 400.0)
    cleaned, report = quality_control(dataset)
    assert np.isnan(cleaned.column("wind_v")[7])
    assert {variable for _, variable, _ in report.dropped} == {"wind_u", "wind_v"}
    assert np.isfinite(cleaned.column("wind_u")[[6, 8]]).all()


def test_a_spike_is_dropped_and_its_neighbours_stay():
    dataset = make_dataset()
    set_value(dataset, 50, "temperature", dataset.column("temperature")[50] + 21)
    cleaned, report = quality_control(dataset)
    assert report.dropped == {("a", "temperature", "jump"): 1}
    assert np.isnan(cleaned.column("temperature")[50])


def test_a_front_is_no_spike():
    dataset = make_dataset()
    temperature = VARIABLES.index("temperature")
    dataset.values[50:, temperature] -= 14
    dataset.values[50:, VARIABLES.index("dew_point")] -= 14
    assert dropped(dataset) == {}


def test_two_steep_hours_to_the_same_side_are_no_spike():
    dataset = make_dataset()
    dataset.values[50, VARIABLES.index("temperature")] += 11
    dataset.values[51:, VARIABLES.index("temperature")] += 22
    assert dropped(dataset) == {}


def test_a_step_that_no_front_makes_drops_both_sides():
    dataset = make_dataset()
    dataset.values[50:, VARIABLES.index("pressure_msl")] -= 25
    assert dropped(dataset) == {("a", "pressure_msl", "jump"): 2}


def test_a_jump_between_segments_is_none():
    dataset = make_dataset()
    dataset.segment[50:] = 1
    dataset.values[50:, VARIABLES.index("pressure_msl")] -= 25
    assert dropped(dataset) == {}


def test_a_stuck_sensor_is_dropped_from_its_first_hour():
    dataset = make_dataset()
    set_value(dataset, slice(20, 38), "temperature", 15.0)
    assert dropped(dataset) == {("a", "temperature", "stuck"): 18}


def test_a_short_plateau_is_kept():
    dataset = make_dataset()
    set_value(dataset, slice(20, 37), "temperature", 15.0)
    assert dropped(dataset) == {}


def test_a_run_ends_with_its_segment():
    dataset = make_dataset()
    set_value(dataset, slice(20, 38), "temperature", 15.0)
    dataset.segment[29:] = 1
    assert dropped(dataset) == {}


def test_a_wind_that_never_moves_is_dropped_and_a_calm_is_kept():
    stuck, calm = make_dataset(), make_dataset()
    for name in ("wind_u", "wind_v"):
        set_value(stuck, slice(20, 32), name, 3.0)
        set_value(calm, slice(20, 90), name, 0.0)
    assert dropped(stuck) == {("a", "wind_u", "stuck"): 12, ("a", "wind_v", "stuck"): 12}
    assert dropped(calm) == {}


def test_a_dew_point_above_temperature_is_dropped_beyond_rounding():
    dataset = make_dataset()
    set_value(dataset, slice(None), "dew_point", dataset.column("temperature") - 1)
    set_value(dataset, 7, "dew_point", dataset.column("temperature")[7] + 0.5)
    set_value(dataset, 9, "dew_point", dataset.column("temperature")[9] + 0.1)
    assert dropped(dataset) == {("a", "dew_point", "dew_point_above_temperature"): 1}


def test_cover_that_is_reported_only_under_clear_skies_is_dropped():
    dataset = make_dataset(MONTH, start=START + 1)
    cover = dataset.column("cloud_cover")
    cover[cover > 0.5] = np.nan
    cleaned, report = quality_control(dataset)
    assert report.dropped["a", "cloud_cover", "selective_reporting"] == np.isfinite(cover).sum()
    assert np.isnan(cleaned.column("cloud_cover")).all()


def test_cover_with_holes_in_any_weather_is_kept():
    dataset = make_dataset(MONTH, start=START + 1)
    dataset.column("cloud_cover")[dataset.hour % 3 == 0] = np.nan
    assert dropped(dataset) == {}


def test_amounts_reported_only_when_it_rains_are_dropped_with_their_types():
    dataset = make_dataset(MONTH, start=START + 1)
    amount = dataset.column("precipitation")
    amount[(amount == 0) & (dataset.hour % 2 == 0)] = np.nan
    dataset.precipitation_type[np.isnan(amount)] = np.nan
    cleaned, report = quality_control(dataset)
    assert report.dropped == {("a", "precipitation", "selective_reporting"): np.isfinite(amount).sum()}
    assert np.isnan(cleaned.precipitation_type).all()


def test_a_type_from_a_weather_code_outlives_its_amount():
    dataset = make_dataset(MONTH, start=START + 1)
    dataset.precipitation_type_from[:] = 0
    dataset.column("precipitation")[dataset.hour % 2 == 0] = np.nan
    cleaned, _ = quality_control(dataset)
    np.testing.assert_array_equal(cleaned.precipitation_type, dataset.precipitation_type)


def test_a_month_of_zeros_under_coded_rain_is_dropped():
    dataset = make_dataset(MONTH, start=START + 1)
    dataset.precipitation_type_from[:] = 0
    set_value(dataset, slice(None), "precipitation", 0.0)
    assert dropped(dataset) == {("a", "precipitation", "selective_reporting"): MONTH}


def test_the_input_is_not_changed():
    dataset = make_dataset()
    set_value(dataset, 7, "temperature", 58.0)
    quality_control(dataset)
    assert dataset.column("temperature")[7] == 58


def test_the_report_counts_and_prints():
    dataset = make_dataset()
    set_value(dataset, [7, 99], "temperature", 58.0)
    set_value(dataset, 8, "temperature", np.nan)
    report = quality_control(dataset)[1]
    assert report.totals()["physical_limits"] == 2
    assert report.as_dict()["details"] == [
        {"station": "a", "variable": "temperature", "check": "physical_limits", "dropped": 2, "reported": 199}
    ]
    lines = report.table().splitlines()
    assert lines[0].split() == ["station", "variable", "check", "dropped", "reported"]
    assert lines[1].split() == ["a", "temperature", "physical_limits", "2", "199"]


def test_whole_millimetres_cannot_tell_rain_from_none():
    dataset = make_dataset(MONTH)
    amount = dataset.column("precipitation")
    amount[amount > 0] = 1.0
    cleaned, report = quality_control(dataset)
    assert report.dropped == {("a", "precipitation", "coarse_amounts"): MONTH}
    assert np.isnan(cleaned.precipitation_type).all()


def test_one_amount_in_tenths_shows_that_a_station_resolves_them():
    dataset = make_dataset(MONTH)
    amount = dataset.column("precipitation")
    amount[amount > 0] = 1.0
    amount[np.flatnonzero(amount)[0]] = 0.3
    assert dropped(dataset) == {}


def test_a_station_without_rain_keeps_its_zeros():
    dataset = make_dataset(MONTH)
    dataset.column("precipitation")[:] = 0.0
    dataset.precipitation_type[:] = 0.0
    assert dropped(dataset) == {}
