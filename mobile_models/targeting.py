"""Which bundle of a catalog a device takes. Pure: a catalog and a device in, a decision out.

The rule, in order:

1. Releases are looked at from the newest counter down, and never below the counter that the device has.
2. A release whose `conditions` the device does not meet is passed over; so is one that has no bundle for it.
3. A paused release is for the devices that run it, which keep it. An active one is for those, and for devices
   whose bucket is below its share: a share that changes never takes a release from a device that has it.
4. A bundle that is revoked, or that the device is known not to run, is no candidate. A device has only the
   accelerators and the region that it states; what else it does not say does not restrict it.
5. iOS takes Core ML where the release has it, because that runs on the Neural Engine; otherwise, and on
   Android and on the reference phone, TFLite.
6. A lean device (`perf_class` low, or less than 4096 MB and `perf_class` not high) takes the variant that is
   smallest on the wire: int8 or palettized weights. Any other takes the most precise one: fp16.
7. Ties go to the smaller bundle, then to the smaller digest.

`phone/choice.py` is the same rule on the device; both are held to `tests/scenarios/targeting/*.yaml`.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from mobile_models.conditions import parse_conditions
from mobile_models.device import PLATFORMS, Device
from mobile_models.rollout import EVERYONE
from mobile_models.versions import at_least, within

Entry = Mapping[str, Any]
Bucket = Callable[[str], int]
Arm = Literal["exposed", "control"]

FORMATS = {"ios": ("coreml", "tflite"), "android": ("tflite",), "linux": ("tflite",)}
LEAN_BELOW_MB = 4096
# More is closer to the student's own numbers; a precision that is not listed comes last.
PRECISION_RANK = {"fp32": 4, "fp16": 3, "w8a8": 2, "pal4": 1}
SERVER = "server"


@dataclass(frozen=True, slots=True)
class Installed:
    """What a device runs, and the highest counter that it took."""

    release: str
    release_counter: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What a device should do, and why in one sentence.

    `install` says which bundle. `keep` names the release to remember, with the catalog's entry where the
    bundle is in it. `nothing`: there is none, or the installed one is revoked and the device goes back to its
    last good one. `arm` is the side of the newest staged rollout, `rollout_counter`, that the device is on;
    None where none is for it.
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
    """Who asks: the device, its place in rollouts, what it runs and what nobody may run."""

    device: Device
    bucket: Bucket | None
    installed: Installed | None
    revoked: Collection[str]

    def runs_release(self, release: Entry) -> bool:
        return self.installed is not None and self.installed.release_counter == release["release_counter"]

    def is_in_share(self, release: Entry) -> bool:
        share = release["rollout"]
        return self.bucket is None or self.bucket(share["salt"]) < share["basis_points"]


def decide(
    catalog: Mapping[str, Any],
    device: Device,
    *,
    bucket: Bucket | None,
    installed: Installed | None = None,
) -> Decision:
    """What a device should run.

    Args:
        catalog: a valid catalog document of the device's platform.
        device: what it says of itself.
        bucket: its place in 0..9999 for a rollout's salt; None for a server, which does not know it: the
            decision is then that of a device inside every share, and has no arm.
        installed: what it runs, None for nothing.
    """
    asker = _Asker(device, bucket, installed, frozenset(catalog["revoked"]))
    releases = sorted(catalog["releases"], key=lambda release: -release["release_counter"])
    if installed is not None:
        releases = [
            release for release in releases if release["release_counter"] >= installed.release_counter
        ]
    arm, counter = _arm(releases, asker)
    passed: list[str] = []
    for release in releases:
        refusal = _refusal(release, asker)
        if refusal is None:
            return _taken(release, asker, passed, arm, counter)
        passed.append(refusal)
    return _without(asker, passed, arm, counter)


def platforms_of(variant: str, format: str) -> list[str]:  # noqa: A002 - the manifest's own word
    """The platforms that a variant may be offered to; the server's own model is for no phone."""
    if variant.startswith(SERVER):
        return [SERVER]
    return [platform for platform in PLATFORMS if format in FORMATS[platform]]


def precision_of(variant: str) -> str | None:
    """The second word of a variant's name, which decodes: `tflite_w8a8_qat` is w8a8; None if unknown."""
    word = variant.partition("_")[2].split("_")[0]
    return word if word in PRECISION_RANK else None


def is_lean(device: Device) -> bool:
    """Whether the device should get the smallest variant rather than the most precise one."""
    if device.speed != "mid":
        return device.speed == "low"
    return device.ram_mb is not None and device.ram_mb < LEAN_BELOW_MB


def _arm(releases: list[Entry], asker: _Asker) -> tuple[Arm | None, int | None]:
    """The side of the newest staged rollout that is for this device, and its counter."""
    if asker.bucket is None:
        return None, None
    for release in releases:
        staged = release["rollout"]["basis_points"] < EVERYONE
        if staged and _is_eligible(release, asker):
            exposed = asker.runs_release(release) or asker.is_in_share(release)
            return "exposed" if exposed else "control", release["release_counter"]
    return None, None


def _is_eligible(release: Entry, asker: _Asker) -> bool:
    meets = parse_conditions(release["conditions"]).met_by(asker.device)
    return meets and _best(release, asker) is not None


def _refusal(release: Entry, asker: _Asker) -> str | None:
    """Why the device does not take a release; None if it does."""
    name = f"release {release['release']}"
    unmet = parse_conditions(release["conditions"]).unmet_by(asker.device)
    if unmet:
        return f"{name} is for devices that meet {'; '.join(unmet)}"
    if release["state"] == "paused" and not _keeps(release, asker):
        return f"{name} is paused"
    if not asker.runs_release(release) and not asker.is_in_share(release):
        return f"{name} is offered to {_percent(release)} and the device is not among them"
    if _best(release, asker) is None:
        has = ", ".join(sorted(bundle["variant"] for bundle in release["bundles"]))
        return f"{name} has no bundle that runs on it, only {has or 'none for phones'}"
    return None


def _keeps(release: Entry, asker: _Asker) -> bool:
    """Whether the device runs a bundle of this release that nobody revoked."""
    held = asker.installed.sha256 if asker.installed and asker.runs_release(release) else None
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
        size = "smallest" if is_lean(asker.device) else "most precise"
        why = (
            f"release {release['release']} is offered to {_percent(release)}, and {bundle['variant']} is the "
            f"{size} variant in the format that {asker.device.platform} prefers"
        )
    action: Literal["install", "keep"] = "keep" if bundle["sha256"] == held else "install"
    reason = _sentence([*passed, why])
    return Decision(action, release["release"], release["release_counter"], bundle, reason, arm, counter)


def _without(asker: _Asker, passed: list[str], arm: Arm | None, counter: int | None) -> Decision:
    """The decision where no release is taken."""
    installed = asker.installed
    if installed is None:
        why = passed or [f"the channel offers no release for {asker.device.platform}"]
        return Decision("nothing", None, None, None, _sentence(why), arm, counter)
    why = passed or ["the channel offers no newer release"]
    if installed.sha256 in asker.revoked:
        why = [*why, "the installed bundle is revoked: go back to the last good one"]
        return Decision("nothing", None, None, None, _sentence(why), arm, counter)
    kept = _sentence([*why, "what is installed stays"])
    return Decision("keep", installed.release, installed.release_counter, None, kept, arm, counter)


def _best(release: Entry, asker: _Asker) -> Entry | None:
    usable = [
        bundle
        for bundle in release["bundles"]
        if bundle["sha256"] not in asker.revoked and _runs_on(bundle, asker.device)
    ]
    return min(usable, key=lambda bundle: _order(bundle, asker.device), default=None)


def _runs_on(bundle: Entry, device: Device) -> bool:
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
    precise = 0 if is_lean(device) else -PRECISION_RANK.get(bundle["precision"], 0)
    on_the_wire = min([bundle["size"], *(form["size"] for form in bundle["encodings"].values())])
    return preferred, precise, on_the_wire, bundle["sha256"]


def _percent(release: Entry) -> str:
    share: int = release["rollout"]["basis_points"]
    return "everyone" if share == EVERYONE else f"{share / 100:g} %"


def _sentence(parts: list[str]) -> str:
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}."
