import gzip
import json
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from packager.dataset.records import VARIABLES
from weatherapp.core.thermo import relative_humidity
from weatherapp.observations.errors import FeedUnreadable
from weatherapp.observations.feeds.base import FeedOptions, Fetched
from weatherapp.observations.feeds.interface import StationReport
from weatherapp.observations.feeds.meteostat import MeteostatFeed, dew_point
from weatherapp.observations.feeds.sources import Document

NOW = datetime(2026, 7, 4, 18, 25, tzinfo=UTC)
HOUR = int(NOW.timestamp() // 3600)
STATIONS = [
    {
        "id": "10637",
        "name": {"en": "Frankfurt Airport"},
        "identifiers": {"wmo": "10637", "icao": "EDDF"},
        "location": {"latitude": 50.05, "longitude": 8.6, "elevation": 111},
    },
    {
        "id": "D0001",
        "name": {"de": "Irgendwo"},
        "location": {"latitude": 50.0, "longitude": 9.0, "elevation": 200},
    },
    {"id": "X0001", "name": {}, "identifiers": None, "location": {"latitude": None}},
    "nonsense",
]
FRANKFURT = {"10637": StationReport("EDDF", "Frankfurt", 50.05, 8.6, 111.0, "test")}
OLD = "2026-07-04,17,21.1,12.2,57,0.3,,270,36.0,50.0,1013.2,,8\n2026-07-04,18,21.0,,50,,,,,,,,27\n"
NEW = (
    "year,month,day,hour,temp,temp_source,rhum,rhum_source,prcp,prcp_source,wdir,wdir_source,wspd,wspd_source,"
    "pres,pres_source,cldc,cldc_source,coco,coco_source\n"
    "2026,7,4,17,21.1,dwd_hourly,57,dwd_hourly,0.3,dwd_hourly,270,metar,36.0,metar,1013.2,metar,6,dwd_poi,15,metar\n"
    "2026,7,4,18,20.1,dwd_mosmix,57,metno_forecast,0.0,dwd_mosmix,,,,,,,,,,\n"
)


def parse(text, name="10637.csv.gz", **options):
    content = text if isinstance(text, bytes) else text.encode()
    return MeteostatFeed(FeedOptions(**options)).parse(Fetched((Document(name, content),), NOW, FRANKFURT))


def first(batch):
    return dict(zip(VARIABLES, batch.values[0].tolist(), strict=True))


def test_files_without_a_header():
    batch = parse(OLD)
    assert batch.hour.tolist() == [HOUR - 1, HOUR]
    values = first(batch)
    assert values["temperature"] == pytest.approx(21.1)
    assert values["dew_point"] == pytest.approx(12.2)
    assert (values["wind_u"], values["wind_v"]) == pytest.approx((10.0, 0.0), abs=1e-5)
    assert values["pressure_msl"] == pytest.approx(1013.2)
    assert values["precipitation"] == pytest.approx(0.3)
    assert batch.precipitation_type[0] == 1
    assert np.isnan(batch.precipitation_type[1])
    assert batch.values[1, 1] == pytest.approx(float(dew_point(np.array(21.0), np.array(0.5))), abs=1e-4)


def test_files_with_a_header_and_sources():
    batch = parse(NEW)
    assert batch.hour.tolist() == [HOUR - 1]
    values = first(batch)
    assert values["cloud_cover"] == 0.75
    assert batch.precipitation_type.tolist() == [2]


def test_what_a_model_made_is_no_observation():
    assert parse(NEW).passed_over == {"values that a model made": 3, "without a value": 1}


def test_dew_point_is_the_inverse_of_humidity():
    temperature = np.array([-20.0, 0.0, 25.0])
    made = dew_point(temperature, np.array([0.8, 0.5, 0.3]))
    assert relative_humidity(temperature, made) == pytest.approx([0.8, 0.5, 0.3])
    assert np.isnan(dew_point(np.array([5.0]), np.array([0.0]))).all()


@pytest.mark.parametrize(
    ("line", "check"),
    [
        ("2026-07-04,16,1,2\n", "a row with other columns than the header"),
        ("2026-13-04,16,21.1,12.2,57,0.3,,270,36.0,50.0,1013.2,,8\n", "no time"),
        ("2026-07-04,24,21.1,12.2,57,0.3,,270,36.0,50.0,1013.2,,8\n", "no time"),
        ("2026-07-04,16,21.1,12.2,57,0.3,,270,36.0,50.0,1013.2,,8", "cut off before its end"),
    ],
)
def test_rows_that_cannot_be_read_are_counted(line, check):
    batch = parse(OLD + line)
    assert [report.check for report in batch.rejected] == [check]
    assert len(batch) == 2


def test_hours_to_come_and_before_the_asked_time_are_left_out():
    text = OLD + "2026-07-05,03,21.1,12.2,57,0.3,,270,36.0,50.0,1013.2,,8\n"
    batch = parse(text, since=NOW.replace(minute=0))
    assert batch.hour.tolist() == [HOUR]
    assert sum(batch.passed_over.values()) == 2


def test_numbers_beyond_all_sense_are_no_values():
    batch = parse(OLD.replace("21.1", "1e300").replace("57", "0").replace("36.0", "-243.04"))
    assert np.isnan(batch.values[0, 0])
    assert np.isfinite(batch.values[0, 1])
    assert len(parse(OLD.replace("21.0", "-243.04"))) == 2


@pytest.mark.parametrize("text", ["a,b,c\n1,2,3\n", "", '{"x": 1}', "hour,temp\n1,2\n"])
def test_other_files_are_unreadable(text):
    with pytest.raises(FeedUnreadable, match="not an hourly file"):
        parse(text)


def test_a_file_of_an_unknown_station_is_counted():
    (report,) = parse(OLD, "99999.csv.gz").rejected
    assert report.station == "99999"


def test_a_folder_with_its_list(tmp_path):
    (tmp_path / "lite.json.gz").write_bytes(gzip.compress(json.dumps(STATIONS).encode()))
    (tmp_path / "10637.csv.gz").write_bytes(gzip.compress(OLD.encode()))
    feed = MeteostatFeed(FeedOptions(source=str(tmp_path / "10637.csv.gz")))
    batch = feed.parse(feed.fetch(now=NOW))
    assert [station.code for station in batch.stations] == ["EDDF"]
    assert {key: station.code for key, station in feed.positions().items()} == {
        "10637": "EDDF",
        "D0001": "meteostat-D0001",
    }


def test_lists_that_are_missing_or_no_lists(tmp_path):
    feed = MeteostatFeed(FeedOptions(source=str(tmp_path)))
    with pytest.raises(FeedUnreadable, match="no list of stations"):
        feed.fetch(now=NOW)
    for text, said in (("{", "not JSON"), ('{"a": 1}', "not a list")):
        (tmp_path / "stations.json").write_text(text)
        with pytest.raises(FeedUnreadable, match=said):
            feed.fetch(now=NOW)


def test_over_http(web):
    stations = web.lines_up("/lite.json", (200, {}, json.dumps(STATIONS).encode()))
    web.lines_up("/10637.csv.gz", (200, {}, gzip.compress(OLD.encode())))
    feed = MeteostatFeed(
        FeedOptions(
            source=stations.replace("lite.json", "{station}.csv.gz"), stations=stations, sites=("10637",)
        )
    )
    assert len(feed.parse(feed.fetch(now=NOW))) == 2


@settings(max_examples=80, deadline=None)
@given(st.binary(max_size=200).map(lambda tail: OLD.encode() + tail) | st.binary(max_size=200))
def test_whatever_comes_is_read_or_refused(content):
    try:
        batch = parse(content)
    except FeedUnreadable:
        return
    assert len(batch) <= content.count(b"\n") + 1
