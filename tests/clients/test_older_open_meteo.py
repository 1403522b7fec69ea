"""PyPI's open-meteo 0.3.2, unmodified but for the host: the names of 2022, as Home Assistant used them."""

from tests.clients.conftest import CHICAGO

# What Home Assistant's integration asks for.
DAILY = [
    "precipitation_sum", "temperature_2m_max", "temperature_2m_min", "weathercode",
    "winddirection_10m_dominant", "windspeed_10m_max",
]  # fmt: skip
HOURLY = ["precipitation", "temperature_2m", "weathercode"]


def test_the_weather_now_is_that_of_the_json(ask_older, ask_json):
    read = ask_older(**CHICAGO, current_weather=True)
    expected = ask_json(**CHICAGO, current_weather="true")["current_weather"]
    assert read["current_weather"] == {
        "time": expected["time"].replace("T", " ") + ":00",
        "temperature": expected["temperature"],
        "wind_speed": expected["windspeed"],
        "wind_direction": expected["winddirection"],
        "weather_code": expected["weathercode"],
    }


def test_sunrises_are_read_for_the_whole_week(ask_older, ask_json):
    read = ask_older(**CHICAGO, daily=["sunrise", "sunset"], timezone="America/Chicago")
    expected = ask_json(**CHICAGO, daily="sunrise,sunset", timezone="America/Chicago")["daily"]
    assert read["daily"]["time"] == expected["time"]
    assert [moment.replace(" ", "T")[:16] for moment in read["daily"]["sunrise"]] == expected["sunrise"]
    assert len(expected["time"]) == 7


def test_home_assistants_request_is_read_where_answers_end_in_time(ask_older, ask_json, settings, full_run):
    # The client fails on any null and names no number of days: the server's must stay within 48 hours.
    settings.FORECAST_DAYS = 2
    read = ask_older(**CHICAGO, current_weather=True, daily=DAILY, hourly=HOURLY)
    expected = ask_json(**CHICAGO, daily=",".join(DAILY), hourly=",".join(HOURLY))
    assert read["hourly"]["temperature_2m"] == expected["hourly"]["temperature_2m"]
    assert len(read["hourly"]["time"]) == 48
    assert read["daily"]["temperature_2m_max"] == expected["daily"]["temperature_2m_max"]
    assert read["daily"]["wind_direction_10m_dominant"] == expected["daily"]["winddirection_10m_dominant"]


def test_a_week_goes_past_the_horizon_which_the_client_cannot_read(ask_older):
    read = ask_older(**CHICAGO, hourly=HOURLY)
    assert read["error"].startswith("InvalidFieldValue")


def test_an_error_carries_the_reason(ask_older):
    read = ask_older(latitude=0.0, longitude=0.0, hourly=["temperature_2m"])
    assert "No data is available for this location" in read["error"]
