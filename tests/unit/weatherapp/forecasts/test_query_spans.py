import pytest

from weatherapp.forecasts.errors import QueryInvalid
from weatherapp.forecasts.query import parse_query, split_lists


def parse(**given_values):
    return parse_query(split_lists({"latitude": "41.9", "longitude": "-87.6", **given_values}.items()))


@pytest.mark.parametrize(
    ("given_values", "reason"),
    [
        ({"start_date": "2026-07-04"}, "'start_date' and 'end_date' go together"),
        ({"end_hour": "2026-07-04T00:00"}, "'start_hour' and 'end_hour' go together"),
        ({"start_date": "2026-07-04", "end_date": "2026-07-03"}, "'end_date'.*lies before 'start_date'"),
        ({"start_date": "4.7.2026", "end_date": "2026-07-05"}, "'start_date' is '4.7.2026'; allowed: dates"),
        ({"start_date": "20260704", "end_date": "2026-07-05"}, "'start_date' is '20260704'"),
        ({"start_date": "2026-02-30", "end_date": "2026-07-05"}, "'start_date' is '2026-02-30'"),
        ({"start_date": "2026-07-04,2026-07-04", "end_date": "2026-07-05"}, "have 2 and 1 values for 1"),
        (
            {"start_hour": "2026-07-04T00:30", "end_hour": "2026-07-05T00:00"},
            "'start_hour' is '2026-07-04T00:30'; allowed: local times .* in steps of 60 minutes",
        ),
        (
            {"start_hour": "2026-07-04T00:00Z", "end_hour": "2026-07-05T00:00"},
            "'start_hour' is '2026-07-04T00:00Z'",
        ),
        (
            {"start_minutely_15": "2026-07-04T00:10", "end_minutely_15": "2026-07-05T00:00"},
            "in steps of 15 minutes",
        ),
        *(
            (
                {"start_date": "2026-07-04", "end_date": "2026-07-05", name: "1"},
                f"'start_date' and '{name}' are mutually exclusive",
            )
            for name in ("past_days", "forecast_days", "past_hours", "forecast_hours")
        ),
    ],
)
def test_spans_that_make_no_sense_are_refused(given_values, reason):
    with pytest.raises(QueryInvalid, match=reason):
        parse(**given_values)


def test_relative_parameters_of_zero_go_with_dates():
    query = parse(start_date="2026-07-04", end_date="2026-07-05", past_days="0", forecast_hours="0")
    assert [str(day) for day in query.dates[0]] == ["2026-07-04", "2026-07-05"]


@pytest.mark.parametrize(
    ("given_zone", "zone"),
    [
        ("UTC", "UTC"),
        ("Etc/GMT 5", "Etc/GMT+5"),
        ("america/new york", "America/New_York"),
        ("EUROPE/BERLIN", "Europe/Berlin"),
    ],
)
def test_zones_are_found_in_spellings_that_arrive(given_zone, zone):
    assert parse(timezone=given_zone).places[0].zone == zone


def test_every_unit_follows_its_parameter():
    query = parse(
        temperature_unit="fahrenheit", wind_speed_unit="kn", precipitation_unit="inch", timeformat="unixtime"
    )
    labels = {name: unit.label for name, unit in query.unit.items()}
    assert labels["temperature"] == "°F"
    assert labels["speed"] == "kn"
    assert (labels["water"], labels["snow"], labels["length"]) == ("inch", "inch", "ft")
    assert labels["time"] == "unixtime"
    assert parse(length_unit="imperial").unit["snow"].label == "inch"
    assert parse().unit["snow"].label == "cm"


def test_models_are_kept_in_order_and_once():
    assert parse(models="b,best_match,b").models == ("b", "best_match")
    assert parse(models="").models == ("best_match",)


def test_lists_are_limited():
    with pytest.raises(QueryInvalid, match="'models' has 11 names; at most 10"):
        parse(models=",".join(map(str, range(11))))
    many = [f"temperature_{height}0m" for height in range(1, 503)]
    with pytest.raises(QueryInvalid, match="'hourly' has 502 variables; at most 500"):
        parse(hourly=many)


def test_names_of_the_wrong_list_say_where_they_belong():
    with pytest.raises(QueryInvalid, match="daily variable 'temperature_2m'; ask for it with 'hourly'"):
        parse(daily="temperature_2m")
    for name in ("hourly", "current", "minutely_15"):
        with pytest.raises(QueryInvalid, match="hourly variable 'sunrise'; ask for it with 'daily'"):
            parse(**{name: "sunrise"})


def test_a_misspelt_name_gets_the_nearest():
    with pytest.raises(QueryInvalid, match="Did you mean temperature_2m"):
        parse(hourly="temprature_2m")
    with pytest.raises(QueryInvalid, match="Did you mean precipitation_sum"):
        parse(daily="precipitaton_sum")


def test_parameters_of_other_servers_are_ignored():
    assert parse(apikey="secret", tilt="30", hourly="temperature_2m").hourly == ("temperature_2m",)


def test_php_arrays_and_json_numbers_are_read():
    found = split_lists(
        [("hourly[]", ["temperature_2m", "rain"]), ("latitude", [1.5, 2]), ("unixtime", True)]
    )
    assert found == {"hourly": ["temperature_2m", "rain"], "latitude": ["1.5", "2"], "unixtime": ["true"]}
    assert parse(forecast_days=7.0).forecast_days == 7


@pytest.mark.parametrize("value", ["1_0", "٤١", "0x10", "1e400", "--1", "\x00"])
def test_what_only_python_or_nobody_takes_for_a_latitude_is_refused(value):
    with pytest.raises(QueryInvalid, match=r"atitude"):
        parse(latitude=value)
