import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mobile_models.conditions import Conditions, parse_conditions
from mobile_models.device import Device
from mobile_models.errors import ParameterInvalid
from tests.catalogs import conditions, device_words

ALL = {
    "platforms": ["ios", "android"],
    "os_min": "17.0",
    "os_max": "18",
    "app_min": "2.0",
    "app_max": "3",
    "ram_min_mb": 4096,
    "perf_classes": ["mid", "high"],
    "regions": ["DE", "US"],
}
MEMBER = {
    "platform": "ios",
    "os_version": (17, 4),
    "app_version": (2, 1),
    "ram_mb": 6144,
    "perf_class": "high",
    "region": "DE",
}


def test_every_condition_is_read_and_written_again():
    assert parse_conditions(ALL).document() == ALL


def test_only_what_is_restricted_is_written():
    assert parse_conditions({}).document() == {}
    given_by_a_form = {"platforms": [], "os_min": "", "ram_min_mb": None, "regions": ["DE"]}
    assert parse_conditions(given_by_a_form).document() == {"regions": ["DE"]}


def test_the_order_that_a_list_was_given_in_does_not_matter():
    one = parse_conditions({"platforms": ["linux", "ios"], "regions": ["US", "DE", "US"]})
    assert one.document() == {"platforms": ["ios", "linux"], "regions": ["DE", "US"]}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([], ["conditions: '[]'", "an object with platforms"]),
        ("ios", ["conditions: 'ios'"]),
        (None, ["conditions: 'None'"]),
        ({"platform": ["ios"]}, ["conditions: platform was given", "allowed are platforms, os_min"]),
        ({1: 2}, ["conditions: 1 was given"]),
        ({"platforms": "ios"}, ["conditions.platforms: 'ios'", "a list of ios, android, linux"]),
        ({"platforms": ["windows"]}, ["conditions.platforms", "'windows'"]),
        ({"platforms": [["ios"]]}, ["conditions.platforms"]),
        ({"os_min": 17}, ["conditions.os_min: '17'", "text of one to four numbers"]),
        ({"os_max": "new"}, ["conditions.os_max: 'new'"]),
        ({"app_min": "1.2.3.4.5"}, ["conditions.app_min"]),
        ({"app_max": ["1"]}, ["conditions.app_max"]),
        ({"ram_min_mb": "4096"}, ["conditions.ram_min_mb: '4096'", "from 1 to 1048576"]),
        ({"ram_min_mb": -1}, ["conditions.ram_min_mb: '-1'"]),
        ({"ram_min_mb": 0}, ["conditions.ram_min_mb: '0'"]),
        ({"ram_min_mb": True}, ["conditions.ram_min_mb: 'True'"]),
        ({"ram_min_mb": 4096.5}, ["conditions.ram_min_mb"]),
        ({"perf_classes": ["fast"]}, ["conditions.perf_classes", "low, mid, high"]),
        ({"regions": ["de"]}, ["conditions.regions", "two capital letters"]),
        ({"regions": ["DE", 49]}, ["conditions.regions", "two capital letters"]),
        ({"regions": "DE"}, ["conditions.regions"]),
        ({"regions": ["DE"] * 301}, ["at most 300"]),
        ({"os_min": "18", "os_max": "17"}, ["conditions.os_min: 18", "os_max, which is 17"]),
        ({"app_min": "2.1", "app_max": "2.0"}, ["conditions.app_min: 2.1"]),
    ],
)
def test_a_bad_condition_is_named_with_what_is_allowed(given, words):
    with pytest.raises(ParameterInvalid) as caught:
        parse_conditions(given)
    for word in words:
        assert word in str(caught.value)
    assert len(str(caught.value)) < 300


def test_a_device_in_the_middle_of_a_group_belongs_to_it():
    assert parse_conditions(ALL).met_by(Device(**MEMBER))


@pytest.mark.parametrize(
    ("change", "unmet"),
    [
        ({"platform": "linux"}, "platforms"),
        ({"os_version": (16, 9)}, "os_min, os_max"),
        ({"os_version": (19,)}, "os_min, os_max"),
        ({"os_version": None}, "os_min, os_max"),
        ({"app_version": (1, 9)}, "app_min, app_max"),
        ({"app_version": (4,)}, "app_min, app_max"),
        ({"app_version": None}, "app_min, app_max"),
        ({"ram_mb": 4095}, "ram_min_mb"),
        ({"ram_mb": None}, "ram_min_mb"),
        ({"perf_class": "low"}, "perf_classes"),
        ({"region": "FR"}, "regions"),
        ({"region": None}, "regions"),
    ],
)
def test_a_device_that_misses_one_condition_does_not_belong(change, unmet):
    device = Device(**{**MEMBER, **change})
    assert parse_conditions(ALL).unmet_by(device) == [unmet]
    assert not parse_conditions(ALL).met_by(device)


def test_no_conditions_are_met_by_any_device():
    assert Conditions().met_by(Device("linux"))


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ({}, {}, True),
        ({"platforms": ["ios"]}, {}, True),
        ({"platforms": ["ios"]}, {"platforms": ["android"]}, False),
        ({"platforms": ["ios"]}, {"platforms": ["android", "ios"]}, True),
        ({"regions": ["DE"]}, {"regions": ["US"]}, False),
        ({"perf_classes": ["low"]}, {"perf_classes": ["mid", "high"]}, False),
        ({"platforms": ["ios"]}, {"regions": ["US"]}, True),
        ({"os_max": "17"}, {"os_min": "18"}, False),
        ({"os_max": "17"}, {"os_min": "17.4"}, True),
        ({"app_min": "3"}, {"app_max": "2.9"}, False),
        ({"ram_min_mb": 8000}, {"ram_min_mb": 4000}, True),
    ],
)
def test_groups_overlap_where_a_device_could_meet_both(one, other, expected):
    assert parse_conditions(one).overlaps(parse_conditions(other)) is expected
    assert parse_conditions(other).overlaps(parse_conditions(one)) is expected


@settings(deadline=None)
@given(conditions, conditions, device_words, st.sampled_from(["ios", "android", "linux"]))
def test_groups_that_share_a_device_overlap(one, other, words, platform):
    device = Device(platform=platform, **words)
    first, second = parse_conditions(one), parse_conditions(other)
    if first.met_by(device) and second.met_by(device):
        assert first.overlaps(second)


@settings(deadline=None)
@given(conditions)
def test_reading_what_was_written_gives_the_same(document):
    given_document = copy.deepcopy(document)
    parsed = parse_conditions(document)
    assert document == given_document
    assert parse_conditions(parsed.document()) == parsed
