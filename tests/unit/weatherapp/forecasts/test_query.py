import math
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weatherapp.forecasts.errors import QueryInvalid
from weatherapp.forecasts.query import parse_query, split_lists

PLACE = {"latitude": ["41.9"], "longitude": ["-87.6"]}


def parse(**given_values):
    return parse_query(split_lists({"latitude": "41.9", "longitude": "-87.6", **given_values}.items()))


def test_defaults():
    query = parse()
    assert (query.past_days, query.forecast_days, query.unixtime, query.hourly) == (0, 7, False, ())
    assert query.places[0].elevation is None
    assert query.places[0].zone == "GMT"
    labels = {name: unit.label for name, unit in query.unit.items()}
    assert (labels["temperature"], labels["speed"], labels["water"], labels["length"]) == (
        "°C",
        "km/h",
        "mm",
        "m",
    )


def test_commas_and_repeated_keys_mix_and_empty_items_vanish():
    found = split_lists(
        [("hourly", ["temperature_2m,weathercode", "", "cloud_cover"]), ("hourly", "precipitation")]
    )
    assert found == {"hourly": ["temperature_2m", "weathercode", "cloud_cover", "precipitation"]}


def test_the_older_spelling_of_the_speed_unit_wins():
    assert parse(wind_speed_unit="ms", windspeed_unit="kn").unit["speed"].label == "kn"
    assert parse(wind_speed_unit="ms").unit["speed"].label == "m/s"


def test_inches_turn_the_other_lengths():
    assert parse(precipitation_unit="inch").unit["length"].label == "ft"
    assert parse(length_unit="imperial").unit["water"].label == "mm"


def test_places_pair_up_with_their_elevations_and_zones():
    query = parse(latitude="1,2", longitude=["3", "4"], elevation="nan,5", timezone="Europe/Berlin,auto")
    assert [(p.latitude, p.longitude, p.zone) for p in query.places] == [
        (1, 3, "Europe/Berlin"),
        (2, 4, "auto"),
    ]
    assert math.isnan(query.places[0].elevation)
    assert query.places[1].elevation == 5


@pytest.mark.parametrize(
    ("given_values", "reason"),
    [
        ({"latitude": "91"}, r"Latitude must be in range of -90 to 90°. Given: 91.0"),
        ({"longitude": "-181"}, "Longitude must be in range"),
        ({"latitude": "nan"}, "Latitude must be in range"),
        ({"latitude": "inf"}, "Latitude must be in range"),
        ({"latitude": ""}, "'latitude' is required"),
        ({"latitude": "north"}, "'latitude' has 'north'; numbers"),
        ({"latitude": "1,2"}, "same number of elements; 2 and 1"),
        ({"elevation": "1,2"}, "'elevation' has 2 values for 1 places"),
        ({"elevation": "1e9"}, "'elevation' has 1000000000.0; allowed"),
        ({"hourly": "temperature_2m,luck"}, "Unknown hourly variable 'luck'. Values are known of: app"),
        ({"timezone": "Mars/Olympus"}, "Invalid timezone 'Mars/Olympus'"),
        ({"timezone": "../etc/passwd"}, "Invalid timezone"),
        ({"timezone": "GMT,GMT"}, "'timezone' has 2 values"),
        ({"forecast_days": "17"}, "'forecast_days' is '17'; allowed: whole numbers from 0 to 16"),
        ({"past_days": "-1"}, "'past_days' is '-1'"),
        ({"past_days": "9" * 5000}, "'past_days' is"),
        ({"forecast_days": "²"}, "'forecast_days' is"),
        ({"temperature_unit": "kelvin"}, "'temperature_unit' is 'kelvin'; allowed: celsius, fahrenheit"),
        ({"windspeed_unit": "mach"}, "'windspeed_unit' is 'mach'; allowed: kmh, ms, mph, kn"),
        ({"timeformat": "stardate"}, "'timeformat' is"),
        ({"format": "xlsx"}, "'format' is 'xlsx'; allowed: json, csv, flatbuffers"),
        ({"current_weather": "maybe"}, "'current_weather' is 'maybe'; allowed: true, false"),
        ({"cell_selection": "moon"}, "'cell_selection' is 'moon'; allowed: land, sea, nearest"),
        (
            {"latitude": ",".join(["1"] * 1001), "longitude": ",".join(["1"] * 1001)},
            "1001 places.*at most 1000",
        ),
    ],
)
def test_bad_values_are_named_with_what_is_allowed(given_values, reason):
    with pytest.raises(QueryInvalid, match=reason):
        parse(**given_values)


def test_the_legacy_block_is_a_switch():
    assert parse(current_weather="True").current_weather
    assert not parse(current_weather="false").current_weather
    assert not parse().current_weather


@given(
    st.dictionaries(
        st.sampled_from(["latitude", "longitude", "elevation", "hourly", "past_days", "timezone"]), st.text()
    )
)
def test_any_text_is_a_query_or_a_named_refusal(values):
    with suppress(QueryInvalid):
        parse(**values)
