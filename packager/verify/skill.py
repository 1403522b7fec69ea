"""How good forecasts are: one score per output of the contract, by lead bucket, and what a model loses."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from packager.contract import Contract, Output
from packager.types import FloatArray, Tensors
from weatherapp.core.scores import brier, multi_category_brier, quantile_crps, ranked_probability_score

# First and last lead (h) of each bucket; the last two overlap the others and are what gates read.
LEAD_BUCKETS = {
    "1-6": (1, 6),
    "7-12": (7, 12),
    "13-24": (13, 24),
    "25-48": (25, 48),
    "1-24": (1, 24),
    "1-48": (1, 48),
}
WET_MM = 0.0


@dataclass(frozen=True)
class Scores:
    """Scores of one forecast source on one split.

    `values[score][bucket]` is a mean over cases and leads; a score is named as its output of the contract, or
    `<output>_mae`, `precipitation_probability` for the extra ones. None where nothing could be scored.
    """

    split: str
    cases: int
    values: dict[str, dict[str, float | None]]

    def get(self, score: str, bucket: str = "1-48") -> float:
        """One score.

        Raises:
            KeyError: nothing of that name could be scored.
        """
        value = self.values[score][bucket]
        if value is None:
            raise KeyError(f"{score} has no value over leads {bucket} on {self.split}.")
        return value

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"split": self.split, "cases": self.cases, "values": self.values}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Scores":
        """The inverse of `to_dict`."""
        return cls(values["split"], values["cases"], values["values"])


def metric_of(spec: Output) -> str:
    """What an output is scored with; the name of the score in words."""
    if spec.kind == "quantiles":
        return "CRPS"
    if spec.kind == "probabilities":
        return "RPS" if spec.ordered else "Brier"
    return "MAE" if spec.kind == "median" else "vector error"


def score_forecasts(outputs: Tensors, targets: Tensors, contract: Contract, *, split: str) -> Scores:
    """Score forecasts against what happened.

    Args:
        outputs: by contract name, (case, lead[, level or class]); a source may lack some outputs, or have
            NaN.
        targets: by contract name, (case, lead[, 2]); NaN where nothing was reported; classes as indices.
        contract: names, kinds and levels.
        split: where the cases come from.

    Returns:
        CRPS for quantiles, MAE for medians, vector error for wind, RPS for ordered classes, Brier for the
        others; beside them the MAE of the median of each quantile output, and the Brier score of the
        probability of precipitation.
    """
    cases = len(next(iter(targets.values())))
    values = {name: _by_bucket(errors) for name, errors in case_scores(outputs, targets, contract).items()}
    return Scores(split=split, cases=cases, values=values)


def case_scores(outputs: Tensors, targets: Tensors, contract: Contract) -> dict[str, FloatArray]:
    """The scores before averaging: (case, lead) each, NaN where it cannot be scored."""
    result: dict[str, FloatArray] = {}
    for spec in contract.outputs:
        if spec.name in outputs:
            result |= _score_output(spec, outputs[spec.name].astype(np.float64), targets)
    return result


def skill_loss_percent(
    scores: Scores, reference: Scores, contract: Contract, *, bucket: str = "1-48"
) -> float:
    """Mean over the contract's outputs of score ÷ reference score − 1, in percent; both on the same cases.

    An output that these cases never report counts in neither.

    Raises:
        KeyError: the reference was scored on an output and `scores` was not, or nothing could be scored.
    """
    scored = [
        spec.name for spec in contract.outputs if reference.values.get(spec.name, {}).get(bucket) is not None
    ]
    if not scored:
        raise KeyError(f"No output has a score over leads {bucket} on {reference.split}.")
    ratios = [score_ratio(scores.get(name, bucket), reference.get(name, bucket)) for name in scored]
    return float(100.0 * (np.mean(ratios) - 1.0))


def score_ratio(score: float, reference: float) -> float:
    """Score ÷ reference score; a perfect reference is matched by perfection only."""
    if reference == 0:
        return 1.0 if score == 0 else float("inf")
    return score / reference


def _score_output(spec: Output, forecast: FloatArray, targets: Tensors) -> dict[str, FloatArray]:
    observed = targets[spec.name].astype(np.float64)
    if spec.kind == "probabilities":
        return _score_classes(spec, forecast, observed)
    if spec.kind == "median":
        return {spec.name: np.abs(forecast - observed)}
    if spec.kind == "vector_median":
        return {spec.name: np.hypot(*np.moveaxis(forecast - observed, -1, 0))}
    levels = np.array(spec.levels)
    if spec.name == "precipitation":
        return {spec.name: quantile_crps(forecast, levels, np.where(observed > WET_MM, observed, np.nan))}
    middle = int(np.argmin(np.abs(levels - 0.5)))
    return {
        spec.name: quantile_crps(forecast, levels, observed),
        f"{spec.name}_mae": np.abs(forecast[..., middle] - observed),
    }


def _score_classes(spec: Output, forecast: FloatArray, observed: FloatArray) -> dict[str, FloatArray]:
    if spec.ordered:
        return {spec.name: ranked_probability_score(forecast, observed)}
    scores = {spec.name: multi_category_brier(forecast, observed)}
    if spec.name == "precipitation_type":
        wet = np.where(np.isnan(observed), np.nan, (observed > 0).astype(float))
        scores["precipitation_probability"] = brier(1.0 - forecast[..., 0], wet)
    return scores


def _by_bucket(errors: FloatArray) -> dict[str, float | None]:
    means: dict[str, float | None] = {}
    for bucket, (first, last) in LEAD_BUCKETS.items():
        part = errors[:, first - 1 : last]
        reported = part[~np.isnan(part)]
        means[bucket] = round(float(reported.mean()), 6) if reported.size else None
    return means
