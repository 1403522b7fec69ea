import numpy as np
import pytest

from packager.dataset.errors import SourceUnreadable
from packager.dataset.records import NO_CEILING, VARIABLES
from packager.dataset.sources import (
    Site,
    read_epw,
    read_isd_lite,
    read_nyc_airport,
    read_tmy3,
    wind_components,
)

SITE = Site(elevation=82.0, utc_offset=-5.0)
EPW_HEAD = ["LOCATION,X,VA,USA,TMY3,724030,38.98,-77.47,-5.0,82.0", *["x"] * 7]
EPW_ROW = (
    "1997,1,1,{hour},0,?9,0.0,-5.0,66,101700,0,0,282,0,0,0,0,0,0,0,{direction},{speed},10,10,{visibility},{ceiling},"
    "9,999999999,120,0.0560,0,88,0.170,{depth},{period}"
)
EPW_USUAL = {
    "hour": 1,
    "direction": 90,
    "speed": 5.0,
    "visibility": 8.0,
    "ceiling": 1219,
    "depth": 2.0,
    "period": 1.0,
}


def column(series, name):
    return series.values[:, VARIABLES.index(name)]


def hour_of(text):
    return int(np.datetime64(text, "h").astype(np.int64))


def epw(*changes, site=SITE):
    return read_epw([*EPW_HEAD, *(EPW_ROW.format(**{**EPW_USUAL, **change}) for change in changes)], site)


def test_isd_lite_is_scaled_and_keeps_missing_apart_from_zero():
    series = read_isd_lite(
        [
            "2015 01 01 00   -83  -172 10243   270    62     2     8 -9999",
            "2015 01 01 01 -9999 -9999 -9999 -9999 -9999 -9999 -9999 -9999",
        ]
    )
    assert series.hour.tolist() == [hour_of("2015-01-01T00"), hour_of("2015-01-01T01")]
    assert series.values[0, :7] == pytest.approx([-8.3, -17.2, 1024.3, 6.2, 0.0, 0.8, 0.25], abs=1e-9)
    assert np.isnan(series.values[1]).all()


def test_isd_lite_trace_is_zero_obscured_sky_is_overcast_and_variable_wind_is_missing():
    series = read_isd_lite(["2015 01 01 00 10 5 10243 -9999 31 9 -1 -9999"])
    assert column(series, "precipitation")[0] == 0
    assert column(series, "cloud_cover")[0] == 1
    assert np.isnan(column(series, "wind_u")[0])


def test_isd_lite_line_with_another_number_of_fields_is_refused():
    with pytest.raises(SourceUnreadable, match="11 fields, expected 12"):
        read_isd_lite(["2015 01 01 00 10 5 10243 90 31 9 -1"])


def test_epw_hour_24_is_midnight_local_standard_time_in_utc():
    series = epw({"hour": 1}, {"hour": 24})
    assert series.hour.tolist() == [hour_of("1997-01-01T06"), hour_of("1997-01-02T05")]
    assert len(set(series.chunk.tolist())) == 1


def test_epw_pressure_is_reduced_to_sea_level():
    assert column(epw({}), "pressure_msl")[0] == pytest.approx(1017.0 * np.exp(82 / 29.27 / 273.2), abs=0.2)


@pytest.mark.parametrize(
    ("raw", "expected"), [(77777, NO_CEILING), (88888, NO_CEILING), (99999, np.nan), (0, 0.0), (1219, 1219.0)]
)
def test_epw_sky_without_a_ceiling_is_a_report_and_not_missing(raw, expected):
    assert column(epw({"ceiling": raw}), "cloud_base")[0] == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize(
    ("depth", "period", "expected"),
    [(2.0, 1.0, 2.0), (0.0, 1.0, 0.0), (12.0, 6.0, np.nan), (999.0, 99.0, np.nan)],
)
def test_epw_only_amounts_over_one_hour_are_the_hours_amount(depth, period, expected):
    assert column(epw({"depth": depth, "period": period}), "precipitation")[0] == pytest.approx(
        expected, nan_ok=True
    )


def test_epw_direction_zero_is_calm_only_without_speed():
    calm, unknown = epw({"direction": 0, "speed": 0.0}), epw({"direction": 0, "speed": 3.0})
    assert column(calm, "wind_u")[0] == 0
    assert np.isnan(column(unknown, "wind_u")[0])


def test_visibility_is_capped_where_automated_stations_stop():
    assert column(epw({"visibility": 777.7}), "visibility")[0] == 16_090


def test_epw_with_other_columns_is_refused():
    with pytest.raises(SourceUnreadable, match=r"\[3\] fields, expected 35"):
        read_epw([*EPW_HEAD, "1,2,3"], SITE)


def tmy3(row):
    names = [
        "Date (MM/DD/YYYY)",
        "Time (HH:MM)",
        "TotCld (tenths)",
        "Dry-bulb (C)",
        "Dew-point (C)",
        "Pressure (mbar)",
        "Wdir (degrees)",
        "Wspd (m/s)",
        "Hvis (m)",
        "CeilHgt (m)",
        "Lprecip depth (mm)",
        "Lprecip quantity (hr)",
        "PresWth (METAR code)",
    ]
    return read_tmy3(["723170,X,NC,-5.0,36.1,-79.95,273", ",".join(names), row], Site(273.0, -5.0))


def test_tmy3_depth_is_in_tenths_whatever_its_heading_says():
    series = tmy3("01/31/1988,24:00,5,10.0,6.1,993,200,6.2,16100,1370,13,1,61")
    assert series.hour.tolist() == [hour_of("1988-02-01T05")]
    assert series.chunk.tolist() == [1988 * 12]
    assert column(series, "precipitation")[0] == pytest.approx(1.3)
    assert column(series, "cloud_cover")[0] == 0.5
    assert series.weather.tolist() == [61]


def test_tmy3_minus_9900_is_missing():
    series = tmy3("01/31/1988,24:00,5,10.0,6.1,993,200,6.2,-9900,-9900,-9900,1,00")
    assert np.isnan([column(series, name)[0] for name in ("visibility", "cloud_base", "precipitation")]).all()


def test_tmy3_without_its_columns_is_refused():
    with pytest.raises(SourceUnreadable, match="Dry-bulb"):
        read_tmy3(["head", "a,b", "1,2"], SITE)


NYC = [
    "origin,year,month,day,hour,temp,dewp,humid,wind_dir,wind_speed,wind_gust,precip,pressure,visib,time_hour",
    "EWR,2013,1,1,1,50,32,59.37,270,10,NA,0.1,NA,10,2013-01-01T06:00:00Z",
    "JFK,2013,7,1,1,39.02,26.06,59.37,NA,10,NA,0,1012,0.5,2013-07-01T05:00:00Z",
]


def test_nyc_units_are_converted_and_the_stamp_moves_to_the_full_hour():
    series = read_nyc_airport(NYC, "EWR")
    assert series.hour.tolist() == [hour_of("2013-01-01T07")]
    named = {name: column(series, name)[0] for name in VARIABLES}
    assert named["temperature"] == pytest.approx(10)
    assert named["dew_point"] == pytest.approx(0)
    assert named["wind_u"] == pytest.approx(4.4704)
    assert named["precipitation"] == pytest.approx(2.54)
    assert np.isnan(named["pressure_msl"])
    assert np.isnan(named["cloud_cover"])


def test_an_airport_that_the_table_lacks_is_refused():
    with pytest.raises(SourceUnreadable, match="'LHR'"):
        read_nyc_airport(NYC, "LHR")


@pytest.mark.parametrize(("direction", "u", "v"), [(360, 0, -2), (90, -2, 0), (180, 0, 2), (270, 2, 0)])
def test_wind_blows_from_its_direction(direction, u, v):
    components = wind_components(np.array([float(direction)]), np.array([2.0]))
    assert np.concatenate(components) == pytest.approx([u, v], abs=1e-9)
