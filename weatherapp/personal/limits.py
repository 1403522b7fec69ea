"""How often somebody may call, counted in Django's cache; and how much a device may keep."""

import hashlib
import hmac
import ipaddress
import logging
import time
from collections.abc import Mapping

from django.conf import settings
from django.core.cache import cache
from redis.exceptions import RedisError

from weatherapp.personal.errors import TooManyCalls

logger = logging.getLogger(__name__)

MINUTE, HOUR = 60, 3600
PLACES, COMMUTES, RULES = 20, 10, 30
# Reports and votes per device that are kept at a time; older ones live on in what they taught.
REPORTS, VOTES = 3000, 200
BODY_BYTES = 64 * 1024


def count_registration(address: str) -> None:
    """Count a registration from an address.

    Raises:
        TooManyCalls: the address has registered as often as it may this hour.
    """
    _count("registration", address, settings.DEVICE_REGISTRATIONS_PER_HOUR, HOUR)


def count_address(address: str) -> None:
    """Count a call from an address, whoever it says it is.

    Raises:
        TooManyCalls: too many this minute.
    """
    _count("address", address, settings.ADDRESS_CALLS_PER_MINUTE, MINUTE)


def count_device(device_id: str) -> None:
    """Count a call of a device.

    Raises:
        TooManyCalls: too many this minute.
    """
    _count("device", device_id, settings.DEVICE_CALLS_PER_MINUTE, MINUTE)


def caller(meta: Mapping[str, str]) -> str:
    """Who calls, by network address: behind `PROXIES` proxies, what the outermost of them saw.

    An IPv6 caller has a whole /64 to call from, which counts as one.
    """
    text = meta.get("REMOTE_ADDR", "")
    seen = [part.strip() for part in meta.get("HTTP_X_FORWARDED_FOR", "").split(",") if part.strip()]
    if settings.PROXIES and seen:
        text = seen[-min(settings.PROXIES, len(seen))]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return text[:80]
    return str(ipaddress.ip_network(f"{address}/64", strict=False)) if address.version == 6 else str(address)


def _count(scope: str, who: str, most: int, seconds: int) -> None:
    now = time.time()
    window = int(now // seconds)
    # Addresses are people's: the cache gets a digest that nobody can turn back without the server's key.
    digest = hmac.new(settings.SECRET_KEY.encode(), f"{scope} {who}".encode(), hashlib.sha256).hexdigest()
    key = f"calls:{scope}:{digest[:32]}:{window}"
    try:
        cache.add(key, 0, timeout=seconds)
        used = cache.incr(key)
    except ValueError:  # the entry was evicted between the two
        return
    except RedisError:
        # A broken counter must not stop the service that it protects.
        logger.warning("Calls cannot be counted: the cache does not answer.")
        return
    if used > most:
        wait = max(1, int((window + 1) * seconds - now) + 1)
        unit = "minute" if seconds == MINUTE else "hour"
        raise TooManyCalls(
            f"More than {most} calls ({scope}) in one {unit}. Wait {wait} s, then go on more slowly.",
            wait=wait,
        )
