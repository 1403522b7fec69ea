"""Which devices a rollout is for: groups by platform, versions, memory, speed and region. Pure.

A condition holds for devices that are known to meet it: one that does not say its memory is in no group of
devices with much of it, and gets what everyone gets. One that has not measured its speed counts as `mid`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mobile_models.device import MAX_RAM_MB, PERF_CLASSES, PLATFORMS, REGION, Device, shown
from mobile_models.errors import ParameterInvalid
from mobile_models.versions import Version, at_most, parse_version, within

MOST_REGIONS = 300


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a device must meet; None and the empty tuple restrict nothing."""

    platforms: tuple[str, ...] = ()
    os_min: str | None = None
    os_max: str | None = None
    app_min: str | None = None
    app_max: str | None = None
    ram_min_mb: int | None = None
    perf_classes: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()

    def met_by(self, device: Device) -> bool:
        """Whether a device belongs to the group."""
        return not self.unmet_by(device)

    def unmet_by(self, device: Device) -> list[str]:
        """The words whose conditions a device does not meet, or is not known to meet."""
        met = {
            "platforms": not self.platforms or device.platform in self.platforms,
            "os_min, os_max": _inside(device.os_version, self.os_min, self.os_max),
            "app_min, app_max": _inside(device.app_version, self.app_min, self.app_max),
            "ram_min_mb": self.ram_min_mb is None or (device.ram_mb or 0) >= self.ram_min_mb,
            "perf_classes": not self.perf_classes or device.speed in self.perf_classes,
            "regions": not self.regions or device.region in self.regions,
        }
        return [words for words, holds in met.items() if not holds]

    def document(self) -> dict[str, Any]:
        """Only what is restricted, as catalogs and rows hold it."""
        held = {name: getattr(self, name) for name in READERS}
        return {
            name: list(value) if isinstance(value, tuple) else value for name, value in held.items() if value
        }

    def overlaps(self, other: "Conditions") -> bool:
        """Whether a device could meet both; decides which rollouts stand in each other's way."""
        return (
            all(
                _share(getattr(self, name), getattr(other, name))
                for name in ("platforms", "perf_classes", "regions")
            )
            and _meet(self.os_min, other.os_max)
            and _meet(other.os_min, self.os_max)
            and _meet(self.app_min, other.app_max)
            and _meet(other.app_min, self.app_max)
        )


def parse_conditions(value: object) -> Conditions:
    """Read conditions from JSON or a form; what is null, an empty text or an empty list restricts nothing.

    Raises:
        ParameterInvalid: names the condition, what was given and what is allowed.
    """
    if not isinstance(value, Mapping):
        raise ParameterInvalid(
            f"conditions: {shown(str(value))} was given; allowed is an object with {', '.join(READERS)}."
        )
    unknown = sorted(str(name) for name in value if name not in READERS)
    if unknown:
        raise ParameterInvalid(
            f"conditions: {', '.join(unknown)[:60]} was given; allowed are {', '.join(READERS)}."
        )
    read = {
        name: READERS[name](f"conditions.{name}", given)
        for name, given in value.items()
        if given not in (None, "", [], ())
    }
    conditions = Conditions(**read)
    _check_order("os", conditions.os_min, conditions.os_max)
    _check_order("app", conditions.app_min, conditions.app_max)
    return conditions


def _inside(version: Version | None, lowest: str | None, highest: str | None) -> bool:
    if lowest is None and highest is None:
        return True
    return version is not None and within(version, lowest, highest)


def _share(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    return not one or not other or not set(one).isdisjoint(other)


def _meet(lowest: str | None, highest: str | None) -> bool:
    return lowest is None or highest is None or at_most(parse_version(lowest) or (), highest)


def _check_order(what: str, lowest: str | None, highest: str | None) -> None:
    if not _meet(lowest, highest):
        raise ParameterInvalid(
            f"conditions.{what}_min: {lowest} was given; allowed is at most {what}_max, which is {highest}."
        )


def _version(name: str, given: object) -> str:
    if not isinstance(given, str) or parse_version(given) is None:
        raise ParameterInvalid(
            f"{name}: {shown(str(given))} was given; allowed is text of one to four numbers with dots: "
            '"17.4".'
        )
    return given


def _ram(name: str, given: object) -> int:
    if not isinstance(given, int) or isinstance(given, bool) or not 1 <= given <= MAX_RAM_MB:
        raise ParameterInvalid(
            f"{name}: {shown(str(given))} was given; allowed are whole mebibytes from 1 to {MAX_RAM_MB}."
        )
    return given


def _some_of(allowed: tuple[str, ...]) -> Callable[[str, object], tuple[str, ...]]:
    def read(name: str, given: object) -> tuple[str, ...]:
        if not isinstance(given, list | tuple) or not all(item in allowed for item in given):
            raise ParameterInvalid(
                f"{name}: {shown(str(given))} was given; allowed is a list of {', '.join(allowed)}."
            )
        return tuple(word for word in allowed if word in given)

    return read


def _regions(name: str, given: object) -> tuple[str, ...]:
    items = [str(item) for item in given] if isinstance(given, list | tuple) else []
    if not 0 < len(items) <= MOST_REGIONS or not all(REGION.fullmatch(item) for item in items):
        raise ParameterInvalid(
            f"{name}: {shown(str(given))} was given; allowed are at most {MOST_REGIONS} regions, each "
            "the two capital letters of ISO 3166-1: DE."
        )
    return tuple(sorted(set(items)))


READERS: dict[str, Callable[[str, object], Any]] = {
    "platforms": _some_of(tuple(PLATFORMS)),
    "os_min": _version,
    "os_max": _version,
    "app_min": _version,
    "app_max": _version,
    "ram_min_mb": _ram,
    "perf_classes": _some_of(PERF_CLASSES),
    "regions": _regions,
}
