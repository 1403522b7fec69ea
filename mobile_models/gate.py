"""The release gate: is a release measurably worse than the one it would follow? Pure.

Each bundle is held against the live one of its variant; else against that of its format and precision; a
variant of which live has neither must be no worse than the live bundle that it comes closest to. A live phone
variant that the release lacks needs, on each of its platforms, another bundle that is no worse.

What is compared are the scores that the packager measured by running the artifact on stations that trained
nothing: errors, so lower is better.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from mobile_models.targeting import SERVER, platforms_of, precision_of

SPLIT = "unseen_station"
OVERALL = "1-48"
# Beside the scores of the contract's outputs stand errors of their medians: the same figures once more.
REPEATED = "_mae"
# Percent, where the live figure is zero: more than any limit, and a number that JSON knows.
FROM_NOTHING = 1e6
# No error of a forecast in the contract's units is as large; what is larger was not measured.
MOST = 1e9


@dataclass(frozen=True, slots=True)
class Limits:
    """How much worse a bundle may be, in percent of the live one's figures."""

    mean_percent: float
    worst_percent: float
    bytes_percent: float


@dataclass(frozen=True, slots=True)
class Measured:
    """What the gate needs to know of a bundle."""

    variant: str
    format: str
    manifest: Mapping[str, Any]
    wire_size: int

    @property
    def kind(self) -> tuple[str, str | None]:
        """Format and precision."""
        return self.format, precision_of(self.variant)

    @property
    def platforms(self) -> list[str]:
        """Whose phones may run it."""
        return platforms_of(self.variant, self.format)

    @property
    def scores(self) -> dict[str, dict[str, float]]:
        """Each score by lead bucket, without those that could not be measured."""
        return {
            name: {bucket: score for bucket, score in _object(buckets).items() if _is_score(score)}
            for name, buckets in _inside(self.manifest, "scores", "scores", SPLIT).items()
            if not name.endswith(REPEATED)
        }

    @property
    def cases(self) -> tuple[Any, Any]:
        """What it was scored on: other cases give other scores by themselves."""
        dataset = _inside(self.manifest, "provenance", "dataset").get("sha256")
        return dataset, _inside(self.manifest, "scores", "scored_cases").get(SPLIT)


@dataclass(frozen=True, slots=True)
class GateResult:
    """Whether a release passes; what was compared by variant, what fails, and what could not be compared."""

    passed: bool
    figures: dict[str, Any] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def judge(candidate: Sequence[Measured], live: Sequence[Measured], limits: Limits) -> GateResult:
    """Hold a release's bundles against the live release's.

    Args:
        candidate: the bundles that would follow.
        live: those that devices and server run now; none for a first release, which passes.
        limits: how much worse they may be.
    """
    if not live:
        return GateResult(True, notes=["No release is live: there is nothing to be worse than."])
    figures: dict[str, Any] = {}
    failures: list[str] = []
    notes: list[str] = []
    for bundle in candidate:
        against, new = _references(bundle, live)
        compared, lacking = _closest(bundle, against)
        failures += lacking + _too_bad(bundle.variant, compared, limits)
        notes += _remarks(bundle.variant, compared, new=new)
        if not new and not bundle.variant.startswith(SERVER):  # which nobody downloads
            failures += _too_large(bundle.variant, compared, limits)
        figures[bundle.variant] = compared
    failures = list(dict.fromkeys(failures + _not_replaced(candidate, live, limits)))
    return GateResult(not failures, figures, failures, notes + _gone(candidate, live))


def _references(bundle: Measured, live: Sequence[Measured]) -> tuple[list[Measured], bool]:
    """What a bundle is held against, and whether it is of a kind that live does not have."""
    same = [other for other in live if other.variant == bundle.variant]
    alike = same or [other for other in live if other.kind == bundle.kind]
    if alike:
        return alike, False
    phones = [other for other in live if not other.variant.startswith(SERVER)]
    return phones or list(live), True


def _closest(bundle: Measured, against: Iterable[Measured]) -> tuple[dict[str, Any], list[str]]:
    """The comparison in which a bundle looks best, and what it lacks in it."""
    compared = [_compare(bundle, other) for other in against]
    return min(compared, key=lambda found: (len(found[1]), found[0]["mean_percent"] or 0.0))


def _compare(bundle: Measured, live: Measured) -> tuple[dict[str, Any], list[str]]:
    changes: dict[str, dict[str, float]] = {}
    lacking = []
    for name, buckets in live.scores.items():
        mine = bundle.scores.get(name, {})
        missing = [bucket for bucket in buckets if bucket not in mine]
        if missing:
            lacking.append(
                f"{bundle.variant} has no score of {name} for leads {', '.join(missing)} h on {SPLIT}; live "
                f"{live.variant} has. Package it again with the evaluation."
            )
        changes[name] = {
            bucket: _percent(mine[bucket], was) for bucket, was in buckets.items() if bucket in mine
        }
    if not bundle.scores:
        lacking.append(f"{bundle.variant} has no scores on {SPLIT}. Package it again with the evaluation.")
    overall = [change[OVERALL] for change in changes.values() if OVERALL in change]
    figures = {
        "against": live.variant,
        "mean_percent": round(sum(overall) / len(overall), 3) if overall else None,
        "changes_percent": changes,
        "bytes": [bundle.wire_size, live.wire_size],
        "bytes_percent": _percent(bundle.wire_size, live.wire_size),
        "same_cases": bundle.cases == live.cases,
    }
    return figures, lacking


def _too_bad(variant: str, compared: Mapping[str, Any], limits: Limits) -> list[str]:
    failures = []
    mean = compared["mean_percent"]
    if mean is not None and mean > limits.mean_percent:
        failures.append(
            f"{variant} is {mean:.1f} % worse than live {compared['against']} in the mean over its outputs; "
            f"allowed is {limits.mean_percent:g} %."
        )
    for name, change in compared["changes_percent"].items():
        bucket = max(change, key=lambda leads: change[leads], default=None)
        if bucket is not None and change[bucket] > limits.worst_percent:
            failures.append(
                f"{variant} forecasts {name} {change[bucket]:.1f} % worse than live {compared['against']} "
                f"for leads {bucket} h; allowed is {limits.worst_percent:g} %."
            )
    return failures


def _too_large(variant: str, compared: Mapping[str, Any], limits: Limits) -> list[str]:
    if compared["bytes_percent"] <= limits.bytes_percent:
        return []
    mine, live = compared["bytes"]
    growth = f"{compared['bytes_percent']:.0f} % more than the {live} of live {compared['against']}"
    return [f"{variant} has {mine} bytes on the wire, {growth}; allowed is {limits.bytes_percent:g} %."]


def _remarks(variant: str, compared: Mapping[str, Any], *, new: bool) -> list[str]:
    live = compared["against"]
    remarks = {
        f"{variant} is new; it was held against {live}.": new,
        f"{variant} and live {live} were scored on different cases.": not compared["same_cases"],
        f"Live {live} has no scores on {SPLIT}.": not compared["changes_percent"],
    }
    return [sentence for sentence, holds in remarks.items() if holds]


def _gone(candidate: Sequence[Measured], live: Sequence[Measured]) -> list[str]:
    kept = {bundle.variant for bundle in candidate}
    gone = sorted(bundle.variant for bundle in live if bundle.variant not in kept)
    return [f"Live has {', '.join(gone)}, which this release lacks."] if gone else []


def _not_replaced(candidate: Sequence[Measured], live: Sequence[Measured], limits: Limits) -> list[str]:
    """What is wrong with what phones would get instead of live variants that the release lacks."""
    kept = {bundle.variant for bundle in candidate}
    lost = [bundle for bundle in live if bundle.variant not in kept and not bundle.variant.startswith(SERVER)]
    failures = []
    for bundle in lost:
        for platform in bundle.platforms:
            instead = [other for other in candidate if platform in other.platforms]
            failures += _replaces(bundle, platform, instead, limits)
    return failures


def _replaces(lost: Measured, platform: str, instead: Sequence[Measured], limits: Limits) -> list[str]:
    """Why none of these is as good for a platform as a bundle that it loses; empty where one is."""
    wrong: list[list[str]] = []
    for bundle in instead:
        compared, lacking = _compare(bundle, lost)
        wrong.append(lacking + _too_bad(bundle.variant, compared, limits))
    missing = f"The release has no bundle for {platform}, which runs live {lost.variant}. Add one."
    return min(wrong or [[missing]], key=len)


def _percent(mine: float, live: float) -> float:
    if live <= 0:
        return 0.0 if mine <= live else FROM_NOTHING
    return round(min(100.0 * (mine / live - 1.0), FROM_NOTHING), 3)


def _inside(value: object, *names: str) -> Mapping[str, Any]:
    """An object within objects; empty where a manifest has something else there."""
    for name in names:
        value = _object(value).get(name)
    return _object(value)


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _is_score(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= MOST
