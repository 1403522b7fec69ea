"""Which bundle of a catalog this device takes. Pure: a verified catalog and a device in, a decision out.

The server decides by the same rule where an app asks it (`resolve`); both are held to the same tables,
`tests/scenarios/targeting/*.yaml`, which an app's own port can be held to as well. The rule, in order:

1. Releases are looked at from the newest counter down, and never below the counter that the device has.
2. A release whose `conditions` the device does not meet is passed over; so is one that has no bundle for it.
3. A paused release is for the devices that run it, which keep it. An active one is for those, and for devices
   whose bucket is below its share: a share that changes never takes a release from a device that has it.
4. A bundle that is revoked, or that the device is known not to run, is no candidate. A device has only the
   accelerators and the region that it states; what else it does not say does not restrict it.
5. iOS takes Core ML where the release has it, because that runs on the Neural Engine; otherwise TFLite.
6. A lean device takes the variant that is smallest on the wire; any other takes the most precise one.
7. Ties go to the smaller bundle, then to the smaller digest.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from phone.versions import Version, at_least, within

Entry = Mapping[str, Any]
Arm = Literal["exposed", "control"]
PerfClass = Literal["low", "mid", "high"]

FORMATS = {"ios": ("coreml", "tflite"), "android": ("tflite",), "linux": ("tflite",)}
LEAN_BELOW_MB = 4096
EVERYONE = 10_000
# More is closer to the student's own numbers; a precision that is not listed comes last.
PRECISION_RANK = {"fp32": 4, "fp16": 3, "w8a8": 2, "pal4": 1}


@dataclass(frozen=True, slots=True)
class Device:
    """This device. None is what it does not know of itself."""

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

    @property
    def is_lean(self) -> bool:
        """Whether it should get the smallest variant rather than the most precise one."""
        if self.speed != "mid":
            return self.speed == "low"
        return self.ram_mb is not None and self.ram_mb < LEAN_BELOW_MB


@dataclass(frozen=True, slots=True)
class Installed:
    """What this device runs, and the highest counter that it took."""

    release: str
    release_counter: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do, and why in one sentence.

    `install` says which bundle. `keep` names the release to remember, with the catalog's entry where the
    bundle is in it. `nothing`: there is none, or the installed one is revoked and the device goes back to its
    last good one. `arm` is the side of the newest staged rollout, `rollout_counter`, that the device is on;
    reports carry it.
    """

    action: Literal["install", "keep", "nothing"]
    release: str | None
    release_counter: int | None
    bundle: Entry | None
    reason: str
    arm: Arm | None = None
    rollout_counter: int | None = None


@dataclass(frozen=True, slots=True)
class _Asker:
    device: Device
    bucket: Callable[[str], int]
    installed: Installed | None
    revoked: Collection[str]

    def runs(self, release: Entry) -> bool:
        return self.installed is not None and self.installed.release_counter == release["release_counter"]

    def is_in_share(self, release: Entry) -> bool:
        share = release["rollout"]
        return self.bucket(share["salt"]) < int(share["basis_points"])


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
    asker = _Asker(device, bucket, installed, frozenset(catalog["revoked"]))
    lowest = installed.release_counter if installed else 0
    releases = sorted(
        (release for release in catalog["releases"] if release["release_counter"] >= lowest),
        key=lambda release: -int(release["release_counter"]),
    )
    arm, counter = _arm(releases, asker)
    passed: list[str] = []
    for release in releases:
        refusal = _refusal(release, asker)
        if refusal is None:
            return _taken(release, asker, passed, arm, counter)
        passed.append(refusal)
    return _without(asker, passed, arm, counter)


def _arm(releases: list[Entry], asker: _Asker) -> tuple[Arm | None, int | None]:
    """The side of the newest staged rollout that is for this device, and its counter."""
    for release in releases:
        staged = release["rollout"]["basis_points"] < EVERYONE
        if staged and not unmet(release["conditions"], asker.device) and _best(release, asker):
            exposed = asker.runs(release) or asker.is_in_share(release)
            return "exposed" if exposed else "control", int(release["release_counter"])
    return None, None


def _refusal(release: Entry, asker: _Asker) -> str | None:
    """Why the device does not take a release; None if it does."""
    name = f"release {release['release']}"
    words = unmet(release["conditions"], asker.device)
    if words:
        return f"{name} is for devices that meet {'; '.join(words)}"
    if release["state"] == "paused" and not _keeps(release, asker):
        return f"{name} is paused"
    if not asker.runs(release) and not asker.is_in_share(release):
        return f"{name} is offered to {_percent(release)} and the device is not among them"
    if _best(release, asker) is None:
        has = ", ".join(sorted(bundle["variant"] for bundle in release["bundles"]))
        return f"{name} has no bundle that runs on it, only {has or 'none for phones'}"
    return None


def unmet(conditions: Mapping[str, Any], device: Device) -> list[str]:
    """The words whose conditions a device does not meet, or is not known to meet."""
    wanted = conditions.get
    met = {
        "platforms": not wanted("platforms") or device.platform in conditions["platforms"],
        "os_min, os_max": _inside(device.os_version, wanted("os_min"), wanted("os_max")),
        "app_min, app_max": _inside(device.app_version, wanted("app_min"), wanted("app_max")),
        "ram_min_mb": wanted("ram_min_mb") is None or (device.ram_mb or 0) >= conditions["ram_min_mb"],
        "perf_classes": not wanted("perf_classes") or device.speed in conditions["perf_classes"],
        "regions": not wanted("regions") or device.region in conditions["regions"],
    }
    return [words for words, holds in met.items() if not holds]


def _inside(version: Version | None, lowest: str | None, highest: str | None) -> bool:
    if lowest is None and highest is None:
        return True
    return version is not None and within(version, lowest, highest)


def _keeps(release: Entry, asker: _Asker) -> bool:
    """Whether the device runs a bundle of this release that nobody revoked."""
    held = asker.installed.sha256 if asker.installed and asker.runs(release) else None
    return held not in asker.revoked and any(bundle["sha256"] == held for bundle in release["bundles"])


def _taken(
    release: Entry, asker: _Asker, passed: list[str], arm: Arm | None, counter: int | None
) -> Decision:
    held = asker.installed.sha256 if asker.installed else None
    if release["state"] == "paused":
        bundle = next(bundle for bundle in release["bundles"] if bundle["sha256"] == held)
        why = f"release {release['release']} is paused and the device runs it"
    else:
        bundle = _best(release, asker) or {}
        size = "smallest" if asker.device.is_lean else "most precise"
        why = (
            f"release {release['release']} is offered to {_percent(release)}, and {bundle['variant']} is the "
            f"{size} variant in the format that {asker.device.platform} prefers"
        )
    action: Literal["install", "keep"] = "keep" if bundle["sha256"] == held else "install"
    name, number = str(release["release"]), int(release["release_counter"])
    return Decision(action, name, number, bundle, _sentence([*passed, why]), arm, counter)


def _without(asker: _Asker, passed: list[str], arm: Arm | None, counter: int | None) -> Decision:
    """The decision where no release is taken."""
    installed, why = asker.installed, passed or ["the channel offers no newer release"]
    if installed is None:
        return Decision("nothing", None, None, None, _sentence(why), arm, counter)
    if installed.sha256 in asker.revoked:
        why = [*why, "the installed bundle is revoked: go back to the last good one"]
        return Decision("nothing", None, None, None, _sentence(why), arm, counter)
    kept = _sentence([*why, "what is installed stays"])
    return Decision("keep", installed.release, installed.release_counter, None, kept, arm, counter)


def _best(release: Entry, asker: _Asker) -> Entry | None:
    usable = [
        bundle
        for bundle in release["bundles"]
        if bundle["sha256"] not in asker.revoked and runs_on(bundle, asker.device)
    ]
    return min(usable, key=lambda bundle: _order(bundle, asker.device), default=None)


def runs_on(bundle: Entry, device: Device) -> bool:
    """Whether nothing that the device knows of itself keeps it from running a bundle."""
    app = bundle["app_range"] or {"min": None, "max": None}
    return (
        bundle["format"] in FORMATS[device.platform]
        and (device.os_version is None or within(device.os_version, bundle["os_min"], None))
        and (device.app_version is None or within(device.app_version, app["min"], app["max"]))
        and (device.ram_mb is None or device.ram_mb >= (bundle["ram_min_mb"] or 0))
        and (device.contracts is None or bundle["contract_version"] in device.contracts)
        and (not bundle["perf_class"] or device.speed in bundle["perf_class"])
        and (not bundle["regions"] or device.region in bundle["regions"])
        and set(bundle["accelerators"]) <= device.accelerators
        and all(
            at_least(device.engines[engine], oldest)
            for engine, oldest in bundle["engine_min"].items()
            if engine in device.engines
        )
    )


def _order(bundle: Entry, device: Device) -> tuple[int, int, int, str]:
    preferred = FORMATS[device.platform].index(bundle["format"])
    precise = 0 if device.is_lean else -PRECISION_RANK.get(bundle["precision"], 0)
    on_the_wire = min([bundle["size"], *(form["size"] for form in bundle["encodings"].values())])
    return preferred, precise, on_the_wire, bundle["sha256"]


def _percent(release: Entry) -> str:
    share: int = release["rollout"]["basis_points"]
    return "everyone" if share == EVERYONE else f"{share / 100:g} %"


def _sentence(parts: list[str]) -> str:
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}."
