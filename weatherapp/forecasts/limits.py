"""How often one client may ask."""

import re
import time

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest

from weatherapp.forecasts.errors import TooManyRequests

RATE = re.compile(r"(\d+)/(second|minute|hour|day)")
SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}


def parse_rate(rate: str) -> tuple[int, int] | None:
    """Requests and seconds of a rate such as `600/minute`; None for an empty one, which limits nothing.

    Raises:
        ValueError: not a rate.
    """
    if not rate:
        return None
    match = RATE.fullmatch(rate)
    if not match or not int(match[1]):
        raise ValueError(
            f"FORECAST_RATE is {rate!r}; allowed: a number from 1 and second, minute, hour or day, such as "
            "600/minute, or nothing."
        )
    return int(match[1]), SECONDS[match[2]]


def check_rate(request: HttpRequest) -> None:
    """Count a request of this client.

    Windows are fixed: a client may ask twice the rate around the end of one. The count is kept in Django's
    cache, which by default each process has for itself: several processes need a shared one for an exact
    limit.

    Raises:
        TooManyRequests: the client asked more often than `FORECAST_RATE` allows.
    """
    rate = parse_rate(settings.FORECAST_RATE)
    if rate is None:
        return
    most, seconds = rate
    now = int(time.time())
    key = f"forecast-rate:{now // seconds}:{client_address(request)}"
    cache.add(key, 0, timeout=seconds + 1)
    if cache.incr(key) > most:
        wait = seconds - now % seconds
        raise TooManyRequests(
            f"More than {most} requests came from this address in {seconds} seconds. Ask again in {wait} "
            "seconds; several places fit in one request.",
            wait,
        )


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
