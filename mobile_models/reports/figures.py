"""What a batch says about one device: whether it failed, and what it measured. Pure."""

import itertools
from math import log, sqrt

from mobile_models.reports.schema import Batch

BAD = frozenset({"failed", "refused"})
INSTALLING = frozenset({"verify", "golden", "activate"})
# Typical errors of a day ahead, in the contract's units: errors of different variables become comparable.
SCALES = {
    "temperature": 2.3, "dew_point": 2.0, "pressure_msl": 1.5, "wind_speed": 1.6, "cloud_cover": 0.29,
    "precipitation": 0.5,
}  # fmt: skip
# Logarithms beyond this are broken clocks and empty forecasts, not devices.
BOUND = 3.0


def failures(batch: Batch) -> dict[str, bool]:
    """Per figure that the device gave something for, whether it failed.

    A crash counts whatever the device ran by then: it may have fallen back to the release before. Downloads
    do not: networks fail, and control devices have nothing to download.
    """
    done = {(what.operation, what.outcome) for what in batch.operations}
    operations = {operation for operation, _ in done}
    bad = {operation for operation, outcome in done if outcome in BAD}
    golden = batch.document.get("golden") or {"failed": 0}
    found = {"crash": "crash" in operations}
    if "infer" in operations:
        found["infer"] = "infer" in bad
    if batch.arm == "exposed" and operations & INSTALLING:
        found["install"] = bool(bad & INSTALLING or golden["failed"])
    return found


def measurements(batch: Batch) -> dict[str, float]:
    """Per figure that the device measured, the logarithm of it."""
    found = {}
    latency, skill = batch.document.get("latency"), batch.document.get("skill")
    if latency and any(latency["counts"]):
        found["latency"] = _log_latency(latency["edges"], latency["counts"])
    if skill:
        logs = [_log_error(entry["variable"], entry["mean_abs_error"]) for entry in skill]
        found["skill"] = sum(logs) / len(logs)
    return found


def bin_centres(edges: list[float]) -> list[float]:
    """A typical value of each bin of a histogram, the open ones at its ends too."""
    inner = [sqrt(low * high) for low, high in itertools.pairwise(edges)]
    return [edges[0] / sqrt(2), *inner, edges[-1] * sqrt(2)]


def _log_latency(edges: list[float], counts: list[int]) -> float:
    logs = sum(count * log(centre) for centre, count in zip(bin_centres(edges), counts, strict=True))
    return logs / sum(counts)


def _log_error(variable: str, error: float) -> float:
    relative = error / SCALES[variable]
    return max(-BOUND, min(BOUND, log(relative))) if relative > 0 else -BOUND
