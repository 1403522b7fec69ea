"""Rates such as 600/minute. Pure."""

import re

RATE = re.compile(r"(\d{1,9})/(second|minute|hour|day)")
SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}


def parse_rate(rate: str, name: str) -> tuple[int, int] | None:
    """Read a rate.

    Args:
        rate: a number and a period, or an empty text, which limits nothing.
        name: of the setting, for the error.

    Returns:
        How many in how many seconds; None for no limit.

    Raises:
        ValueError: not a rate.
    """
    if not rate:
        return None
    match = RATE.fullmatch(rate)
    if not match or not int(match[1]):
        raise ValueError(
            f"{name} is {rate!r}; allowed: a number from 1 and second, minute, hour or day, such as "
            "600/minute, or nothing."
        )
    return int(match[1]), SECONDS[match[2]]
