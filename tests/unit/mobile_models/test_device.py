import pytest

from mobile_models.device import Device, parse_device
from mobile_models.errors import ParameterInvalid


def test_reads_everything_a_device_says():
    query = {
        "platform": "ios",
        "os_version": "17.4",
        "app_version": "2.3.1",
        "ram_mb": "6144",
        "perf_class": "high",
        "region": "DE",
        "accelerators": "ane,gpu",
        "engines": "litert:2.1.0,onnx:1.20",
        "contract": "1,2",
    }
    assert parse_device(query) == Device(
        "ios",
        (17, 4),
        (2, 3, 1),
        6144,
        "high",
        "DE",
        frozenset({"ane", "gpu"}),
        {"litert": (2, 1), "onnx": (1, 20)},
        frozenset({1, 2}),
    )


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
        ("perf_class", "", "low, mid, high"),
        ("region", "de", "two capital letters"),
        ("region", "DEU", "two capital letters"),
        ("region", "", "two capital letters"),
        ("region", "DE\n", "two capital letters"),
        ("accelerators", "ANE", "ane,gpu"),
        ("accelerators", "ane,", "ane,gpu"),
        ("accelerators", ",".join(["gpu"] * 21), "up to 20"),
        ("engines", "litert", "litert:2.1"),
        ("engines", "litert:new", "litert:2.1"),
        ("engines", "litert:1.2.3.4.5", "litert:2.1"),
        ("contract", "0x1", "1,2"),
        ("contract", "-1", "1,2"),
        ("contract", "", "1,2"),
        ("contract", "9" * 5000, "1,2"),
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


def test_a_device_that_has_not_measured_itself_counts_as_mid():
    assert Device("linux").speed == "mid"
    assert Device("linux", perf_class="low").speed == "low"
