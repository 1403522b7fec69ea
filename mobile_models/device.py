"""What a device says about itself, read from a query string. Pure."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from mobile_models.errors import ParameterInvalid
from mobile_models.versions import Version, parse_version

PLATFORMS = {"ios": "iOS", "android": "Android", "linux": "the reference phone"}
PERF_CLASSES = ("low", "mid", "high")
PerfClass = Literal["low", "mid", "high"]
MAX_RAM_MB = 1_048_576
MOST_ITEMS = 20
WHOLE_NUMBER = re.compile(r"[0-9]{1,7}")
REGION = re.compile(r"[A-Z]{2}")
LABEL = re.compile(r"[a-z][a-z0-9_-]{0,39}")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Device:
    """A device. None is what it did not say."""

    platform: str
    os_version: Version | None = None
    app_version: Version | None = None
    ram_mb: int | None = None
    perf_class: PerfClass | None = None
    region: str | None = None
    accelerators: frozenset[str] = frozenset()
    engines: Mapping[str, Version] = field(default_factory=dict)
    contracts: frozenset[int] | None = None

    @property
    def speed(self) -> PerfClass:
        """Its performance class; one that has not measured itself counts as mid."""
        return self.perf_class or "mid"


def parse_device(query: Mapping[str, str]) -> Device:
    """Read a device from query parameters.

    Raises:
        ParameterInvalid: a parameter is missing or malformed; says which, what was given and what is allowed.
    """
    return Device(
        platform=parse_platform(query.get("platform", "")),
        os_version=_optional(_version, "os_version", query.get("os_version")),
        app_version=_optional(_version, "app_version", query.get("app_version")),
        ram_mb=_optional(_ram, "ram_mb", query.get("ram_mb")),
        perf_class=_optional(_perf_class, "perf_class", query.get("perf_class")),
        region=_optional(_region, "region", query.get("region")),
        accelerators=_optional(_labels, "accelerators", query.get("accelerators")) or frozenset(),
        engines=_optional(_engines, "engines", query.get("engines")) or {},
        contracts=_optional(_contracts, "contract", query.get("contract")),
    )


def parse_platform(given: str) -> str:
    """A platform's name.

    Raises:
        ParameterInvalid: missing or unknown; lists the known.
    """
    return _choice("platform", given, tuple(PLATFORMS))


def shown(text: str) -> str:
    """What a caller gave, quoted and cut, as an error repeats it."""
    longest = 60
    return repr(text if len(text) <= longest else text[:longest] + "…")


def _optional(read: Callable[[str, str], T], name: str, given: str | None) -> T | None:
    return None if given is None else read(name, given)


def _choice(name: str, given: str, allowed: tuple[str, ...]) -> str:
    if given not in allowed:
        seen = f"{shown(given)} was given" if given else "it is missing"
        raise ParameterInvalid(f"{name}: {seen}; allowed are {', '.join(allowed)}.")
    return given


def _perf_class(name: str, given: str) -> PerfClass:
    return _choice(name, given, PERF_CLASSES)  # type: ignore[return-value]


def _version(name: str, given: str) -> Version:
    version = parse_version(given)
    if version is None:
        raise ParameterInvalid(
            f"{name}: {shown(given)} was given; allowed are one to four numbers with dots between: 17.4.1."
        )
    return version


def _ram(name: str, given: str) -> int:
    if not WHOLE_NUMBER.fullmatch(given) or not 1 <= int(given) <= MAX_RAM_MB:
        raise ParameterInvalid(
            f"{name}: {shown(given)} was given; allowed are whole mebibytes from 1 to {MAX_RAM_MB}."
        )
    return int(given)


def _region(name: str, given: str) -> str:
    if not REGION.fullmatch(given):
        raise ParameterInvalid(
            f"{name}: {shown(given)} was given; allowed are the two capital letters of ISO 3166-1: DE."
        )
    return given


def _items(name: str, given: str, item: re.Pattern[str], allowed: str) -> list[str]:
    parts = given.split(",")
    if len(parts) > MOST_ITEMS or not all(item.fullmatch(part) for part in parts):
        raise ParameterInvalid(
            f"{name}: {shown(given)} was given; allowed are up to {MOST_ITEMS}, commas between: {allowed}."
        )
    return parts


def _labels(name: str, given: str) -> frozenset[str]:
    return frozenset(_items(name, given, LABEL, "ane,gpu"))


def _contracts(name: str, given: str) -> frozenset[int]:
    return frozenset(int(part) for part in _items(name, given, re.compile("[0-9]{1,6}"), "1,2"))


def _engines(name: str, given: str) -> dict[str, Version]:
    item = re.compile(r"[a-z][a-z0-9_-]{0,39}:[0-9]{1,6}(\.[0-9]{1,6}){0,3}")
    pairs = (part.split(":") for part in _items(name, given, item, "litert:2.1"))
    return {engine: _version(name, version) for engine, version in pairs}
