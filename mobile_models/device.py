"""What a device says about itself, read from a query string. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from mobile_models.errors import ParameterInvalid

Version = tuple[int, ...]

PLATFORMS = {"ios": "iOS", "android": "Android", "linux": "the reference phone"}
PERF_CLASSES = ("low", "mid", "high")
MAX_RAM_MB = 1_048_576
VERSION = re.compile(r"[0-9]{1,6}(\.[0-9]{1,6}){0,3}")
WHOLE_NUMBER = re.compile(r"[0-9]{1,7}")


@dataclass(frozen=True, slots=True)
class Device:
    """A device; what it did not say is None and restricts nothing."""

    platform: str
    os_version: Version | None = None
    app_version: Version | None = None
    ram_mb: int | None = None
    perf_class: Literal["low", "mid", "high"] | None = None


def parse_device(query: Mapping[str, str]) -> Device:
    """Read a device from query parameters.

    Raises:
        ParameterInvalid: a parameter is missing or malformed; says which, what was given and what is allowed.
    """
    return Device(
        platform=_choice("platform", query.get("platform", ""), tuple(PLATFORMS)),
        os_version=_optional_version("os_version", query.get("os_version")),
        app_version=_optional_version("app_version", query.get("app_version")),
        ram_mb=_ram(query.get("ram_mb")),
        perf_class=_perf_class(query.get("perf_class")),
    )


def parse_version(text: str) -> Version | None:
    """`17.4.0` as (17, 4), so that 17.10 is newer than 17.9; None when it is no version."""
    if not VERSION.fullmatch(text):
        return None
    parts = [int(part) for part in text.split(".")]
    while len(parts) > 1 and parts[-1] == 0:
        parts.pop()
    return tuple(parts)


def _choice(field: str, given: str, allowed: tuple[str, ...]) -> str:
    if given not in allowed:
        seen = f"{_shown(given)} was given" if given else "it is missing"
        raise ParameterInvalid(f"{field}: {seen}; allowed are {', '.join(allowed)}.")
    return given


def _perf_class(given: str | None) -> Literal["low", "mid", "high"] | None:
    if given is None:
        return None
    return _choice("perf_class", given, PERF_CLASSES)  # type: ignore[return-value]


def _optional_version(field: str, given: str | None) -> Version | None:
    if given is None:
        return None
    version = parse_version(given)
    if version is None:
        raise ParameterInvalid(
            f"{field}: {_shown(given)} was given; allowed are one to four numbers with dots between: 17.4.1."
        )
    return version


def _ram(given: str | None) -> int | None:
    if given is None:
        return None
    if not WHOLE_NUMBER.fullmatch(given) or not 1 <= int(given) <= MAX_RAM_MB:
        raise ParameterInvalid(
            f"ram_mb: {_shown(given)} was given; allowed are whole mebibytes from 1 to {MAX_RAM_MB}."
        )
    return int(given)


def _shown(text: str) -> str:
    longest = 60
    return repr(text if len(text) <= longest else text[:longest] + "…")
