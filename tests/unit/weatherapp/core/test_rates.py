import pytest

from weatherapp.core.rates import parse_rate


def test_a_rate_is_a_number_and_a_period():
    assert parse_rate("600/minute", "RATE") == (600, 60)
    assert parse_rate("1/day", "RATE") == (1, 86400)
    assert parse_rate("", "RATE") is None


@pytest.mark.parametrize("rate", ["many", "0/minute", "5/fortnight", "-1/second", "5", "5/minute/minute"])
def test_what_is_no_rate_is_named_with_what_is(rate):
    with pytest.raises(ValueError, match=r"RATE is .*600/minute"):
        parse_rate(rate, "RATE")
