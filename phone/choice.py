"""Which bundle of a catalog this device takes, and whether now. Pure: values in, a decision out.

The server decides with the same rule where it is asked (`resolve`); both are held to the same tables,
`tests/scenarios/targeting/*.yaml`, which an app's own port can be held to as well.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Version = tuple[int, ...]
Entry = Mapping[str, Any]

FORMATS = {"ios": ("coreml", "tflite"), "android": ("tflite",), "linux": ("tflite",)}
LEAN_BELOW_MB = 4096
EVERYONE = 10_000
# More is closer to the student's own numbers; a precision that is not listed comes last.
PRECISION_RANK = {"fp32": 4, "fp16": 3, "w8a8": 2, "pal4": 1}


@dataclass(frozen=True, slots=True)
class Device:
    """This device; what it does not know of itself is None and restricts nothing."""

    platform: str
    os_version: Version | None = None
    app_version: Version | None = None
    ram_mb: int | None = None
    perf_class: Literal["low", "mid", "high"] | None = None
    region: str | None = None
    accelerators: frozenset[str] | None = None
    contracts: frozenset[int] | None = None


@dataclass(frozen=True, slots=True)
class Installed:
    """What runs here now."""

    release: str
    release_counter: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do: install `bundle` (the catalog's entry), keep what runs, or nothing because there is none.

    `arm` is the side of the newest staged rollout that this device is on: reports carry it.
    """

    action: Literal["install", "keep", "nothing"]
    release: str | None
    release_counter: int | None
    bundle: Entry | None
    reason: str
    arm: Literal["exposed", "control"] | None
    rollout_counter: int | None


def decide(
    catalog: Mapping[str, Any],
    device: Device,
    *,
    bucket: Callable[[str], int],
    installed: Installed | None = None,
) -> Decision:
    """Choose from a catalog whose signature was checked.

    Args:
        catalog: of this device's platform and channel.
        device: what is known of it.
        bucket: its place in 0..9999 for a rollout's salt; computed from a secret that never leaves it.
        installed: what runs here now.
    """
    revoked = frozenset(catalog["revoked"])
    releases = sorted(catalog["releases"], key=lambda entry: -int(entry["release_counter"]))
    eligible = [entry for entry in releases if _meets(entry["conditions"], device)]
    arm, counter = _arm(eligible, bucket, installed)
    for entry in eligible:
        if not _taken(entry, bucket, installed):
            continue
        bundle = _best(entry["bundles"], device, revoked)
        if bundle is None:
            continue
        return Decision(*_against(installed, entry, bundle), reason="", arm=arm, rollout_counter=counter)
    return Decision("nothing", None, None, None, "No release is offered to this device.", arm, counter)


def _against(
    installed: Installed | None, entry: Entry, bundle: Entry
) -> tuple[Literal["install", "keep"], str, int, Entry]:
    same = installed is not None and installed.sha256 == bundle["sha256"]
    return "keep" if same else "install", str(entry["release"]), int(entry["release_counter"]), bundle


def _taken(entry: Entry, bucket: Callable[[str], int], installed: Installed | None) -> bool:
    """Who has a release keeps it while the rollout is paused or its share changes."""
    if installed is not None and installed.release_counter == entry["release_counter"]:
        return True
    share = entry["rollout"]
    return bool(entry["state"] == "active" and bucket(share["salt"]) < share["basis_points"])


def _arm(
    eligible: list[Entry], bucket: Callable[[str], int], installed: Installed | None
) -> tuple[Literal["exposed", "control"] | None, int | None]:
    for entry in eligible:
        if entry["rollout"]["basis_points"] < EVERYONE:
            side: Literal["exposed", "control"] = "exposed" if _taken(entry, bucket, installed) else "control"
            return side, int(entry["release_counter"])
    return None, None


def _meets(conditions: Mapping[str, Any], device: Device) -> bool:
    """What a device does not know of itself restricts nothing."""
    ram_min, os_min, app_min = (
        conditions.get("ram_min_mb"),
        conditions.get("os_min"),
        conditions.get("app_min"),
    )
    return (
        _among(device.platform, conditions.get("platforms"))
        and _among(device.perf_class, conditions.get("perf_classes"))
        and _among(device.region, conditions.get("regions"))
        and (ram_min is None or device.ram_mb is None or device.ram_mb >= ram_min)
        and _within(device.os_version, os_min, conditions.get("os_max"))
        and _within(device.app_version, app_min, conditions.get("app_max"))
    )


def _among(value: str | None, allowed: list[str] | None) -> bool:
    return not allowed or value is None or value in allowed


def _within(version: Version | None, lowest: str | None, highest: str | None) -> bool:
    if version is None:
        return True
    return (lowest is None or version >= parse_version(lowest)) and (
        highest is None or version <= parse_version(highest)
    )


def parse_version(text: str) -> Version:
    """`17.4.0` as (17, 4), so that 17.10 is newer than 17.9.

    Raises:
        ValueError: no version.
    """
    parts = [int(part) for part in text.split(".")]
    while len(parts) > 1 and parts[-1] == 0:
        parts.pop()
    return tuple(parts)


def is_lean(device: Device) -> bool:
    """Whether this device should get the smallest variant rather than the most precise one."""
    if device.perf_class is not None and device.perf_class != "mid":
        return device.perf_class == "low"
    return device.ram_mb is not None and device.ram_mb < LEAN_BELOW_MB


def _best(bundles: list[Entry], device: Device, revoked: frozenset[str]) -> Entry | None:
    usable = [entry for entry in bundles if entry["sha256"] not in revoked and _runs(entry, device)]
    return min(usable, key=lambda entry: _order(entry, device), default=None)


def _runs(entry: Entry, device: Device) -> bool:
    if entry["format"] not in FORMATS[device.platform]:
        return False
    app = entry["app_range"] or {}
    needs = frozenset(entry["accelerators"])
    return (
        (device.contracts is None or entry["contract_version"] in device.contracts)
        and _within(device.os_version, entry["os_min"], None)
        and _within(device.app_version, app.get("min"), app.get("max"))
        and (device.ram_mb is None or device.ram_mb >= (entry["ram_min_mb"] or 0))
        and (device.accelerators is None or needs <= device.accelerators)
        and _among(device.region, entry["regions"])
        and _among(device.perf_class, entry["perf_class"])
    )


def _order(entry: Entry, device: Device) -> tuple[int, int, int, str]:
    preferred = FORMATS[device.platform].index(entry["format"])
    precise = 0 if is_lean(device) else -PRECISION_RANK.get(entry["precision"], 0)
    smallest = min([entry["size"], *(form["size"] for form in entry["encodings"].values())])
    return preferred, precise, smallest, entry["sha256"]
