import pytest

from weatherapp.observations.errors import FeedUnreadable
from weatherapp.observations.feeds.base import read_one
from weatherapp.observations.feeds.sources import Document
from weatherapp.observations.feeds.stations import make_station, read_stations_csv

HEADER = "code,name,latitude,longitude,elevation\n"


def read(text):
    return read_stations_csv(Document("stations.csv", text.encode("utf-8-sig")), source="test")


def test_a_list_of_stations():
    found = read(HEADER + 'EDDF,"Frankfurt, airport",50.05,8.6,111\nEGPB,,59.88,-1.3,6\n')
    assert found["EDDF"].name == "Frankfurt, airport"
    assert (found["EGPB"].name, found["EGPB"].longitude) == ("EGPB", -1.3)


@pytest.mark.parametrize("place", ["91,8,1", "50,181,1", "50,8,", "50,8,9999", "nan,8,1", "x,8,1"])
def test_a_line_without_a_usable_position_is_named(place):
    with pytest.raises(FeedUnreadable, match="line 3: 'EDDM'"):
        read(HEADER + f"EDDF,Frankfurt,50.05,8.6,111\nEDDM,Munich,{place}\n")


@pytest.mark.parametrize("text", ["", "code,name\nEDDF,x\n", HEADER])
def test_a_list_without_its_columns_or_lines_is_refused(text):
    with pytest.raises(FeedUnreadable, match="has no column"):
        read(text)


def test_codes_that_cannot_be_stored_are_no_stations():
    assert make_station("", "", 1, 2, 3, "test") is None
    assert make_station("x" * 33, "", 1, 2, 3, "test") is None
    assert make_station("a\x00", "", 1, 2, 3, "test") is None


def test_a_list_that_is_not_one_whole_file(tmp_path):
    with pytest.raises(FeedUnreadable, match="cannot be read"):
        read_one(str(tmp_path / "missing.csv"))
    with pytest.raises(FeedUnreadable, match="not one whole file"):
        read_one(str(tmp_path))
