"""Who calls, by network address, and how often: counted in Django's cache."""

import hashlib
import hmac
import ipaddress
import logging
import time
from collections.abc import Mapping

from django.conf import settings
from django.core.cache import cache
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)


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


def seconds_to_wait(scope: str, who: str, most: int, seconds: int) -> int:
    """Count a call, and say how long to wait if it was one too many in this span of time; otherwise 0."""
    now = time.time()
    window = int(now // seconds)
    # Addresses are people's: the cache gets a digest that nobody can turn back without the server's key.
    digest = hmac.new(settings.SECRET_KEY.encode(), f"{scope} {who}".encode(), hashlib.sha256).hexdigest()
    key = f"calls:{scope}:{digest[:32]}:{window}"
    try:
        cache.add(key, 0, timeout=seconds)
        used = cache.incr(key)
    except ValueError:  # the entry was evicted between the two
        return 0
    except RedisError:
        # A broken counter must not stop the service that it protects.
        logger.warning("Calls cannot be counted: the cache does not answer.")
        return 0
    return max(1, int((window + 1) * seconds - now) + 1) if used > most else 0
