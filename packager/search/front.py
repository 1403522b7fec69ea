"""Which trials are worth looking at: the front, those inside the limits, and the nearest one outside."""

from collections.abc import Iterable, Sequence
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from packager.search.limits import Limits


def figures_of(trial: FrozenTrial) -> dict[str, Any]:
    """What a finished trial showed, as `Figures.to_dict` has it; empty for others."""
    figures: dict[str, Any] = trial.user_attrs.get("figures", {})
    return figures


def finished(trials: Iterable[FrozenTrial]) -> list[FrozenTrial]:
    """Trials that were built to the end."""
    return [trial for trial in trials if trial.state == TrialState.COMPLETE]


def front(trials: Iterable[FrozenTrial]) -> list[FrozenTrial]:
    """The finished trials that no other one beats in every objective, the smallest first."""
    rows = finished(trials)
    kept = [row for row in rows if not any(_beats(other, row) for other in rows)]
    return sorted(kept, key=lambda row: (row.values[0], row.number))


def inside(trials: Iterable[FrozenTrial], limits: Limits) -> list[FrozenTrial]:
    """The finished trials that keep the limits, the smallest skill loss first; of equals the smaller one."""
    rows = [row for row in finished(trials) if limits.hold(*row.values[:2])]
    return sorted(rows, key=lambda row: (row.values[1], row.values[0], row.number))


def nearest(trials: Iterable[FrozenTrial], limits: Limits) -> FrozenTrial | None:
    """The finished trial that exceeds the limits by the smallest share of them; None where there is none."""

    def excess(row: FrozenTrial) -> float:
        wire, loss = limits.excess(*row.values[:2])
        return max(wire, 0.0) + max(loss, 0.0) / limits.max_skill_loss_percent

    return min(finished(trials), key=excess, default=None)


def _beats(one: FrozenTrial, other: FrozenTrial) -> bool:
    first: Sequence[float] = one.values
    second: Sequence[float] = other.values
    if list(first) == list(second):
        return one.number < other.number
    return all(a <= b for a, b in zip(first, second, strict=True))
