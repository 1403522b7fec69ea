"""A region is stations, a box or a circle, and what is written wrongly is refused with what is meant."""

import pytest

from packager.dataset.errors import RegionInvalid
from packager.dataset.records import Station
from packager.dataset.region import parse_region
from tests.unit.packager.dataset.small import make_dataset


def station(latitude, longitude, name="a"):
    return Station(name, name, latitude, longitude, 0.0, "test", "actual")


FIJI = (station(-17.8, 177.4, "nadi"), station(-16.7, -179.9, "taveuni"), station(-33.9, 151.2, "sydney"))


@pytest.mark.parametrize(
    ("form", "text", "inside"),
    [
        ("stations", "nadi, sydney", [0, 2]),
        ("box", "-20,170,-10,180", [0]),
        ("box", "-20,170,-10,-170", [0, 1]),
        ("near", "-17.8,177.4,10", [0]),
        ("near", "-17.8,177.4,400", [0, 1]),
    ],
)
def test_stations_are_found_by_id_box_or_distance(form, text, inside):
    assert parse_region(form, text).indexes(make_dataset(stations=FIJI)).tolist() == inside


@pytest.mark.parametrize(
    ("form", "text", "said"),
    [
        ("box", "1,2,3", "needs 4 numbers: south,west,north,east"),
        ("near", "1,2,3,4", "needs 3 numbers: latitude,longitude,kilometres"),
        ("near", "1,east,3", "is not made of numbers"),
        ("near", "1,nan,3", "needs 3 numbers"),
        ("near", "91,0,10", "beyond 90 degrees of latitude"),
        ("box", "0,-181,1,0", "or 180 of longitude"),
        ("box", "10,0,0,10", "holds nothing"),
        ("near", "0,0,0", "holds nothing"),
        ("stations", " , ", "names no station"),
    ],
)
def test_what_is_no_region_is_refused_with_what_is_meant(form, text, said):
    with pytest.raises(RegionInvalid, match=said):
        parse_region(form, text)


def test_unknown_stations_are_named_with_the_known_ones():
    with pytest.raises(RegionInvalid, match=r"Stations suva are not in the dataset\. It has nadi, sydney"):
        parse_region("stations", "nadi,suva").indexes(make_dataset(stations=FIJI))


def test_an_empty_region_is_refused():
    with pytest.raises(RegionInvalid, match="No station of the dataset lies in the region near 60,0,5"):
        parse_region("near", "60,0,5").indexes(make_dataset(stations=FIJI))


def test_a_region_can_be_written_down():
    assert parse_region("near", "60,-5.5,30").to_dict() == {"near": [60.0, -5.5, 30.0]}
    assert parse_region("stations", "a,b").to_dict() == {"stations": ["a", "b"]}
