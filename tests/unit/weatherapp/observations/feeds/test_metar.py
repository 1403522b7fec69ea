import gzip
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from packager.dataset.records import VARIABLES
from weatherapp.observations.errors import FeedUnreadable
from weatherapp.observations.feeds.base import EARLY, FeedOptions, Fetched
from weatherapp.observations.feeds.bulletins import split_document
from weatherapp.observations.feeds.interface import StationReport
from weatherapp.observations.feeds.metar import MetarFeed
from weatherapp.observations.feeds.sources import Document

BULLETINS = Path(__file__).parents[4] / "data" / "metar"
NOW = datetime(2026, 7, 4, 18, 25, tzinfo=UTC)
HOUR = int(NOW.timestamp() // 3600)
HEADER = (
    "raw_text,station_id,observation_time,latitude,longitude,temp_c,dewpoint_c,wind_dir_degrees,wind_speed_kt,"
    "wind_gust_kt,visibility_statute_mi,altim_in_hg,sea_level_pressure_mb,corrected,auto,auto_station,"
    "maintenance_indicator_on,no_signal,lightning_sensor_off,freezing_rain_sensor_off,present_weather_sensor_off,"
    "wx_string,sky_cover,cloud_base_ft_agl,sky_cover,cloud_base_ft_agl,sky_cover,cloud_base_ft_agl,sky_cover,"
    "cloud_base_ft_agl,flight_category,three_hr_pressure_tendency_mb,maxT_c,minT_c,maxT24hr_c,minT24hr_c,precip_in,"
    "pcp3hr_in,pcp6hr_in,pcp24hr_in,snow_in,vert_vis_ft,metar_type,elevation_m"
)
PREAMBLE = "No errors\nNo warnings\n3 ms\ndata source=metars\n2 results\n"


class Everywhere(dict):
    """Knows every station."""

    def get(self, key, default=None):
        return StationReport(key, key, 40.0, -90.0, 200.0, "test")


def parse(*texts, now=NOW, stations=None, options=None):
    documents = tuple(
        Document(f"{number}.txt", text if isinstance(text, bytes) else text.encode())
        for number, text in enumerate(texts)
    )
    return MetarFeed(options).parse(Fetched(documents, now, Everywhere() if stations is None else stations))


def bulletin(name, now):
    return parse((BULLETINS / name).read_bytes(), now=now)


def row(batch, code):
    index = [station.code for station in batch.stations].index(code)
    (found,) = np.flatnonzero(batch.station == index)
    return dict(zip(VARIABLES, batch.values[found].tolist(), strict=True)) | {
        "type": float(batch.precipitation_type[found]),
        "hour": int(batch.hour[found]),
        "corrected": bool(batch.corrected[found]),
    }


def checks(batch):
    return sorted(report.check for report in batch.rejected)


def accounted(batch):
    return len(batch) + len(batch.rejected) + sum(batch.passed_over.values())


def test_a_collective_is_read_whole():
    batch = bulletin("collective.txt", datetime(2026, 3, 8, 14, 30, tzinfo=UTC))
    assert {station.code for station in batch.stations} == {"KMIA", "KAMW", "KALO", "PAJN", "KSPS"}
    assert checks(batch) == ["no time", "not a METAR", "nothing in it can be read"]
    assert accounted(batch) == 14
    tornado = row(batch, "KMIA")
    assert (tornado["type"], tornado["precipitation"]) == (1, pytest.approx(11.68))
    storm = row(batch, "KSPS")
    assert storm["temperature"] == 25.0
    assert storm["dew_point"] == pytest.approx(16.1)
    assert storm["cloud_base"] == pytest.approx(670.6)


def test_day_31_read_on_the_first_is_of_the_month_before():
    batch = bulletin("collective2.txt", datetime(2027, 1, 1, 0, 5, tzinfo=UTC))
    assert len(batch) == 35
    assert set(batch.hour.tolist()) == {int(datetime(2027, 1, 1, tzinfo=UTC).timestamp() // 3600)}
    assert not batch.rejected


def test_reading_back_means_the_last_such_day_and_not_one_to_come():
    now = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
    text = "KALO 302354Z 18016KT 10SM CLR 18/16 A2995=\n"
    assert checks(parse(text, now=now)) == ["a time in the future"]
    back = FeedOptions(since=datetime(2026, 10, 1, tzinfo=UTC))
    batch = parse(text, now=now, options=back)
    assert row(batch, "KALO")["hour"] == datetime(2026, 10, 31, tzinfo=UTC).timestamp() // 3600


@pytest.mark.parametrize(
    "header",
    [
        "station_id,observation_time,latitude,longitude,elevation_m,raw_text",
        '"station_id","observation_time","latitude","longitude","elevation_m","raw_text"',
    ],
)
def test_a_cache_file_has_its_columns_in_any_order_quoted_or_not(header):
    line = "KALO,2026-07-04T17:54:00Z,42.5,-92.4,264,KALO 041754Z 18016KT 10SM CLR 18/16 A2995"
    batch = parse(f"{header}\n{line}\n", stations={})
    assert row(batch, "KALO")["temperature"] == 18
    assert not batch.rejected


def test_bad_characters_and_control_characters_cost_nothing():
    batch = bulletin("badchars.txt", datetime(2026, 7, 3, 21, 10, tzinfo=UTC))
    assert {station.code for station in batch.stations} == {"HKJK", "HRYR", "HUEN"}
    assert row(batch, "HRYR")["temperature"] == 21
    assert not batch.rejected


def test_a_null_byte_in_the_remarks():
    found = row(bulletin("nullbyte.txt", datetime(2026, 7, 23, 14, 10, tzinfo=UTC)), "KNZY")
    assert (found["temperature"], found["dew_point"]) == (16, 13)
    assert found["cloud_base"] == pytest.approx(304.8)


def test_a_mountain_in_cloud_has_its_ceiling_at_the_ground():
    found = row(bulletin("kmwn.txt", datetime(2026, 7, 20, 4, 10, tzinfo=UTC)), "KMWN")
    assert (found["cloud_base"], found["visibility"], found["type"]) == (0, 0, 2)


def test_convective_cloud_of_unknown_amount_leaves_ceiling_and_cover_unknown():
    batch = bulletin("kawn.txt", datetime(2026, 7, 2, 1, 5, tzinfo=UTC))
    found = row(batch, "LFBA")
    assert np.isnan([found["cloud_base"], found["cloud_cover"]]).all()
    assert row(batch, "LFBD")["type"] == 0


def test_a_late_bulletin_is_no_correction():
    assert not row(bulletin("rtd_bbb.txt", datetime(2026, 7, 9, 9, 20, tzinfo=UTC)), "MUCL")["corrected"]


def test_reports_in_another_code_are_rejected():
    batch = bulletin("sa.txt", datetime(2026, 7, 24, 14, 10, tzinfo=UTC))
    assert checks(batch) == ["not a METAR"] * 4
    assert len(batch) == 0


@pytest.mark.parametrize(
    ("minute", "hour"), [("1740", 0), ("1753", 0), ("1800", 0), ("1815", 0), ("1739", None), ("1816", None)]
)
def test_a_report_belongs_to_the_nearest_full_hour(minute, hour):
    batch = parse(f"METAR LFPG 04{minute}Z 00000KT CAVOK 20/10 Q1013=\n")
    assert batch.hour.tolist() == ([] if hour is None else [HOUR])
    assert accounted(batch) == 1


def test_a_routine_report_beats_a_special_one_and_the_nearer_the_farther():
    texts = [
        "SPECI LFPG 041802Z 00000KT CAVOK 21/10 Q1013=",
        "METAR LFPG 041750Z 00000KT CAVOK 20/10 Q1013=",
        "METAR LFPG 041745Z 00000KT CAVOK 19/10 Q1013=",
    ]
    for order in (texts, texts[::-1]):
        assert row(parse("\n".join(order)), "LFPG")["temperature"] == 20
    assert row(parse(texts[0]), "LFPG")["temperature"] == 21


@pytest.mark.parametrize(
    "text",
    [
        "SAFR31 LFPW 041800 CCA\nMETAR LFPG 041800Z 00000KT CAVOK 18/10 Q1013=\n",
        "METAR COR LFPG 041800Z 00000KT CAVOK 18/10 Q1013=\n",
        "METAR LFPG 041800Z COR 00000KT CAVOK 18/10 Q1013=\n",
        "METAR LFPG 041800Z CCB 00000KT CAVOK 18/10 Q1013=\n",
    ],
)
def test_a_correction_wins_whenever_it_comes(text):
    routine = "METAR LFPG 041800Z 00000KT CAVOK 20/10 Q1013=\n"
    for order in ((text, routine), (routine, text)):
        found = row(parse(*order), "LFPG")
        assert (found["temperature"], found["corrected"]) == (18, True)


def test_a_report_of_the_coming_hour_waits():
    batch = parse("METAR LFPG 041755Z 00000KT CAVOK 20/10 Q1013=\n", now=NOW.replace(hour=17, minute=57))
    assert (len(batch), batch.passed_over) == (0, {EARLY: 1})


@pytest.mark.parametrize(
    ("text", "check"),
    [
        ("METAR LFPG 050600Z 00000KT CAVOK 20/10 Q1013=", "a time in the future"),
        ("METAR LFPG 250600Z 00000KT CAVOK 20/10 Q1013=", "too old"),
        ("METAR LFPG 041860Z 00000KT CAVOK 20/10 Q1013=", "a time that does not exist"),
        ("METAR LFPG 321800Z 00000KT CAVOK 20/10 Q1013=", "a time that does not exist"),
        ("METAR LFPG 00000KT CAVOK 20/10 Q1013=", "no time"),
        ("TAF LFPG 041800Z 0418/0524 00000KT CAVOK=", "not a METAR"),
        ("METAR LFPG 041800Z=", "nothing in it can be read"),
        ("METAR LFPG 041800Z " + "BKN010 " * 300 + "=", "longer than any report"),
        ("METAR LFPG 041800Z 99010KT CAVOK 20/10 Q1013=", "a group cannot be read"),
    ],
)
def test_each_fault_is_counted_under_its_own_name(text, check):
    batch = parse(text + "\n")
    assert checks(batch) == [check]
    assert len(batch.rejected[0].text) <= 200


def test_reports_that_say_nothing_are_no_fault():
    batch = parse("METAR LFPG 041800Z NIL=\nMETAR LFPB NIL=\n")
    assert (len(batch), batch.rejected, sum(batch.passed_over.values())) == (0, (), 2)


def test_an_unknown_station_is_named_once_and_its_reports_are_counted():
    text = "METAR LFPG 041700Z 00000KT CAVOK 20/10 Q1013=\nMETAR LFPG 041800Z 00000KT CAVOK 20/10 Q1013=\n"
    batch = parse(text, stations={})
    assert checks(batch) == ["the station's position is not known"]
    assert batch.rejected[0].station == "LFPG"
    assert accounted(batch) == 2


def test_a_file_that_ends_in_the_middle_of_a_report_gives_the_others():
    whole = (BULLETINS / "collective2.txt").read_bytes()
    batch = parse(whole[:2000], now=datetime(2026, 4, 1, 0, 5, tzinfo=UTC))
    assert checks(batch) == ["cut off before its end"]
    assert len(batch) > 15


def test_reports_without_an_end_mark_are_read_line_by_line():
    text = "LFPG 041800Z 00000KT CAVOK 20/10 Q1013\nLFPB 041800Z 00000KT 9999 BKN010\n     21/10 Q1013\n"
    text += "LFPO 041800Z 000"
    batch = parse(text)
    assert row(batch, "LFPB")["temperature"] == 21
    assert checks(batch) == ["cut off before its end"]


def test_a_missing_end_mark_costs_no_report():
    batch = parse(
        "METAR LFPG 041800Z 00000KT CAVOK 20/10 Q1013\nMETAR LFPB 041800Z 00000KT CAVOK 21/10 Q1013=\n"
    )
    assert {station.code for station in batch.stations} == {"LFPG", "LFPB"}


def test_a_line_with_the_full_date_says_the_year():
    text = "{}\nLFPG 041800Z 00000KT CAVOK 20/10 Q1013\n"
    assert len(parse(text.format("2026/07/04 18:00"))) == 1
    assert checks(parse(text.format("2025/07/04 18:00"))) == ["too old"]
    assert checks(parse(text.format("2027/07/04 18:00"))) == ["a time in the future"]


def test_since_reads_farther_back():
    text = "2026/06/04 18:00\nLFPG 041800Z 00000KT CAVOK 20/10 Q1013\n"
    assert len(parse(text, options=FeedOptions(since=NOW - timedelta(days=60)))) == 1


def cached(*rows, end="\n"):
    return PREAMBLE + "\n".join((HEADER, *rows)) + end


def cache_row(raw, station, time, place="48.0,2.0", elevation="100", **columns):
    cells = dict.fromkeys(HEADER.split(","), "")
    cells |= {"metar_type": "METAR", **columns}
    names = HEADER.split(",")
    values = [cells[name] for name in names]
    values[:3] = [raw, station, time]
    values[3:5] = place.split(",")
    values[-1] = elevation
    return ",".join(values)


GOOD = cache_row("METAR LFPG 041800Z 00000KT CAVOK 20/10 Q1013", "LFPG", "2026-07-04T18:00:00.000Z")


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_the_cache_file_brings_its_own_positions(pack):
    from weatherapp.observations.feeds.sources import unpacked

    document = unpacked("metars.cache.csv.gz", pack(cached(GOOD).encode()))
    batch = MetarFeed().parse(Fetched((document,), NOW, {}))
    (station,) = batch.stations
    assert (station.code, station.latitude, station.elevation) == ("LFPG", 48.0, 100.0)
    assert row(batch, "LFPG")["temperature"] == 20


def test_stored_positions_win_over_the_cache_file():
    known = {"LFPG": StationReport("LFPG", "Roissy", 49.01, 2.53, 119.0, "list")}
    assert parse(cached(GOOD), stations=known).stations == (known["LFPG"],)


@pytest.mark.parametrize(
    ("line", "check"),
    [
        (cache_row("METAR LFPG 041800Z 00000KT CAVOK 20/10", "LFPG", "2025-07-04T18:00:00Z"), "too old"),
        (
            cache_row("METAR LFPG 031800Z 00000KT CAVOK 20/10", "LFPG", "2026-07-04T18:00:00Z"),
            "two times that disagree",
        ),
        (cache_row("METAR LFPG 041800Z 00000KT CAVOK 20/10", "LFPG", "yesterday"), "no time of observation"),
        (
            cache_row("METAR LFPG 041800Z 00000KT CAVOK 20/10", "LFPG", "2026-07-04T18:00:00Z", place=","),
            "the station's position is not known",
        ),
        (
            cache_row(
                "METAR LFPG 041800Z 00000KT CAVOK 20/10", "LFPG", "2026-07-04T18:00:00Z", elevation="9999"
            ),
            "the station's position is not known",
        ),
        ("METAR LFPG 041800Z,LFPG", "a row with other columns than the header"),
        ('"METAR LFPG 041800Z,LFPG', "a row with other columns than the header"),
    ],
)
def test_rows_of_the_cache_file_that_cannot_be(line, check):
    assert checks(parse(cached(line), stations={})) == [check]


def test_a_cache_file_that_is_cut_off_loses_its_last_row_only():
    batch = parse(cached(GOOD, GOOD[:40], end=""), stations={})
    assert len(batch) == 1
    assert checks(batch) == ["cut off before its end"]


def test_corrections_and_special_reports_of_the_cache_file():
    special = cache_row(
        "LFPG 041804Z 00000KT CAVOK 25/10 Q1013", "LFPG", "2026-07-04T18:04:00Z", metar_type="SPECI"
    )
    corrected = cache_row(
        "LFPG 041800Z 00000KT CAVOK 19/10 Q1013", "LFPG", "2026-07-04T18:00:00Z", corrected="TRUE"
    )
    assert row(parse(cached(GOOD, special), stations={}), "LFPG")["temperature"] == 20
    found = row(parse(cached(corrected, GOOD), stations={}), "LFPG")
    assert (found["temperature"], found["corrected"]) == (19, True)


def test_a_cache_file_without_its_columns_is_unreadable():
    with pytest.raises(FeedUnreadable, match="observation_time"):
        parse("raw_text,station_id\nx,y\n")
    batch = parse("raw_text,station_id\nx,y\n", cached(GOOD))
    assert checks(batch) == ["not a file of this feed"]
    assert len(batch) == 1


GROUPS = st.sampled_from(
    [
        "METAR",
        "SPECI",
        "COR",
        "KXXX",
        "041800Z",
        "AUTO",
        "NIL",
        "27010KT",
        "VRB02KT",
        "9999",
        "////",
        "1 1/2SM",
        "CAVOK",
        "-RA",
        "UP",
        "//",
        "BKN010",
        "OVC///",
        "///015",
        "VV001",
        "M05/M10",
        "20/10",
        "Q1013",
        "A2992",
        "RMK",
        "SLP132",
        "T10441072",
        "P0012",
        "RAB05",
        "=",
        "\n",
        "\x00",
        "\x01",
        "\x03",
        "TEMPO",
        "\xa0",
        "SAUS70 KWBC 041800 CCA",
        "2026/07/04 18:00",
        "0001/01/01 00:00",
    ]
)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(GROUPS, max_size=60).map(lambda groups: " ".join(groups).encode("latin-1"))
    | st.binary(max_size=400)
)
def test_whatever_comes_every_report_is_a_row_or_counted(content):
    documents = (Document("x.txt", content),)
    try:
        found = len(list(split_document(documents[0])))
        batch = MetarFeed().parse(Fetched(documents, NOW, Everywhere()))
    except FeedUnreadable:
        return
    both = sum(report.check == "a group cannot be read" for report in batch.rejected)
    assert found <= accounted(batch) <= found + both
    assert len(set(zip(batch.station.tolist(), batch.hour.tolist(), strict=True))) == len(batch)


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=200).map(lambda text: (cached(text) + text).encode("utf-8", "replace")))
def test_whatever_stands_in_a_cache_file(content):
    documents = (Document("x.csv", content),)
    try:
        found = len(list(split_document(documents[0])))
        batch = MetarFeed().parse(Fetched(documents, NOW, {}))
    except FeedUnreadable:
        return
    assert found <= accounted(batch)
