"""One row per recipe or peer: every figure of it, or why there is none."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from packager.archive import write_atomically
from packager.verify.evaluate import GATE_SPLIT

# Outputs whose largest difference from the exported student has a column.
KEY_OUTPUTS = ("temperature", "wind_speed", "precipitation_type")
PASSED, REFUSED, FAILED = "passed", "refused", "failed"


@dataclass(frozen=True, slots=True)
class Row:
    """What the comparison found of one recipe; None where it was not measured.

    `source` is the model that it starts from: student, teacher, or of a peer one member of the teacher.

    Losses are in percent against the teacher on unseen stations, leads 1–48 h; `skill_loss_low` and
    `skill_loss_high` bound 90 % of the bootstrap's resamples. `bytes` is the archive, `bytes_on_wire` that
    compressed with zstd 19. Differences are from the exported model, in the output's units. `seconds` is what
    its own stages took when they were made, training of its student included. `verdict` is passed, refused
    (a gate) or failed (no artifact), with the `reason`.
    """

    recipe: str
    format: str
    kind: str = "recipe"
    source: str = ""
    tier: str = ""
    bytes: int | None = None
    bytes_on_wire: int | None = None
    skill_loss_percent: float | None = None
    skill_loss_low: float | None = None
    skill_loss_high: float | None = None
    worst_station: str | None = None
    worst_station_loss_percent: float | None = None
    worst_bucket: str | None = None
    worst_bucket_loss_percent: float | None = None
    wind_extreme_loss_percent: float | None = None
    wet_extreme_loss_percent: float | None = None
    frost_loss_percent: float | None = None
    unseen_period_loss_percent: float | None = None
    max_difference_temperature: float | None = None
    max_difference_wind_speed: float | None = None
    max_difference_precipitation_type: float | None = None
    microseconds: float | None = None
    peak_memory_kib: int | None = None
    parameters: int | None = None
    verdict: str = FAILED
    reason: str = ""
    seconds: float | None = None
    summary: str = ""
    buckets: Mapping[str, float] = field(default_factory=dict)

    @property
    def point(self) -> tuple[int, float] | None:
        """Bytes on the wire and skill loss, where both are known."""
        if self.bytes_on_wire is None or self.skill_loss_percent is None:
            return None
        return self.bytes_on_wire, self.skill_loss_percent


# `buckets` is drawn, not listed.
COLUMNS = tuple(item.name for item in fields(Row) if item.name != "buckets")


def figures_of(report: Mapping[str, Any]) -> dict[str, Any]:
    """The figures of a row from what a pipeline reports of a recipe; as many as there are."""
    loss, depth = report.get("loss", {}), report.get("depth", {})
    low, high = loss.get("interval") or (None, None)
    station, bucket = (loss.get(name) or (None, None) for name in ("station", "bucket"))
    extremes, difference = loss.get("extremes", {}), report.get("max_abs_difference", {})
    return {
        "bytes": report.get("bytes"),
        "bytes_on_wire": report.get("bytes_on_wire"),
        "skill_loss_percent": report.get("skill_loss_percent"),
        "skill_loss_low": low,
        "skill_loss_high": high,
        "worst_station": station[0],
        "worst_station_loss_percent": station[1],
        "worst_bucket": bucket[0],
        "worst_bucket_loss_percent": bucket[1],
        "wind_extreme_loss_percent": extremes.get("wind"),
        "wet_extreme_loss_percent": extremes.get("wet"),
        "frost_loss_percent": extremes.get("frost"),
        "unseen_period_loss_percent": depth.get("unseen_period", {}).get("loss_percent"),
        **{f"max_difference_{name}": difference.get(name) for name in KEY_OUTPUTS},
        "microseconds": report.get("microseconds_per_inference"),
        "peak_memory_kib": report.get("peak_memory_kib"),
        "buckets": {
            name: part["loss_percent"] for name, part in depth.get(GATE_SPLIT, {}).get("buckets", {}).items()
        },
    }


def front_of(rows: Sequence[Row]) -> list[Row]:
    """The Pareto front: rows that no other beats in both bytes on the wire and skill loss, by bytes."""
    front: list[Row] = []
    for row in sorted((row for row in rows if row.point), key=lambda row: row.point or ()):
        if not front or (row.point or (0, 0.0))[1] < (front[-1].point or (0, 0.0))[1]:
            front.append(row)
    return front


def write_csv(rows: Sequence[Row], path: Path) -> None:
    """Write all rows, whole or not at all."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        writer.writerow(["" if (value := getattr(row, name)) is None else value for name in COLUMNS])
    write_atomically(path, text.getvalue().encode())
