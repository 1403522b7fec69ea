"""Where a forecast loses skill against another of the same cases: by output, station, season, lead, extreme.

Pure functions from arrays to plain values: evaluation, comparison and model card read the same figures.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from packager.contract import Contract
from packager.dataset.windows import Windows
from packager.types import BoolArray, FloatArray, Tensors
from packager.verify.skill import LEAD_BUCKETS, case_scores, score_ratio

# Buckets that do not overlap; the worst of them is a figure of its own.
APART = ("1-6", "7-12", "13-24", "25-48")
SEASONS = ("winter", "spring", "summer", "autumn")
DIGITS = 6


@dataclass(frozen=True)
class Paired:
    """Scores of a forecast and of its reference before averaging, by output of the contract: (case, lead).

    NaN in one is NaN in both. An output that nothing could be scored on is left out.
    """

    own: Mapping[str, FloatArray]
    reference: Mapping[str, FloatArray]

    @property
    def shape(self) -> tuple[int, int]:
        """Cases and leads."""
        cases, leads = next(iter(self.own.values())).shape
        return cases, leads


def pair_scores(outputs: Tensors, reference: Tensors, targets: Tensors, contract: Contract) -> Paired:
    """Score two forecasts of the same cases where both can be scored.

    Args:
        outputs: by contract name, (case, lead[, level, class or component]).
        reference: the same of the reference, e.g. the teacher.
        targets: what happened, as `score_forecasts` takes it.
        contract: names, kinds and levels.
    """
    own_scores = case_scores(outputs, targets, contract)
    reference_scores = case_scores(reference, targets, contract)
    own, other = {}, {}
    for spec in contract.outputs:
        both = np.isfinite(own_scores[spec.name]) & np.isfinite(reference_scores[spec.name])
        if both.any():
            own[spec.name] = np.where(both, own_scores[spec.name], np.nan)
            other[spec.name] = np.where(both, reference_scores[spec.name], np.nan)
    return Paired(own, other)


def loss_percent(
    pair: Paired, chosen: BoolArray | None = None, *, outputs: Sequence[str] = ()
) -> float | None:
    """Mean over outputs of score ÷ reference score − 1, in percent, on chosen cases and leads.

    Args:
        pair: scores of both.
        chosen: broadcasts to (case, lead); everything when not given.
        outputs: only these; all when empty.

    Returns:
        None where nothing chosen could be scored.
    """
    means = _means(pair, chosen)
    ratios = [score_ratio(*means[name]) for name in means if not outputs or name in outputs]
    return round(float(100.0 * (np.mean(ratios) - 1.0)), 4) if ratios else None


def loss_by_output(pair: Paired, chosen: BoolArray | None = None) -> dict[str, float]:
    """The same per output; one that nothing chosen could be scored on is left out."""
    means = _means(pair, chosen)
    return {name: round(100.0 * (score_ratio(*both) - 1.0), 4) for name, both in means.items()}


def break_down(pair: Paired, groups: Mapping[str, BoolArray]) -> dict[str, dict[str, Any]]:
    """Loss and scores of each group of cases or leads.

    Args:
        pair: scores of both.
        groups: by name, what belongs to it; broadcasts to (case, lead).

    Returns:
        By group: `cases`, how many of them have a lead in it; `loss_percent`; `scores` and `reference`, the
        mean scores by output. A group that nothing could be scored on is left out.
    """
    found = {}
    for name, chosen in groups.items():
        loss = loss_percent(pair, chosen)
        if loss is None:
            continue
        means = _means(pair, chosen)
        found[name] = {
            "cases": int(np.broadcast_to(chosen, pair.shape).any(axis=1).sum()),
            "loss_percent": loss,
            "scores": {output: round(own, DIGITS) for output, (own, _) in means.items()},
            "reference": {output: round(other, DIGITS) for output, (_, other) in means.items()},
        }
    return found


def worst_group(groups: Mapping[str, Mapping[str, Any]]) -> tuple[str, float] | None:
    """Name and loss of the group that loses most; None without groups."""
    if not groups:
        return None
    name = max(groups, key=lambda group: groups[group]["loss_percent"])
    return name, float(groups[name]["loss_percent"])


def by_station(windows: Windows, stations: Sequence[str]) -> dict[str, BoolArray]:
    """Cases of each station that has some, (case, 1); `stations` are the ids by position."""
    present = np.unique(windows.station).tolist()
    return {stations[index]: (windows.station == index)[:, None] for index in present}


def by_season(windows: Windows) -> dict[str, BoolArray]:
    """Cases of each meteorological season of the place, by init time, (case, 1).

    Winter is December to February in the north, June to August in the south.
    """
    days = (windows.init_hour // 24).astype("datetime64[D]")
    month = days.astype("datetime64[M]").astype(np.int64) % 12 + 1
    southern = windows.inputs["site"][:, 0] < 0
    season = ((month % 12) // 3 + np.where(southern, 2, 0)) % 4
    return {name: (season == index)[:, None] for index, name in enumerate(SEASONS)}


def by_bucket(lead_hours: int, buckets: Sequence[str] = APART) -> dict[str, BoolArray]:
    """Leads of each bucket, (1, lead)."""
    lead = np.arange(1, lead_hours + 1)[None, :]
    bounds = {name: LEAD_BUCKETS[name] for name in buckets}
    return {name: (first <= lead) & (lead <= last) for name, (first, last) in bounds.items()}


def _means(pair: Paired, chosen: BoolArray | None) -> dict[str, tuple[float, float]]:
    """Mean score and mean reference score by output, where something chosen was scored."""
    means = {}
    for name, own in pair.own.items():
        scored = np.isfinite(own) if chosen is None else np.isfinite(own) & chosen
        if scored.any():
            means[name] = float(own[scored].mean()), float(pair.reference[name][scored].mean())
    return means
