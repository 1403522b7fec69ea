"""Scores of several forecasts of the same cases by station, season and lead, side by side."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from packager.contract import Contract
from packager.dataset.windows import Windows
from packager.types import BoolArray, Tensors
from packager.verify.breakdown import by_bucket, by_season, by_station
from packager.verify.skill import case_scores

DIGITS = 5


def scores_by_group(
    forecasts: Mapping[str, Tensors], windows: Windows, stations: Sequence[str], contract: Contract
) -> dict[str, dict[str, Any]]:
    """Mean scores of each source over the cases and leads of each group.

    Each source is scored wherever it forecasts and something was reported; a source that is silent in some
    hours, as persistence after a missing report, is scored on the others.

    Args:
        forecasts: by source, outputs of all cases by contract name; a source may lack some.
        windows: the cases.
        stations: ids by the position that the windows give.
        contract: names and kinds of outputs.

    Returns:
        By kind (`station`, `season`, `lead`) and group: `cases` that have a lead in it, and `scores`, by
        output and source; what could not be scored is left out.
    """
    kinds = {
        "station": by_station(windows, stations),
        "season": by_season(windows),
        "lead": by_bucket(contract.lead_hours),
    }
    scored = {source: case_scores(own, windows.targets, contract) for source, own in forecasts.items()}
    shape = (len(windows), contract.lead_hours)
    found: dict[str, dict[str, Any]] = {}
    for kind, groups in kinds.items():
        found[kind] = {}
        for name, chosen in groups.items():
            inside = np.broadcast_to(chosen, shape)
            if inside.any():
                scores = {spec.name: _means(scored, spec.name, inside) for spec in contract.outputs}
                found[kind][name] = {"cases": int(inside.any(axis=1).sum()), "scores": scores}
    return found


def _means(scored: Mapping[str, Tensors], output: str, inside: BoolArray) -> dict[str, float]:
    means = {}
    for source, scores in scored.items():
        values = scores[output][inside] if output in scores else np.empty(0)
        known = values[np.isfinite(values)]
        if known.size:
            means[source] = round(float(known.mean()), DIGITS)
    return means
