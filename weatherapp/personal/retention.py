"""How long things are kept."""

import logging
from datetime import datetime, timedelta

from django.conf import settings

from weatherapp.personal import learning, services
from weatherapp.personal.models import Device, FeedEntry

logger = logging.getLogger(__name__)
ENTRIES_KEPT = timedelta(days=30)


def forget(*, now: datetime) -> None:
    """Erase devices that were silent for `DEVICE_KEPT_DAYS`, old entries, and reports that were learned."""
    silent = Device.objects.filter(last_seen__lt=now.date() - timedelta(days=settings.DEVICE_KEPT_DAYS))
    devices = list(silent)
    # One at a time: a device is erased whole, and other writers wait for one device only.
    for device in devices:
        services.erase(device=device)
    FeedEntry.objects.filter(created__lt=now - ENTRIES_KEPT).delete()
    learning.forget_old(now=now)
    services.flush_erased()
    logger.info("%d silent devices were erased.", len(devices))
