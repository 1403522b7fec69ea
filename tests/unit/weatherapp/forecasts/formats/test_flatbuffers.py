import numpy as np
import pytest
from openmeteo_sdk.Aggregation import Aggregation
from openmeteo_sdk.Model import Model
from openmeteo_sdk.Unit import Unit
from openmeteo_sdk.Variable import Variable
from openmeteo_sdk.WeatherApiResponse import WeatherApiResponse

from tests.replies import HOUR, START, column, make_reply, section
from weatherapp.core import units
from weatherapp.forecasts.formats.flatbuffers import Described, describe, write_flatbuffers

UNIX = units.Unit("unixtime", 0)


def read(content: bytes) -> list[WeatherApiResponse]:
    """The messages, read as a client reads them."""
    messages, position = [], 0
    while position < len(content):
        messages.append(WeatherApiResponse.GetRootAs(content, position + 4))
        position += 4 + int.from_bytes(content[position : position + 4], "little")
    return messages


def test_a_message_says_where_and_when():
    (message,) = read(write_flatbuffers([make_reply(section("hourly", temperature_2m=[20.5, 21.0]))]))
    assert (message.Latitude(), message.Longitude()) == pytest.approx((41.88, -87.63), abs=1e-5)
    assert (message.Elevation(), message.UtcOffsetSeconds()) == (181.0, -18000)
    assert (message.Timezone(), message.TimezoneAbbreviation()) == (b"America/Chicago", b"GMT-5")
    assert message.GenerationTimeMilliseconds() == 0.25
    assert message.Model() == Model.best_match
    hourly = message.Hourly()
    assert (hourly.Time(), hourly.TimeEnd(), hourly.Interval()) == (START, START + 2 * HOUR, HOUR)


def test_series_keep_the_order_in_which_they_were_asked_for():
    asked = {"wind_speed_10m": [5.0, 6.0], "temperature_2m": [20.5, np.nan], "weather_code": [3.0, 61.0]}
    (message,) = read(write_flatbuffers([make_reply(section("hourly", **asked))]))
    series = [message.Hourly().Variables(k) for k in range(message.Hourly().VariablesLength())]
    assert [one.Variable() for one in series] == [
        Variable.wind_speed,
        Variable.temperature,
        Variable.weather_code,
    ]
    assert [one.Unit() for one in series] == [Unit.kilometres_per_hour, Unit.celsius, Unit.wmo_code]
    assert [one.Altitude() for one in series] == [10, 2, 0]
    for one, values in zip(series, asked.values(), strict=True):
        np.testing.assert_array_equal(one.ValuesAsNumpy(), np.float32(values))


def test_what_is_now_is_a_single_value():
    (message,) = read(
        write_flatbuffers([make_reply(section("current", temperature_2m=[20.5], interval=900))])
    )
    current = message.Current()
    assert (current.Interval(), current.TimeEnd() - current.Time()) == (900, 900)
    assert current.Variables(0).Value() == 20.5
    assert current.Variables(0).ValuesIsNone()


def test_the_older_block_for_now_gives_way_to_the_newer():
    old = section("current_weather", column("temperature", [19.0], variable="temperature_2m"), interval=900)
    new = section("current", temperature_2m=[20.5], interval=900)
    (both,) = read(write_flatbuffers([make_reply(new, old)]))
    (alone,) = read(write_flatbuffers([make_reply(old)]))
    assert both.Current().Variables(0).Value() == 20.5
    assert alone.Current().Variables(0).Value() == 19.0


def test_a_sunrise_is_a_moment_in_seconds_and_zero_where_there_is_none():
    days = section("daily", sunrise=[1783160400.0, np.nan], unit=UNIX, interval=24 * HOUR)
    (message,) = read(write_flatbuffers([make_reply(days)]))
    sunrise = message.Daily().Variables(0)
    assert (sunrise.Variable(), sunrise.Unit()) == (Variable.sunrise, Unit.unix_time)
    assert sunrise.ValuesInt64AsNumpy().tolist() == [1783160400, 0]
    assert sunrise.ValuesIsNone()


def test_every_place_and_every_model_has_a_message_of_its_own():
    columns = [
        column(f"temperature_2m_{model}", [degrees], variable="temperature_2m", model=model)
        for model, degrees in (("best_match", 20.0), ("2026.07.04-1", 22.0))
    ]
    replies = [make_reply(section("hourly", *columns), location_id=k) for k in range(2)]
    messages = read(write_flatbuffers(replies))
    assert [message.LocationId() for message in messages] == [0, 0, 1, 1]
    assert [message.Model() for message in messages[:2]] == [Model.best_match, Model.undefined]
    assert [message.Hourly().Variables(0).Values(0) for message in messages[:2]] == [20.0, 22.0]
    assert {message.Hourly().VariablesLength() for message in messages} == {1}


def test_a_section_that_only_one_model_has_is_missing_from_the_other():
    newer = column("temperature_2m", [20.0], model="2026.07.04-1")
    reply = make_reply(section("hourly", newer), section("daily", temperature_2m_max=[25.0]))
    first, second = read(write_flatbuffers([reply]))
    assert first.Daily() is None
    assert second.Hourly() is None
    assert second.Daily().Variables(0).Aggregation() == Aggregation.maximum


@pytest.mark.parametrize("hours", range(1, 6))
def test_each_message_keeps_the_numbers_of_the_next_where_a_client_can_map_them(hours):
    reply = make_reply(
        section("hourly", temperature_2m=[1.0] * hours), timezone="Etc/GMT" + "+" * (hours % 2)
    )
    content = write_flatbuffers([reply, reply])
    assert len(content) % 8 == 0
    assert [message.Hourly().Variables(0).ValuesLength() for message in read(content)] == [hours, hours]


def test_a_request_for_no_series_still_says_where():
    (message,) = read(write_flatbuffers([make_reply(elevation=None)]))
    assert message.Hourly() is None
    assert np.isnan(message.Elevation())


def test_a_section_without_hours_has_no_values():
    (message,) = read(write_flatbuffers([make_reply(section("hourly", temperature_2m=[]))]))
    assert message.Hourly().TimeEnd() == message.Hourly().Time()
    assert message.Hourly().Variables(0).ValuesLength() == 0


@pytest.mark.parametrize(
    ("name", "described"),
    [
        ("temperature_2m_min", Described(Variable.temperature, altitude=2, aggregation=Aggregation.minimum)),
        ("wind_direction_10m_dominant", Described(Variable.wind_direction, 10, Aggregation.dominant)),
        ("precipitation_sum", Described(Variable.precipitation, aggregation=Aggregation.sum)),
        ("precipitation_hours", Described(Variable.precipitation_hours)),
        ("cloud_cover_low", Described(Variable.cloud_cover_low)),
        ("wind_speed_850hPa", Described(Variable.wind_speed, pressure_level=850)),
        ("soil_temperature_18cm", Described(Variable.soil_temperature, depth=18)),
        ("soil_moisture_3_to_9cm", Described(Variable.soil_moisture, depth=3, depth_to=9)),
        ("temperature_2m_p90", Described(Variable.temperature, 2, Aggregation.p90)),
        ("rain_previous_day2", Described(Variable.rain, previous_day=2)),
        # The schema knows neither a 5 % quantile nor a name that nobody has.
        ("temperature_2m_p05", Described()),
        ("mood", Described()),
    ],
)
def test_names_are_put_into_the_words_of_the_schema(name, described):
    assert describe(name) == described


def test_a_unit_that_the_schema_lacks_is_undefined():
    reply = make_reply(section("hourly", temperature_2m=[1.0], unit=units.Unit("furlong", 0)))
    (message,) = read(write_flatbuffers([reply]))
    assert message.Hourly().Variables(0).Unit() == Unit.undefined
