"""Report batches of simulated devices, as a phone would send them. Pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from mobile_models.device import PERF_CLASSES
from mobile_models.fleet.devices import ERRORS, PLATFORMS, Fleet, Hour

EDGES = [1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0, 48.0]
RUNS = 12


def cell_name(number: int) -> str:
    """A cell of the contiguous United States, one per number below 100."""
    return f"N{30 + number // 10:02}W{80 + number % 10 * 3:03}"


def document(
    fleet: Fleet,
    hour: Hour,
    index: int,
    *,
    sent_at: datetime,
    channel: str,
    releases: Mapping[bool, Mapping[str, Any]],
) -> dict[str, Any]:
    """The batch of one device.

    Args:
        fleet: whose device it is.
        hour: what its devices say.
        index: which of them.
        sent_at: now.
        channel: of the rollout.
        releases: `release`, `release_counter` and `variant` of what a device runs that is exposed (True), and
            that is not; the exposed one's counter is the rollout's.
    """
    device, exposed = int(hour.device[index]), bool(hour.exposed[index])
    time = sent_at.isoformat()
    done = [("check", "ok", 1), ("infer", "ok", RUNS)]
    if exposed:
        done += [(operation, "ok", 1) for operation in ("download", "verify", "golden", "activate")]
    if hour.infer_failed[index]:
        done.append(("infer", "failed", 1))
    if hour.crashed[index]:
        done.append(("crash", "failed", 1))
    counts = [0] * (len(EDGES) + 1)
    counts[sum(edge <= hour.milliseconds[index] for edge in EDGES)] = RUNS
    return {
        "batch_id": str(UUID(bytes=fleet.rng.bytes(16), version=4)),
        "sent_at": time,
        "channel": channel,
        "platform": PLATFORMS[fleet.platform[device]],
        **releases[exposed],
        "arm": "exposed" if exposed else "control",
        "rollout_counter": releases[True]["release_counter"],
        "perf_class": PERF_CLASSES[fleet.perf_class[device]],
        "cell": cell_name(int(fleet.cell[device])),
        "operations": [
            {"operation": operation, "outcome": outcome, "count": count, "hour": time}
            for operation, outcome, count in done
        ],
        "latency": {"unit": "ms", "edges": EDGES, "counts": counts},
        "skill": [
            {"variable": variable, "count": RUNS, "mean_abs_error": round(float(error), 4)}
            for variable, error in zip(ERRORS, hour.errors[index], strict=True)
        ],
    }
