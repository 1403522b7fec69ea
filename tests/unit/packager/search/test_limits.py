import pytest

from packager.search.errors import SearchInvalid
from packager.search.limits import Limits, check_minutes, check_targets, make_limits


def test_a_tier_gives_the_limits_that_are_not_given():
    assert make_limits(None, None, "phone_mid") == Limits(48 * 1024, 1.0)
    assert make_limits(30_000, None, "phone_mid") == Limits(30_000, 1.0)
    assert make_limits(None, 0.5, "phone_mid") == Limits(48 * 1024, 0.5)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((0, 1.0, None), "At most 0 bytes"),
        ((-5, 1.0, None), "At most -5 bytes"),
        ((1000, 0.0, None), "at most 0 %"),
        ((1000, float("nan"), None), "at most nan %"),
        ((None, 1.0, None), "No limit on bytes: no tier is given"),
        ((1000, None, None), "No limit on skill loss"),
        ((None, None, "server"), "No limit on bytes: tier server has none"),
        ((None, None, "toaster"), "Tier 'toaster' is not known; choose one of"),
    ],
)
def test_limits_that_make_no_sense_are_refused(given, message):
    with pytest.raises(SearchInvalid, match=message):
        make_limits(*given)


@pytest.mark.parametrize("minutes", [0.0, -3.0, float("nan"), float("inf")])
def test_a_budget_must_be_a_time(minutes):
    with pytest.raises(SearchInvalid, match="give a number above 0"):
        check_minutes(minutes)


def test_targets_are_named():
    assert check_targets("both") == ("tflite", "coreml")
    with pytest.raises(SearchInvalid, match="Target 'onnx' is not known; choose one of tflite, coreml, both"):
        check_targets("onnx")


def test_limits_hold_up_to_their_own_value():
    limits = Limits(1000, 2.0)
    assert limits.hold(1000, 2.0)
    assert not limits.hold(1001, 2.0)
    assert not limits.hold(1000, 2.01)
    assert not limits.hold(1000, float("nan"))
