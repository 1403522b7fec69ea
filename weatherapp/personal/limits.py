"""How often somebody may call, counted in Django's cache; and how much a device may keep."""

from django.conf import settings

from mobile_models.callers import seconds_to_wait
from weatherapp.personal.errors import TooManyCalls

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


def _count(scope: str, who: str, most: int, seconds: int) -> None:
    wait = seconds_to_wait(scope, who, most, seconds)
    if wait:
        unit = "minute" if seconds == MINUTE else "hour"
        raise TooManyCalls(
            f"More than {most} calls ({scope}) in one {unit}. Wait {wait} s, then go on more slowly.",
            wait=wait,
        )
