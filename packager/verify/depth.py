"""One split looked at in depth: where an artifact loses against the teacher, and how sure that is."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from packager.contract import Contract
from packager.dataset.windows import Windows
from packager.types import Tensors
from packager.verify.bootstrap import Interval, loss_interval
from packager.verify.breakdown import (
    break_down,
    by_bucket,
    by_season,
    by_station,
    loss_by_output,
    loss_percent,
    pair_scores,
    worst_group,
)
from packager.verify.extremes import extreme_losses
from packager.verify.reliability import reliability

Groups = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Depth:
    """Losses in percent against the teacher on one split, leads 1–48 h where nothing else is said.

    `stations`, `seasons` and `buckets` are as `break_down` gives them; `outputs` by output; `extremes` by
    kind, None where the split has none; `reliability` as its function gives it, of the artifact and of the
    teacher.
    """

    loss_percent: float | None
    interval: Interval | None
    outputs: Mapping[str, float]
    stations: Groups
    seasons: Groups
    buckets: Groups
    extremes: Mapping[str, float | None]
    reliability: Mapping[str, Mapping[str, Any]]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    def digest(self) -> dict[str, Any]:
        """The few figures that travel in a manifest: interval, worst station and bucket, extremes."""
        return {
            "interval": [self.interval.low, self.interval.high] if self.interval else None,
            "station": list(worst_group(self.stations) or ()),
            "bucket": list(worst_group(self.buckets) or ()),
            "extremes": dict(self.extremes),
        }


def look_deeper(
    outputs: Tensors, teacher: Tensors, windows: Windows, stations: Sequence[str], contract: Contract
) -> Depth:
    """Compare an artifact with its teacher on the cases of one split.

    Args:
        outputs: the artifact's, by contract name.
        teacher: the teacher's on the same cases.
        windows: the cases.
        stations: ids by the position that the windows give.
        contract: inputs and outputs.
    """
    pair = pair_scores(outputs, teacher, windows.targets, contract)
    return Depth(
        loss_percent=loss_percent(pair),
        interval=loss_interval(pair, windows),
        outputs=loss_by_output(pair),
        stations=break_down(pair, by_station(windows, stations)),
        seasons=break_down(pair, by_season(windows)),
        buckets=break_down(pair, by_bucket(contract.lead_hours)),
        extremes=extreme_losses(pair, windows.targets),
        reliability={
            "artifact": reliability(outputs, windows.targets, contract),
            "teacher": reliability(teacher, windows.targets, contract),
        },
    )
