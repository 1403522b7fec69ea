import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from packager.contract import GUIDANCE_VARIABLES
from packager.dataset.records import VARIABLES
from weatherapp.observations.errors import FeedUnreadable
from weatherapp.observations.feeds.base import FeedOptions, Fetched
from weatherapp.observations.feeds.interface import GuidanceFeed
from weatherapp.observations.feeds.open_meteo import OpenMeteoFeed, read_place
from weatherapp.observations.feeds.sources import Document

REPLIES = Path(__file__).parents[4] / "data" / "openmeteo"
NOW = datetime(2026, 10, 3, 18, 40, tzinfo=UTC)
HOUR = int(NOW.timestamp() // 3600)
TWENTE = read_place("twente,52.276,6.873,35")


def fetched(*documents, now=NOW, places=(TWENTE,)):
    return Fetched(documents, now, {place.code: place for place in places})


def saved(name, code="twente", **options):
    return Document(f"/somewhere/{code}.json", (REPLIES / name).read_bytes(), **options)


def reply(hourly, units, **fields):
    document = {"latitude": 52.3, "longitude": 6.9, "elevation": 30.0, "utc_offset_seconds": 0}
    document |= {"hourly": hourly, "hourly_units": {"time": "iso8601", **units}, **fields}
    return Document("twente.json", json.dumps(document).encode())


def read(document, **options):
    feed = OpenMeteoFeed()
    raw = fetched(document, **options)
    return feed.parse(raw), feed.parse_guidance(raw)


def column(batch, name):
    return batch.values[:, VARIABLES.index(name)].tolist()


def test_a_real_reply_gives_reports_and_the_runs_of_earlier_days():
    batch, guidance = read(saved("previous_runs.json"))
    assert batch.stations == (TWENTE,)
    assert "no station" in batch.stations[0].source
    assert column(batch, "temperature") == pytest.approx([13.8, 13.3, 12.1])
    assert column(batch, "precipitation") == [0, 0, 0]
    assert guidance.source == "open-meteo/best_match"
    assert len(guidance) == 6
    lead = guidance.valid_hour - guidance.init_hour
    assert sorted(lead.tolist()) == [24, 24, 24, 48, 48, 48]
    day_before = guidance.values[lead == 24, GUIDANCE_VARIABLES.index("temperature")]
    assert day_before.tolist() == pytest.approx([14.2, 12.9, 12.1])
    assert (guidance.available_hour - guidance.init_hour == 6).all()


def test_local_times_are_moved_to_utc():
    batch, _ = read(saved("historical_forecast.json"))
    first = int(datetime(2023, 12, 31, 22, tzinfo=UTC).timestamp() // 3600)
    assert batch.hour.tolist() == [first, first + 1, first + 2]
    assert batch.precipitation_type.tolist() == [1, 0, 0]


def test_hours_after_the_asking_are_guidance_known_from_the_next_full_hour():
    times = [f"2026-10-03T{hour}:00" for hour in (17, 18, 19, 20)]
    batch, guidance = read(
        reply({"time": times, "temperature_2m": [1.0, 2.0, 3.0, None]}, {"temperature_2m": "°C"})
    )
    assert batch.hour.tolist() == [HOUR - 1, HOUR]
    assert guidance.valid_hour.tolist() == [HOUR + 1]
    assert (guidance.init_hour.tolist(), guidance.available_hour.tolist()) == ([HOUR], [HOUR + 1])


def test_a_saved_reply_does_not_pass_its_forecast_off_as_observed():
    times = [f"2026-10-03T{hour}:00" for hour in ("09", 10, 11)]
    hourly, units = {"time": times, "temperature_2m": [1.0, 2.0, 3.0]}, {"temperature_2m": "°C"}
    batch, guidance = read(reply(hourly, units, current={"time": "2026-10-03T09:30"}))
    assert column(batch, "temperature") == [1.0]
    assert guidance.available_hour.tolist() == [HOUR - 8, HOUR - 8]
    old = Document(
        "twente.json", reply(hourly, units).content, modified=datetime(2026, 10, 3, 10, 5, tzinfo=UTC)
    )
    assert column(read(old)[0], "temperature") == [1.0, 2.0]


def test_units_are_read_from_the_reply():
    times = ["2026-10-03T12:00"]
    units = {
        "temperature_2m": "°F",
        "wind_speed_10m": "km/h",
        "wind_direction_10m": "°",
        "precipitation": "inch",
        "cloud_cover": "%",
        "visibility": "ft",
    }
    hourly = {
        "time": times,
        "temperature_2m": [50],
        "wind_speed_10m": [36],
        "wind_direction_10m": [270],
        "precipitation": [0.1],
        "cloud_cover": [50],
        "visibility": [1000],
    }
    batch, _ = read(reply(hourly, units))
    expected = {"temperature": 10, "wind_u": 10, "wind_v": 0, "precipitation": 2.54, "cloud_cover": 0.5}
    for name, value in {**expected, "visibility": 304.8}.items():
        assert column(batch, name) == pytest.approx([value], abs=1e-4)


def test_a_column_without_values_may_have_no_unit_and_one_with_values_may_not():
    hourly = {
        "time": ["2026-10-03T12:00"],
        "temperature_2m": [1.0],
        "dew_point_2m": [None],
        "pressure_msl": [1013],
    }
    batch, _ = read(
        reply(hourly, {"temperature_2m": "°C", "dew_point_2m": "undefined", "pressure_msl": "bananas"})
    )
    assert [report.check for report in batch.rejected] == ["a unit that is not known"]
    assert "bananas" in batch.rejected[0].text
    assert np.isnan(column(batch, "pressure_msl")).all()
    assert column(batch, "temperature") == [1.0]


def test_columns_and_times_that_do_not_fit_are_counted():
    hourly = {
        "time": ["2026-10-03T12:00", "2026-10-03T12:30", "noon"],
        "temperature_2m": [1, 2, 3],
        "cloud_cover": [1],
    }
    batch, _ = read(reply(hourly, {"temperature_2m": "°C"}))
    assert sorted(report.check for report in batch.rejected) == [
        "a column of another length than the times",
        "not a full hour in UTC",
        "not a full hour in UTC",
    ]
    assert len(batch) == 1


@pytest.mark.parametrize("value", [1e300, 10**400, True, "warm"])
def test_values_that_are_no_sensible_numbers_are_missing(value):
    hourly = {"time": ["2026-10-03T12:00"], "temperature_2m": [value], "cloud_cover": [50]}
    batch, _ = read(reply(hourly, {"temperature_2m": "°C", "cloud_cover": "%"}))
    assert np.isnan(column(batch, "temperature")).all()


def test_unix_times_are_utc_whatever_the_offset():
    hourly = {"time": [HOUR * 3600], "temperature_2m": [1]}
    batch, _ = read(reply(hourly, {"temperature_2m": "°C"}, utc_offset_seconds=7200))
    assert batch.hour.tolist() == [HOUR]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"not json", "not JSON"),
        (b"[]", "not a reply"),
        (b"[1]", "not a reply"),
        (b'{"error": true, "reason": "Daily API request limit exceeded"}', "request limit exceeded"),
        (b'{"latitude": 1}', "no hourly values"),
        (b'{"hourly": {"time": []}, "hourly_units": {}, "utc_offset_seconds": 1e9}', "off UTC"),
    ],
)
def test_what_is_no_reply_is_unreadable_alone_and_counted_among_others(content, said):
    bad = Document("twente.json", content)
    with pytest.raises(FeedUnreadable, match=said):
        read(bad)
    batch = OpenMeteoFeed().parse(fetched(bad, saved("previous_runs.json")))
    assert [report.check for report in batch.rejected] == ["not a reply of Open-Meteo"]
    assert len(batch) == 3


def test_a_file_of_no_configured_place_stands_where_the_reply_says():
    batch, _ = read(saved("previous_runs.json", code="enschede"))
    (station,) = batch.stations
    assert (station.code, station.latitude, station.elevation) == ("enschede", 52.276, 29.0)
    nowhere = json.loads((REPLIES / "previous_runs.json").read_text()) | {"elevation": None}
    with pytest.raises(FeedUnreadable, match="no usable position"):
        read(Document("x.json", json.dumps(nowhere).encode()))


def test_many_places_are_asked_for_in_few_requests(web):
    item = json.loads((REPLIES / "previous_runs.json").read_text())
    places = tuple(read_place(f"p{number},{number % 80},{number},5") for number in range(51))
    url = web.lines_up(
        "/v1/forecast", (200, {}, json.dumps([item] * 50).encode()), (200, {}, json.dumps(item).encode())
    )
    feed = OpenMeteoFeed(FeedOptions(source=url, places=places, model="icon_eu", previous_days=2))
    assert isinstance(feed, GuidanceFeed)
    raw = feed.fetch(now=NOW)
    assert len(feed.parse(raw).stations) == 51
    assert feed.parse_guidance(raw).source == "open-meteo/icon_eu"
    assert len(web.asked) == 2
    assert "temperature_2m_previous_day2" in web.asked[0][0]
    assert "timezone=GMT" in web.asked[0][0]
    assert "models=icon_eu" in web.asked[0][0]


def test_an_address_may_have_a_query_of_its_own(web):
    url = web.lines_up("/v1/forecast", (200, {}, (REPLIES / "previous_runs.json").read_bytes()))
    places = (read_place("twente,52.28,6.87,35"),)
    OpenMeteoFeed(FeedOptions(source=url + "?apikey=k", places=places)).fetch(now=NOW)
    assert web.asked[0][0].startswith("/v1/forecast?apikey=k&latitude=52.2800&")


def test_an_answer_for_another_number_of_places_is_refused(web):
    item = json.loads((REPLIES / "previous_runs.json").read_text())
    url = web.lines_up("/v1/forecast", (200, {}, json.dumps([item, item]).encode()))
    feed = OpenMeteoFeed(FeedOptions(source=url, places=(TWENTE,)))
    with pytest.raises(FeedUnreadable, match="2 places; 1 were asked"):
        feed.parse(feed.fetch(now=NOW))


def test_without_places_there_is_nothing_to_ask():
    with pytest.raises(FeedUnreadable, match="FEED_OPEN_METEO_PLACES"):
        OpenMeteoFeed(FeedOptions(source="http://127.0.0.1/v1")).fetch(now=NOW)


@pytest.mark.parametrize("text", ["", "a,b", "a,91,0,0", "a,0,181,0", "a,0,0,9000", "a,nan,0,0", ",0,0,0"])
def test_what_is_no_place_is_told(text):
    with pytest.raises(FeedUnreadable, match="CODE,latitude,longitude,elevation"):
        read_place(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["time", "temperature_2m", "x"]), inner)
    ),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "latitude": JSON,
            "elevation": JSON,
            "utc_offset_seconds": JSON,
            "current": JSON,
            "hourly": JSON
            | st.fixed_dictionaries({"time": st.lists(JSON), "temperature_2m": st.lists(JSON)}),
            "hourly_units": JSON | st.just({"temperature_2m": "°C"}),
        },
    )
)
def test_whatever_the_server_says_is_read_or_refused(item):
    document = Document("twente.json", json.dumps(item).encode())
    try:
        batch, guidance = read(document)
    except FeedUnreadable:
        return
    assert (guidance.available_hour >= guidance.init_hour).all()
    assert (batch.hour <= HOUR).all()
