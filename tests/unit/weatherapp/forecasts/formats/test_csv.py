import csv
import io

import numpy as np
import pytest

from tests.replies import HOUR, make_reply, section
from weatherapp.core import units
from weatherapp.forecasts.formats.csv import write_csv

ISO = units.Unit("iso8601", 0)
UNIX = units.Unit("unixtime", 0)


def tables(content: bytes) -> list[list[list[str]]]:
    """The rows of each table, as a CSV reader sees them."""
    return [list(csv.reader(io.StringIO(block))) for block in content.decode().split("\n\n")]


def test_one_place_is_described_before_its_series():
    content = write_csv([make_reply(section("hourly", temperature_2m=[20.5, np.nan]))])
    assert content.decode() == (
        "latitude,longitude,elevation,utc_offset_seconds,timezone,timezone_abbreviation\n"
        "41.88,-87.63,181.0,-18000,America/Chicago,GMT-5\n"
        "\n"
        "time,temperature_2m (°C)\n"
        "2026-07-04T13:00,20.5\n"
        "2026-07-04T14:00,NaN\n"
    )


def test_several_places_share_tables_and_their_rows_begin_with_the_place():
    replies = [
        make_reply(section("hourly", temperature_2m=[20.5 + k, 21.0]), location_id=k) for k in range(2)
    ]
    places, series = tables(write_csv(replies))
    assert [row[0] for row in places] == ["location_id", "0", "1"]
    assert series == [
        ["location_id", "time", "temperature_2m (°C)"],
        ["0", "2026-07-04T13:00", "20.5"],
        ["0", "2026-07-04T14:00", "21.0"],
        ["1", "2026-07-04T13:00", "21.5"],
        ["1", "2026-07-04T14:00", "21.0"],
    ]


def test_every_section_is_a_table_of_its_own_in_the_order_of_the_answer():
    reply = make_reply(
        section("current", temperature_2m=[20.5], interval=900),
        section("hourly", weather_code=[3.0, 61.0]),
        section("daily", temperature_2m_max=[25.0], interval=24 * HOUR),
    )
    _, current, hourly, daily = tables(write_csv([reply]))
    assert current[0] == ["time", "temperature_2m (°C)"]
    assert [row[1] for row in hourly] == ["weather_code (wmo code)", "3", "61"]
    assert daily[1] == ["2026-07-04", "25.0"]


def test_numbers_carry_the_decimals_of_their_unit():
    columns = {"precipitation": [5.4, -0.0], "weather_code": [3.0, np.nan], "pressure_msl": [1013.0, 1013.25]}
    _, series = tables(write_csv([make_reply(section("hourly", **columns))]))
    assert series[1][1:] == ["5.40", "3", "1013.0"]
    assert series[2][1:3] == ["0.00", "NaN"]


def test_unix_time_is_written_as_seconds():
    reply = make_reply(section("hourly", temperature_2m=[20.5]), unixtime=True)
    _, series = tables(write_csv([reply]))
    assert series[1] == ["1783188000", "20.5"]


@pytest.mark.parametrize(
    ("unixtime", "unit", "expected"), [(False, ISO, "2026-07-04T05:20"), (True, UNIX, "1783160400")]
)
def test_a_sunrise_is_a_moment_and_a_day_without_one_has_none(unixtime, unit, expected):
    columns = {"sunrise": [1783160400.0, np.nan]}
    reply = make_reply(section("daily", unit=unit, interval=24 * HOUR, **columns), unixtime=unixtime)
    _, series = tables(write_csv([reply]))
    assert series[0][1] == f"sunrise ({unit.label})"
    assert [row[1] for row in series[1:]] == [expected, "NaN"]


def test_without_downscaling_the_elevation_is_unknown():
    places, _ = tables(write_csv([make_reply(section("hourly", temperature_2m=[1.0]), elevation=None)]))
    assert places[1][2] == "NaN"


def test_a_request_for_no_series_still_says_where():
    (places,) = tables(write_csv([make_reply()]))
    assert places[1][:2] == ["41.88", "-87.63"]


def test_the_hour_that_the_clocks_repeat_is_written_twice():
    # 1 November 2026, 05:00 to 08:00 UTC: Chicago's clocks go back from 02:00 to 01:00.
    reply = make_reply(section("hourly", start=1793509200, temperature_2m=[1.0, 2.0, 3.0]))
    _, series = tables(write_csv([reply]))
    assert [row[0] for row in series[1:]] == ["2026-11-01T00:00", "2026-11-01T01:00", "2026-11-01T01:00"]
