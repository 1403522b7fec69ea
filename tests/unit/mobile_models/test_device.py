import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobile_models.device import Device, parse_device, parse_version
from mobile_models.errors import ParameterInvalid


def test_reads_everything_a_device_says():
    query = {
        "platform": "ios",
        "os_version": "17.4",
        "app_version": "2.3.1",
        "ram_mb": "6144",
        "perf_class": "high",
    }
    assert parse_device(query) == Device("ios", (17, 4), (2, 3, 1), 6144, "high")


def test_what_a_device_does_not_say_is_unknown():
    assert parse_device({"platform": "linux"}) == Device("linux")


@pytest.mark.parametrize(
    ("field", "given", "allowed"),
    [
        ("platform", "symbian", "ios, android, linux"),
        ("platform", "", "ios, android, linux"),
        ("platform", "iOS", "ios, android, linux"),
        ("os_version", "seventeen", "one to four numbers"),
        ("os_version", "17.", "one to four numbers"),
        ("os_version", "", "one to four numbers"),
        ("os_version", "17.4\n", "one to four numbers"),
        ("app_version", "1.2.3.4.5", "one to four numbers"),
        ("app_version", "१.२", "one to four numbers"),
        ("ram_mb", "-1", "1 to 1048576"),
        ("ram_mb", "0", "1 to 1048576"),
        ("ram_mb", "4e3", "1 to 1048576"),
        ("ram_mb", "9" * 5000, "1 to 1048576"),
        ("perf_class", "medium", "low, mid, high"),
    ],
)
def test_a_bad_value_is_named_with_what_is_allowed(field, given, allowed):
    with pytest.raises(ParameterInvalid) as caught:
        parse_device({"platform": "ios", field: given})
    sentence = str(caught.value)
    assert sentence.startswith(f"{field}: ")
    assert allowed in sentence
    assert repr(given)[:40] in sentence or not given
    assert len(sentence) < 250


def test_a_missing_platform_is_named():
    with pytest.raises(ParameterInvalid, match=r"platform: it is missing; allowed are ios, android, linux\."):
        parse_device({})


@pytest.mark.parametrize(("older", "newer"), [("17.9", "17.10"), ("9", "10"), ("17", "17.0.1")])
def test_versions_compare_by_number(older, newer):
    assert parse_version(older) < parse_version(newer)


@given(st.lists(st.integers(0, 999_999), min_size=1, max_size=3))
def test_a_trailing_zero_does_not_make_a_version_newer(parts):
    text = ".".join(map(str, parts))
    assert parse_version(text) == parse_version(f"{text}.0")
