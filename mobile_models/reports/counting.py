"""Count what a batch says: every operation for people, and each device once for the health test."""

from collections import defaultdict
from collections.abc import Mapping
from math import sqrt
from typing import Any

from mobile_models.health.figures import CRASHED_EVER, CRASHES, MEASURED, OUTLIER
from mobile_models.health.services import references
from mobile_models.models import HealthCount, ReportCount, ReportToken, Rollout, TokenClaim
from mobile_models.reports import figures
from mobile_models.reports.adding import add
from mobile_models.reports.schema import Batch

GROUP = ("rollout", "release", "variant", "arm", "platform", "perf_class", "cell")
# A device measures its skill and speed again after so many windows; sooner it would say the same again.
AGAIN = 12
# In a claim, next to what was measured: the window in which a crash was last counted as one of `CRASHES`.
CRASHED = "crashed"

Sums = tuple[float, float, float]


def count_operations(rollout: Rollout, batch: Batch) -> None:
    """Add what was done, how long it took and how good it was to the group's counts. One query."""
    group = (
        rollout.pk, batch.release or "", batch.variant or "", batch.arm or "", batch.platform,
        batch.perf_class, batch.cell,
    )  # fmt: skip
    rows: dict[tuple[Any, ...], Sums] = {
        (*group, done.hour, done.operation, done.outcome): (count, 0.0, 0.0)
        for done, count in batch.operations.items()
    }
    for (operation, outcome), sums in _measured(batch.document).items():
        rows[(*group, batch.hour, operation, outcome)] = sums
    add(
        ReportCount,
        rows,
        keys=(*GROUP, "hour", "operation", "outcome"),
        sums=("count", "total", "squares"),
    )


def count_device(token: ReportToken, rollout: Rollout, batch: Batch, *, window: int) -> None:
    """Let a token speak in the health test: once per window, with one failure per figure.

    However often one device crashes, and however much one forger sends, it is one device.
    """
    claim, first = TokenClaim.objects.get_or_create(
        token=token,
        rollout=rollout,
        defaults={"arm": str(batch.arm), "share": rollout.basis_points, "window": window},
    )
    joined = batch.arm == "exposed" and claim.arm != "exposed"
    if claim.arm == "exposed" and batch.arm != "exposed":
        return  # rollouts only widen: who was exposed stays so
    if joined:
        claim.measured = {}
    said = {
        **_failures(claim, batch, again=first or claim.window != window),
        **_measurements(claim, rollout, batch, window),
    }
    again = _crashes(claim, batch, window)
    claim.arm, claim.share, claim.window = str(batch.arm), rollout.basis_points, window
    claim.save()
    counted: dict[str, Sums] = {metric: (1, value, value**2) for metric, value in said.items()}
    crashed = said.get("crash", 0.0)
    if first or joined or crashed:
        counted[CRASHED_EVER] = (int(first or joined), crashed, crashed)
    if any(again):
        counted[CRASHES] = again
    rows = {
        (rollout.pk, metric, claim.arm, batch.platform, batch.perf_class, batch.cell): sums
        for metric, sums in counted.items()
    }
    add(
        HealthCount,
        rows,
        keys=("rollout", "metric", "arm", "platform", "perf_class", "cell"),
        sums=("count", "total", "squares"),
    )


def _failures(claim: TokenClaim, batch: Batch, *, again: bool) -> dict[str, float]:
    """Which figures count, and whether the device failed in them; notes the failures in the claim."""
    said = {}
    for metric, failed in figures.failures(batch).items():
        if metric in claim.failed or not (failed or again):
            continue
        said[metric] = float(failed)
        if failed:
            claim.failed.append(metric)
    return said


def _crashes(claim: TokenClaim, batch: Batch, window: int) -> Sums:
    """What counts of its crashes: once in `AGAIN` windows, with or without one; notes in the claim when."""
    began = claim.measured.get(CRASHES, window - AGAIN)
    due = window - began >= AGAIN
    began = window if due else began
    crashed = figures.failures(batch)["crash"] and claim.measured.get(CRASHED, began - 1) < began
    claim.measured = claim.measured | {CRASHES: began} | ({CRASHED: window} if crashed else {})
    return float(due), float(crashed), float(crashed)


def _measurements(claim: TokenClaim, rollout: Rollout, batch: Batch, window: int) -> dict[str, float]:
    """What counts of what the device measured, without outliers; notes in the claim when."""
    due = {
        metric: value
        for metric, value in figures.measurements(batch).items()
        if window - claim.measured.get(metric, window - AGAIN) >= AGAIN
    }
    if not due:
        return {}
    claim.measured = claim.measured | dict.fromkeys(due, window)
    known = references(rollout, batch.perf_class)
    for metric in due.keys() & known.keys():
        reference = known[metric]
        reach = OUTLIER * sqrt(reference.scatter / reference.count)
        due[metric] = max(reference.mean - reach, min(reference.mean + reach, due[metric]))
    return {metric: due[metric] for metric in MEASURED if metric in due}


def _measured(document: Mapping[str, Any]) -> dict[tuple[str, str], Sums]:
    """Sums of what was measured, by what stands for operation and outcome in the counts."""
    found: dict[tuple[str, str], Sums] = defaultdict(lambda: (0.0, 0.0, 0.0))
    latency, golden = document.get("latency"), document.get("golden")
    values = [
        ("skill", entry["variable"], entry["count"], entry["mean_abs_error"])
        for entry in document.get("skill") or []
    ]
    if latency:
        centres = figures.bin_centres(latency["edges"])
        values += [("latency", "ms", n, ms) for ms, n in zip(centres, latency["counts"], strict=True) if n]
    if golden:
        passed = golden["cases"] - golden["failed"]
        values += [("golden_case", "ok", passed, 0.0), ("golden_case", "failed", golden["failed"], 0.0)]
    for operation, outcome, count, value in values:
        if count:
            before = found[operation, outcome]
            found[operation, outcome] = (
                before[0] + count,
                before[1] + count * value,
                before[2] + count * value**2,
            )
    return found
