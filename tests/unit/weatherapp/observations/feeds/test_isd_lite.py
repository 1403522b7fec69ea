import gzip
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weatherapp.observations.errors import FeedUnreadable
from weatherapp.observations.feeds.base import FeedOptions, Fetched
from weatherapp.observations.feeds.interface import StationReport
from weatherapp.observations.feeds.isd_lite import IsdLiteFeed
from weatherapp.observations.feeds.sources import Document

NOW = datetime(2026, 7, 4, 18, 25, tzinfo=UTC)
HISTORY = (
    '"USAF","WBAN","STATION NAME","CTRY","STATE","ICAO","LAT","LON","ELEV(M)","BEGIN","END"\n'
    '"725300","94846","CHICAGO OHARE","US","IL","KORD","+41.995","-087.934","+0201.8","19461001","20260701"\n'
    '"720534","00161","NO CODE","US","CO","","+39.950","-105.117","+1724.0","20050101","20260701"\n'
    '"007018","99999","WXPOD 7018","","","","+00.000","+000.000","+7018.0","20110309","20130730"\n'
    '"829999","99999","NOWHERE","BR","","","","","","19450101","20260115"\n'
)
LINE = "2026 07 04 17   211   122 10132   270    51     4     3 -9999\n"
NEXT = "2026 07 04 18 -9999 -9999 -9999     0     0     9    -1 -9999\n"
CHICAGO = {"725300-94846": StationReport("KORD", "Chicago", 42.0, -87.9, 200.0, "test")}


def parse(*documents, stations=CHICAGO):
    return IsdLiteFeed().parse(Fetched(documents, NOW, stations))


def document(text, name="725300-94846-2026", **options):
    return Document(name, text.encode(), **options)


def test_values_are_in_our_units():
    batch = parse(document(LINE + NEXT))
    first, second = batch.values.tolist()
    assert first[:2] == pytest.approx([21.1, 12.2])
    assert first[2:6] == pytest.approx([1013.2, 5.1, 0.0, 0.3], abs=1e-4)
    assert first[6] == 0.5
    assert np.isnan(first[7:]).all()
    assert np.isnan(second[:3]).all()
    assert second[3:6] == [0.0, 0.0, 0.0]
    assert second[6] == 1.0
    assert batch.hour.tolist() == [int(NOW.timestamp() // 3600) - 1, int(NOW.timestamp() // 3600)]
    assert np.isnan(batch.precipitation_type).all()


@pytest.mark.parametrize(
    ("line", "check"),
    [
        ("2026 07 04 17 211\n", "not an ISD-Lite line of 12 whole numbers"),
        (LINE.replace("211", "2l1"), "not an ISD-Lite line of 12 whole numbers"),
        (LINE.replace("07 04", "13 04"), "a time that does not exist"),
        (LINE.replace("2026", "2025"), "not of the year of its file"),
        (LINE.rstrip("\n"), "cut off before its end"),
    ],
)
def test_lines_that_cannot_be_read_are_counted(line, check):
    batch = parse(document(NEXT + line))
    assert [report.check for report in batch.rejected] == [check]
    assert len(batch) == 1


def test_a_file_of_an_unknown_station_is_counted_and_alone_unreadable():
    stranger = document(LINE, "999999-99999-2026")
    batch = parse(document(LINE), stranger)
    assert [report.station for report in batch.rejected] == ["999999-99999"]
    with pytest.raises(FeedUnreadable, match="known station"):
        parse(stranger)


def test_a_folder_is_read_with_the_history_beside_it(tmp_path):
    (tmp_path / "isd-history.csv").write_text(HISTORY)
    (tmp_path / "725300-94846-2026.gz").write_bytes(gzip.compress(LINE.encode()))
    (tmp_path / "720534-00161-2026").write_text(LINE)
    (tmp_path / "readme.txt").write_text("not a station")
    feed = IsdLiteFeed(FeedOptions(source=str(tmp_path), since=datetime(2026, 1, 1, tzinfo=UTC)))
    # The files were written this moment and would wait; by their own name they do not.
    for name, code in (("725300-94846-2026.gz", "KORD"), ("720534-00161-2026", "720534-00161")):
        feed = IsdLiteFeed(FeedOptions(source=str(tmp_path / name)))
        batch = feed.parse(feed.fetch(now=NOW))
        assert [station.code for station in batch.stations] == [code]
        assert len(batch) == 1
    assert not feed.accepts("readme.txt")


def test_stations_without_a_position_are_not_known(tmp_path):
    (tmp_path / "isd-history.csv").write_text(HISTORY)
    feed = IsdLiteFeed(FeedOptions(source=str(tmp_path)))
    assert set(feed.positions()) == {"725300-94846", "720534-00161"}


def test_without_positions_the_feed_says_what_to_do(tmp_path):
    with pytest.raises(FeedUnreadable, match=r"isd-history\.csv"):
        IsdLiteFeed(FeedOptions(source=str(tmp_path))).fetch(now=NOW)
    with pytest.raises(FeedUnreadable, match="FEED_ISD_LITE_STATIONS"):
        IsdLiteFeed(FeedOptions(source="http://127.0.0.1/x")).fetch(now=NOW)
    with pytest.raises(FeedUnreadable, match="FEED_ISD_LITE_SOURCE"):
        IsdLiteFeed().fetch(now=NOW)
    (tmp_path / "isd-history.csv").write_text('"USAF","WBAN"\n"1","2"\n')
    with pytest.raises(FeedUnreadable, match="no column STATION NAME"):
        IsdLiteFeed(FeedOptions(source=str(tmp_path))).fetch(now=NOW)


def test_over_http_each_site_has_its_address(web):
    history = web.lines_up("/isd-history.csv", (200, {}, HISTORY.encode()))
    web.lines_up("/2026/725300-94846-2026", (200, {}, LINE.encode()))
    template = history.replace("isd-history.csv", "{year}/{station}-{year}")
    feed = IsdLiteFeed(FeedOptions(source=template, stations=history, sites=("725300-94846",)))
    assert len(feed.parse(feed.fetch(now=NOW))) == 1
    with pytest.raises(FeedUnreadable, match="FEED_ISD_LITE_SITES"):
        IsdLiteFeed(FeedOptions(source=template, stations=history)).fetch(now=NOW)
    with pytest.raises(FeedUnreadable, match="not known"):
        IsdLiteFeed(FeedOptions(source=template + "{x}", stations=history, sites=("a",))).fetch(now=NOW)


def test_in_january_the_last_year_is_asked_for_too():
    feed = IsdLiteFeed(FeedOptions(source="http://h/{year}/{station}", sites=("a",)))
    assert feed.addresses(datetime(2026, 1, 2, tzinfo=UTC)) == ("http://h/2025/a", "http://h/2026/a")


@settings(max_examples=80, deadline=None)
@given(
    st.binary(max_size=300)
    | st.lists(st.sampled_from([LINE, NEXT, "x\n", "2026 02 30 01 1 1 1 1 1 1 1 1\n"])).map(
        lambda x: "".join(x).encode()
    )
)
def test_whatever_comes_every_line_is_a_row_or_counted(content):
    batch = parse(Document("725300-94846-2026", content))
    lines = sum(bool(line.strip()) for line in content.decode("latin-1").split("\n"))
    assert len(batch) + len(batch.rejected) + sum(batch.passed_over.values()) == lines
