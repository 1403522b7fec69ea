import pytest
from django.core.cache import cache

from weatherapp.forecasts import limits
from weatherapp.forecasts.errors import TooManyRequests


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    cache.clear()
    now = {"time": 1_000_000.0}
    monkeypatch.setattr("weatherapp.forecasts.limits.time.time", lambda: now["time"])
    return now


def test_a_client_may_ask_so_often_and_then_again_in_the_next_window(rf, settings, clock):
    settings.FORECAST_RATE = "2/minute"
    for _ in range(2):
        limits.check_rate(rf.get("/"))
    with pytest.raises(TooManyRequests, match="More than 2 requests") as refused:
        limits.check_rate(rf.get("/"))
    wait = int(refused.value.headers["Retry-After"])
    assert wait == 60 - 1_000_000 % 60
    clock["time"] += wait
    limits.check_rate(rf.get("/"))


def test_every_address_counts_for_itself(rf, settings):
    settings.FORECAST_RATE = "1/hour"
    limits.check_rate(rf.get("/", REMOTE_ADDR="192.0.2.1"))
    limits.check_rate(rf.get("/", REMOTE_ADDR="192.0.2.2"))
    with pytest.raises(TooManyRequests):
        limits.check_rate(rf.get("/", REMOTE_ADDR="192.0.2.1"))


def test_without_a_rate_nothing_is_counted(rf, settings):
    settings.FORECAST_RATE = ""
    limits.check_rate(rf.get("/"))
    assert not cache.get("forecast-rate:16666:127.0.0.1")


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (0, "203.0.113.9", "192.0.2.1"),  # anybody can write that header
        (1, "203.0.113.9, 198.51.100.7", "198.51.100.7"),
        (2, "203.0.113.9, 198.51.100.7", "203.0.113.9"),
        (2, "203.0.113.9", "203.0.113.9"),
        (1, "", "192.0.2.1"),
    ],
)
def test_behind_proxies_the_address_is_the_one_they_saw(rf, settings, proxies, forwarded, address):
    settings.PROXIES = proxies
    request = rf.get("/", REMOTE_ADDR="192.0.2.1", HTTP_X_FORWARDED_FOR=forwarded)
    assert limits.client_address(request) == address


def test_a_full_cache_that_forgets_a_count_starts_it_anew(rf, settings, monkeypatch):
    settings.FORECAST_RATE = "1/hour"
    monkeypatch.setattr("weatherapp.forecasts.limits.cache.add", lambda *_args, **_kwargs: False)
    limits.check_rate(rf.get("/"))
    with pytest.raises(TooManyRequests):
        limits.check_rate(rf.get("/"))
