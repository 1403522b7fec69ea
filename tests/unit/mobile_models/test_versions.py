import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobile_models.versions import at_least, at_most, parse_version, within


@pytest.mark.parametrize(("older", "newer"), [("17.9", "17.10"), ("9", "10"), ("17", "17.0.1")])
def test_versions_compare_by_number(older, newer):
    assert parse_version(older) < parse_version(newer)


@pytest.mark.parametrize("text", ["", "17.", ".1", "1.2.3.4.5", "1.x", "17.4\n", "१.२", "-1", "1234567"])
def test_what_is_no_version_is_none(text):
    assert parse_version(text) is None


@pytest.mark.parametrize(
    ("version", "highest", "holds"),
    [
        ("18.6", "18", True),
        ("18.6", "18.0", False),
        ("17.4.1", "17.4", True),
        ("17.4.1", "17.4.0", False),
        ("17", "17.4", True),
        ("18", "18.0.0", True),
        ("19", "18", False),
        ("2", "17", True),
    ],
)
def test_an_upper_limit_is_compared_as_far_as_it_goes(version, highest, holds):
    assert at_most(parse_version(version), highest) is holds


@pytest.mark.parametrize(
    ("version", "lowest", "holds"),
    [("17", "17.0", True), ("17.0.1", "17", True), ("16.9", "17", False), ("17.3", "17.4", False)],
)
def test_a_lower_limit_counts_missing_numbers_as_zero(version, lowest, holds):
    assert at_least(parse_version(version), lowest) is holds


def test_no_limit_holds_for_all():
    assert within((1,), None, None)
    assert within((2, 5), "2", "2")
    assert not within((3,), "2", "2")


texts = st.lists(st.integers(0, 999_999), min_size=1, max_size=4).map(lambda parts: ".".join(map(str, parts)))


@given(texts)
def test_every_version_lies_within_itself(text):
    assert within(parse_version(text), text, text)


@given(texts, texts)
def test_a_version_is_at_least_or_at_most_any_other(one, other):
    assert at_least(parse_version(one), other) or at_most(parse_version(one), other)


@given(st.lists(st.integers(0, 999_999), min_size=1, max_size=3))
def test_a_trailing_zero_does_not_make_a_version_newer(parts):
    text = ".".join(map(str, parts))
    assert parse_version(text) == parse_version(f"{text}.0")
