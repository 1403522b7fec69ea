"""How often one client may ask."""

import time

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest

from weatherapp.core.rates import parse_rate
from weatherapp.forecasts.errors import TooManyRequests


def check_rate(request: HttpRequest) -> None:
    """Count a request of this client.

    Windows are fixed: a client may ask twice the rate around the end of one. The count is kept in Django's
    cache, which by default each process has for itself: several processes need a shared one for an exact
    limit.

    Raises:
        TooManyRequests: the client asked more often than `FORECAST_RATE` allows.
    """
    rate = parse_rate(settings.FORECAST_RATE, "FORECAST_RATE")
    if rate is None:
        return
    most, seconds = rate
    now = int(time.time())
    key = f"forecast-rate:{now // seconds}:{client_address(request)}"
    if _counted(key, seconds) > most:
        wait = seconds - now % seconds
        raise TooManyRequests(
            f"More than {most} requests came from this address in {seconds} seconds. Ask again in {wait} "
            "seconds; several places fit in one request.",
            wait,
        )


def _counted(key: str, seconds: int) -> int:
    cache.add(key, 0, timeout=seconds + 1)
    try:
        return cache.incr(key)
    except ValueError:  # a full cache forgot it meanwhile
        cache.set(key, 1, timeout=seconds + 1)
        return 1


def client_address(request: HttpRequest) -> str:
    """The client's address; behind `PROXIES` proxies the one that the first of them saw."""
    direct = str(request.META.get("REMOTE_ADDR", ""))
    proxies: int = settings.PROXIES
    forwarded = [
        part.strip() for part in request.headers.get("X-Forwarded-For", "").split(",") if part.strip()
    ]
    if not proxies or not forwarded:
        return direct
    return forwarded[-min(proxies, len(forwarded))]
