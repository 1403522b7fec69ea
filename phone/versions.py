"""Versions of systems, apps and engines: one to four numbers with dots between. Pure.

A lower limit counts missing numbers as zero: 17 is at least 17.0. An upper limit is compared as far as it
goes: 17.4.1 is at most 17.4 and at most 17, but not at most 17.4.0.
"""

import re

Version = tuple[int, ...]

VERSION = re.compile(r"[0-9]{1,6}(\.[0-9]{1,6}){0,3}")


def parse_version(text: str) -> Version:
    """`17.4.0` as (17, 4), so that 17.10 is newer than 17.9.

    Raises:
        ValueError: no version.
    """
    if not VERSION.fullmatch(text):
        raise ValueError(f"{text[:60]!r} is no version; allowed are one to four numbers with dots: 17.4.1.")
    parts = _numbers(text)
    while len(parts) > 1 and parts[-1] == 0:
        parts = parts[:-1]
    return parts


def within(version: Version, lowest: str | None, highest: str | None) -> bool:
    """Whether a version lies between two limits; None is no limit."""
    return (lowest is None or at_least(version, lowest)) and (highest is None or _at_most(version, highest))


def at_least(version: Version, lowest: str) -> bool:
    """Whether a version is this one or newer."""
    return version >= parse_version(lowest)


def _at_most(version: Version, highest: str) -> bool:
    """Whether a version is not newer than this one, looking at no more numbers than it has."""
    limit = _numbers(highest)
    return version[: len(limit)] <= limit


def _numbers(text: str) -> Version:
    return tuple(int(part) for part in text.split("."))
