"""Requests as well-known programs send them, word for word: what they ask for, they must be able to read."""

import csv
import io
import json
import urllib.error
import urllib.request
from urllib.parse import parse_qsl, urlencode

import pytest

PLACE = "latitude=41.9&longitude=-87.7"
# Program → the query string that it sends, with its place in ours.
REQUESTS = {
    # Home Assistant with open-meteo 0.3: every parameter always, names of 2022.
    "home-assistant": (
        "current_weather=true&daily=precipitation_sum,temperature_2m_max,temperature_2m_min,weathercode,"
        "winddirection_10m_dominant,windspeed_10m_max&hourly=precipitation,temperature_2m,weathercode&past_days=0"
        "&precipitation_unit=mm&temperature_unit=celsius&timeformat=iso8601&timezone=UTC&windspeed_unit=kmh"
    ),
    # Breezy Weather: empty lists where a feature is off, much that this project cannot produce, 16 days.
    "breezy-weather": (
        "timezone=auto&timeformat=unixtime&models=best_match&daily=temperature_2m_max,temperature_2m_min,"
        "apparent_temperature_max,apparent_temperature_min,sunshine_duration,uv_index_max,relative_humidity_2m_mean,"
        "relative_humidity_2m_max,relative_humidity_2m_min,dew_point_2m_mean,dew_point_2m_max,dew_point_2m_min,"
        "pressure_msl_mean,pressure_msl_max,pressure_msl_min,cloud_cover_mean,cloud_cover_max,cloud_cover_min,"
        "visibility_mean,visibility_max,visibility_min&hourly=temperature_2m,apparent_temperature,"
        "precipitation_probability,precipitation,rain,showers,snowfall,weather_code,wind_speed_10m,"
        "wind_direction_10m,wind_gusts_10m,uv_index,is_day,relative_humidity_2m,dew_point_2m,pressure_msl,"
        "cloud_cover,visibility&minutely_15=precipitation&current=temperature_2m,apparent_temperature,weather_code,"
        "wind_speed_10m,wind_direction_10m,wind_gusts_10m,uv_index,relative_humidity_2m,dew_point_2m,pressure_msl,"
        "cloud_cover,visibility&forecast_days=16&past_days=1&windspeed_unit=ms"
    ),
    "breezy-weather, only what is now": (
        "timezone=auto&timeformat=unixtime&models=best_match&daily=&hourly=&minutely_15=&current=temperature_2m"
        "&forecast_days=16&past_days=1&windspeed_unit=ms"
    ),
    # openmeteopy's list of everything.
    "openmeteopy": (
        "hourly=temperature_2m,relativehumidity_2m,dewpoint_2m,apparent_temperature,pressure_msl,surface_pressure,"
        "cloudcover,cloudcover_low,cloudcover_mid,cloudcover_high,windspeed_10m,windspeed_80m,windspeed_120m,"
        "windspeed_180m,winddirection_10m,winddirection_80m,winddirection_120m,winddirection_180m,windgusts_10m,"
        "shortwave_radiation,direct_radiation,diffuse_radiation,vapor_pressure_deficit,cape,evapotranspiration,"
        "et0_fao_evapotranspiration,precipitation,weathercode,snow_depth,showers,snowfall,visibility,"
        "precipitation_probability,freezinglevel_height,soil_temperature_0cm,soil_temperature_6cm,"
        "soil_temperature_18cm,soil_temperature_54cm,soil_moisture_0_1cm,soil_moisture_1_3cm,soil_moisture_3_9cm"
    ),
    # R's ropenmeteo asks for one variable at a time.
    "ropenmeteo": "hourly=relativehumidity_2m&windspeed_unit=ms&forecast_days=7&past_days=1",
    # A Prometheus exporter, as Grafana's dashboards use it: six decimals and what is now.
    "openmeteo_exporter": (
        "current=temperature_2m,relative_humidity_2m,surface_pressure,cloud_cover_low,soil_moisture_0_to_1cm,is_day"
        "&precipitation_unit=inch&temperature_unit=fahrenheit&timezone=America%2FNew_York&wind_speed_unit=mph"
    ),
    # Android apps of the Retrofit kind.
    "retrofit": (
        "current_weather=true&hourly=relativehumidity_2m&daily=weathercode,temperature_2m_max,temperature_2m_min,"
        "precipitation_probability_max&forecast_days=7&timezone=auto"
    ),
    "key and unknown words": "hourly=temperature_2m&apikey=abc&cell_selection=nearest&elevation=nan&foo=bar",
    "repeated keys, PHP's brackets": "hourly[]=temperature_2m&hourly[]=rain&hourly=snowfall,weather_code",
}  # fmt: skip


@pytest.fixture
def get(forecast_url):
    """Asks with a query string as it stands; gives status, content type and body."""

    def ask(query):
        try:
            with urllib.request.urlopen(f"{forecast_url}?{query}", timeout=60) as response:
                return response.status, response.headers["Content-Type"], response.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers["Content-Type"], error.read()

    return ask


def names_of(query, section):
    asked = parse_qsl(query, keep_blank_values=True)
    return [
        name for key, value in asked if key.removesuffix("[]") == section for name in value.split(",") if name
    ]


@pytest.mark.parametrize("program", REQUESTS)
def test_every_name_comes_back_as_it_was_asked_for_with_a_unit(get, program):
    query = REQUESTS[program]
    status, content_type, raw = get(f"{PLACE}&{query}")
    assert (status, content_type) == (200, "application/json; charset=utf-8"), raw
    body = json.loads(raw)
    for section in ("current", "minutely_15", "hourly", "daily"):
        names = names_of(query, section)
        if not names:
            assert section not in body
            continue
        series = {key: value for key, value in body[section].items() if key not in {"time", "interval"}}
        assert list(series) == names
        assert set(names) <= set(body[f"{section}_units"])
        if section != "current":
            assert {len(values) for values in series.values()} == {len(body[section]["time"])}
    if "current_weather=true" in query:
        assert {"time", "temperature", "windspeed", "winddirection", "weathercode"} <= set(
            body["current_weather"]
        )


def test_one_format_says_what_the_other_says(get):
    query = f"{PLACE}&{urlencode({'hourly': 'temperature_2m,weather_code,cape', 'forecast_days': 1})}"
    hourly = json.loads(get(query)[2])["hourly"]
    status, content_type, raw = get(f"{query}&format=csv")
    assert (status, content_type) == (200, "text/csv; charset=utf-8")
    _, table = raw.decode().split("\n\n")
    rows = list(csv.reader(io.StringIO(table)))
    assert rows[0] == ["time", "temperature_2m (°C)", "weather_code (wmo code)", "cape (J/kg)"]
    for row, *values in zip(
        rows[1:], *(hourly[key] for key in ("time", "temperature_2m", "weather_code")), strict=True
    ):
        assert row == [*("NaN" if value is None else str(value) for value in values), "NaN"]


def test_a_refusal_is_json_whatever_format_was_asked_for(get):
    for wanted in ("json", "csv", "flatbuffers"):
        status, content_type, raw = get(f"latitude=0&longitude=0&hourly=temperature_2m&format={wanted}")
        assert (status, content_type) == (400, "application/json")
        body = json.loads(raw)
        assert body["error"] is True
        # Breezy Weather looks for these words.
        assert "No data is available for this location" in body["reason"]
