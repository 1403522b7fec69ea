"""How rollouts fare, in words and drawings for the pages: selectors first, then what they are said as."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import exp
from typing import Any

from django.db.models import Q, QuerySet, Sum
from django.utils.safestring import SafeString
from django.utils.timesince import timesince, timeuntil
from django.utils.timezone import now

from mobile_models.health.figures import ALL, FIGURES, RATIO
from mobile_models.models import ReportCount, Rollout, RolloutHealth
from mobile_models.plots import line_plot

# An outcome that is the release's fault, if it is anybody's; the others are a device's policy or its network.
FAILED = ("failed", "refused")
# A crash is a failure by being there; an operation that was put off was not tried.
TRIED = ~Q(outcome__in=("deferred", "unchanged"))
HOUR = 3600
ROWS = {ALL: "everything together", RATIO: "which side devices say they are on"}
UNITS = {"skill": ", × the usual one", "latency": ", ms"}
CONDITIONS = {
    "platforms": "platforms", "perf_classes": "performance classes", "os_min": "system from",
    "os_max": "system up to", "app_min": "app from", "app_max": "app up to", "ram_min_mb": "memory from (MB)",
}  # fmt: skip


@dataclass(frozen=True)
class Fares:
    """How a rollout fares: a table of figures, and failures over time."""

    health: Sequence[RolloutHealth]
    lines: Sequence[Mapping[str, Any]]
    plot: SafeString | None
    exposed: float | None
    control: float | None
    reports: int


def hourly(rollouts: Iterable[Rollout]) -> QuerySet[ReportCount, Any]:
    """Tried and failed operations per rollout, side and hour. One query."""
    counted = ReportCount.objects.filter(TRIED, rollout__in=list(rollouts)).exclude(arm="")
    return (
        counted.values("rollout_id", "arm", "hour")
        .annotate(
            tried=Sum("count"),
            failed=Sum("count", filter=Q(outcome__in=FAILED) | Q(operation="crash"), default=0),
        )
        .order_by("hour")
    )


def of_rollouts(rollouts: Sequence[Rollout]) -> dict[int, Fares]:
    """How each fares. Two queries for all of them."""
    counts: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for row in hourly(rollouts):
        counts[row["rollout_id"]].append(row)
    health: dict[int, list[RolloutHealth]] = defaultdict(list)
    for figure in RolloutHealth.objects.filter(rollout__in=rollouts):
        health[figure.rollout_id].append(figure)
    return {rollout.pk: _fares(rollout, counts[rollout.pk], health[rollout.pk]) for rollout in rollouts}


def of_rollout(rollout: Rollout) -> Fares:
    """How one fares."""
    return of_rollouts([rollout])[rollout.pk]


def stage_line(rollout: Rollout) -> str:
    """Where a rollout is in its plan, and what comes when."""
    if rollout.state == Rollout.State.SCHEDULED and rollout.starts_at:
        return f"starts {_when(rollout.starts_at)}"
    stages = rollout.stages
    if not stages:
        return "one stage"
    place = f"stage {rollout.stage + 1} of {len(stages) + 1}"
    if rollout.stage >= len(stages) or rollout.state != Rollout.State.ACTIVE or not rollout.next_stage_at:
        return place
    share = stages[rollout.stage]["basis_points"] / 100
    return f"{place}; {share:g} % {_when(rollout.next_stage_at)}"


def conditions_line(conditions: Mapping[str, Any]) -> str:
    """Which devices a rollout is for."""
    said = [
        f"{CONDITIONS.get(name, name)}: {', '.join(map(str, value)) if isinstance(value, list) else value}"
        for name, value in conditions.items()
    ]
    return "; ".join(said) or "all"


def figure_line(health: RolloutHealth) -> str:
    """What a row of health is about, in words."""
    if figure := FIGURES.get(health.metric):
        return f"{figure.label}{UNITS.get(health.metric, '')}"
    return ROWS.get(health.metric, health.metric.replace("_", " "))


def side_line(side: Mapping[str, Any]) -> str:
    """One side of a health figure: failures of devices, what they measured typically, or how many they are.

    The test works on logarithms of what was measured; people read what these stand for.
    """
    count = side.get("count", 0)
    if not count:
        return "–"
    if "failures" in side:
        return f"{side['failures']:g} of {count:,} ({100 * side['failures'] / count:.2g} %)"
    if "mean" in side:
        return f"{exp(side['mean']):.3g} ×/÷ {exp(side.get('deviation', 0)):.2f} ({count:,})"
    return f"{count:,} devices"


def _fares(rollout: Rollout, counts: list[dict[str, Any]], health: list[RolloutHealth]) -> Fares:
    sides = {arm: [row for row in counts if row["arm"] == arm] for arm in ("exposed", "control")}
    lines = [
        {
            "metric": figure_line(figure),
            "group": figure.group,
            "exposed": side_line(figure.exposed),
            "control": side_line(figure.control),
            "evidence": figure.evidence,
            "decision": figure.decision,
        }
        for figure in health
    ]
    return Fares(
        health=health,
        lines=lines,
        plot=_plot(rollout, sides) if counts else None,
        exposed=_rate(sides["exposed"]),
        control=_rate(sides["control"]),
        reports=sum(row["tried"] for row in counts),
    )


def _rate(rows: Sequence[Mapping[str, Any]]) -> float | None:
    """Failed operations in per cent of those tried."""
    tried = sum(row["tried"] for row in rows)
    return 100 * sum(row["failed"] for row in rows) / tried if tried else None


def _plot(rollout: Rollout, sides: Mapping[str, Sequence[Mapping[str, Any]]]) -> SafeString:
    start = rollout.started
    series = {
        arm: [(_hours(start, row["hour"]), 100 * row["failed"] / row["tried"]) for row in rows]
        for arm, rows in sides.items()
    }
    marks = []
    if rollout.state in {Rollout.State.HALTED, Rollout.State.ROLLED_BACK}:
        marks.append((_hours(start, rollout.state_changed_at), rollout.get_state_display()))
    return line_plot(
        series,
        title=f"Failed operations of {rollout.release}",
        x_label="hours since the rollout started",
        y_label="failed in %",
        marks=marks,
    )


def _hours(start: datetime, moment: datetime) -> float:
    return round((moment - start).total_seconds() / HOUR, 2)


def _when(moment: datetime) -> str:
    if moment <= now():
        return f"due since {timesince(moment, depth=1)}"
    return f"in {timeuntil(moment, depth=1)}"
