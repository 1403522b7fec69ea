"""Who calls, and what happens when nobody can count."""

import pytest
from redis.exceptions import ConnectionError as NoRedis

from mobile_models import callers
from weatherapp.personal import limits
from weatherapp.personal.errors import TooManyCalls


@pytest.mark.parametrize(
    ("proxies", "remote", "forwarded", "caller"),
    [
        (0, "192.0.2.7", "", "192.0.2.7"),
        # Nobody may choose who he is where no proxy is known.
        (0, "192.0.2.7", "198.51.100.1", "192.0.2.7"),
        (1, "10.0.0.1", "203.0.113.9, 198.51.100.1", "198.51.100.1"),
        (2, "10.0.0.1", "203.0.113.9, 198.51.100.1, 10.0.0.2", "198.51.100.1"),
        (2, "10.0.0.1", "198.51.100.1", "198.51.100.1"),
        (1, "10.0.0.1", "", "10.0.0.1"),
        (0, "2001:db8:1:2:3:4:5:6", "", "2001:db8:1:2::/64"),
        (1, "10.0.0.1", "nonsense", "nonsense"),
    ],
)
def test_callers_are_told_apart_by_address(settings, proxies, remote, forwarded, caller):
    settings.PROXIES = proxies
    meta = {"REMOTE_ADDR": remote} | ({"HTTP_X_FORWARDED_FOR": forwarded} if forwarded else {})
    assert callers.caller(meta) == caller


def test_the_cache_holds_no_address(monkeypatch):
    keys = []
    monkeypatch.setattr(callers.cache, "add", lambda key, *_, **__: keys.append(key))
    monkeypatch.setattr(callers.cache, "incr", lambda _: 1)
    limits.count_address("192.0.2.7")
    assert keys
    assert "192.0.2.7" not in keys[0]


def test_a_cache_that_does_not_answer_stops_nobody(monkeypatch):
    def broken(*_, **__):
        raise NoRedis("connection refused")

    monkeypatch.setattr(callers.cache, "add", broken)
    assert limits.count_device("x") is None


def test_a_count_that_was_thrown_out_starts_again(monkeypatch):
    def gone(_):
        raise ValueError("no such key")

    monkeypatch.setattr(callers.cache, "incr", gone)
    assert limits.count_device("x") is None


def test_the_next_window_is_free_again(settings, monkeypatch):
    settings.DEVICE_CALLS_PER_MINUTE = 1
    moment = callers.time.time() // 60 * 60
    monkeypatch.setattr(callers.time, "time", lambda: moment)
    limits.count_device("x")
    with pytest.raises(TooManyCalls) as refused:
        limits.count_device("x")
    assert refused.value.headers == {"Retry-After": "61"}
    monkeypatch.setattr(callers.time, "time", lambda: moment + 61)
    assert limits.count_device("x") is None
