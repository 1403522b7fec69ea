"""Run an artifact on held-out cases: its scores, its distance from the student, its speed."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from packager.contract import Contract
from packager.dataset.windows import Windows
from packager.errors import ArtifactRefused
from packager.runtimes import open_runtime
from packager.types import Tensors
from packager.verify.artifact import PRECISIONS
from packager.verify.skill import Scores, score_forecasts, skill_loss_percent

# The skill that gates read: whole stations that no training saw.
GATE_SPLIT = "unseen_station"


@dataclass(frozen=True)
class Evaluation:
    """What running an artifact showed.

    `scores[precision][split]`; `skill_loss_percent` is of the worst precision on `unseen_station`, leads
    1–48 h; `max_abs_difference` per output against the model that was exported, in the output's units, of
    the worst precision and split.
    """

    scores: Mapping[str, Mapping[str, Scores]]
    skill_loss_percent: float
    skill_loss_by_precision: Mapping[str, float]
    max_abs_difference: Mapping[str, float]
    microseconds_per_inference: float | None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; `scores` are those of the first precision, the loss is that of the worst."""
        first = next(iter(self.scores.values()))
        return {
            "scores": {split: scores.values for split, scores in first.items()},
            "scored_cases": {split: scores.cases for split, scores in first.items()},
            "skill_loss_percent": round(self.skill_loss_percent, 3),
            "skill_loss_by_precision": {k: round(v, 3) for k, v in self.skill_loss_by_precision.items()},
            "max_abs_difference": dict(self.max_abs_difference),
            "microseconds_per_inference": self.microseconds_per_inference,
        }


def evaluate_artifact(
    path: Path,
    *,
    format: str,  # noqa: A002 - the manifest's word
    cases: Mapping[str, Windows],
    original: Mapping[str, Tensors],
    reference: Mapping[str, Scores],
    contract: Contract,
) -> Evaluation:
    """Run an artifact in every precision that a device may use.

    Args:
        path: the artifact.
        format: which runtime.
        cases: held-out windows by split.
        original: outputs of the model that was exported, on the same cases, by split.
        reference: the teacher's scores on the same cases, by split.
        contract: inputs and outputs.

    Raises:
        ArtifactRefused: it cannot be run, does not fit the contract, or gives numbers that are not finite.
    """
    scores: dict[str, dict[str, Scores]] = {}
    difference = {spec.name: 0.0 for spec in contract.outputs}
    for precision in PRECISIONS[format]:
        runtime = open_runtime(path, format, precision=precision, contract=contract)
        scores[precision] = {}
        for split, windows in cases.items():
            outputs = runtime.run(windows.inputs)
            _check_finite(outputs, path.name, precision, split)
            scores[precision][split] = score_forecasts(outputs, windows.targets, contract, split=split)
            for name, worst in difference.items():
                difference[name] = max(worst, float(np.max(np.abs(outputs[name] - original[split][name]))))
    losses = {
        precision: skill_loss_percent(by_split[GATE_SPLIT], reference[GATE_SPLIT], contract)
        for precision, by_split in scores.items()
    }
    speed = open_runtime(path, format, contract=contract).microseconds_per_inference(cases[GATE_SPLIT].inputs)
    return Evaluation(
        scores=scores,
        skill_loss_percent=max(losses.values()),
        skill_loss_by_precision=losses,
        max_abs_difference={name: round(value, 6) for name, value in difference.items()},
        microseconds_per_inference=None if speed is None else round(speed, 1),
    )


def score_artifact(
    path: Path,
    *,
    format: str,  # noqa: A002 - the manifest's word
    cases: Mapping[str, Windows],
    contract: Contract,
) -> dict[str, Scores]:
    """Scores of an artifact by split, in the first precision that a device may use: those of manifests."""
    runtime = open_runtime(path, format, precision=PRECISIONS[format][0], contract=contract)
    return {
        split: score_forecasts(runtime.run(windows.inputs), windows.targets, contract, split=split)
        for split, windows in cases.items()
    }


def _check_finite(outputs: Tensors, artifact: str, precision: str, split: str) -> None:
    # Scores leave out what is NaN: an artifact that breaks on the hard cases would look the better for it.
    for name, values in outputs.items():
        broken = int((~np.isfinite(values.reshape(len(values), -1))).any(axis=1).sum())
        if broken:
            raise ArtifactRefused(
                f"{artifact}, run in {precision}, gives {name} that is not finite in {broken} of "
                f"{len(values)} cases of {split}. Keep more of the model in float, or more bits."
            )
