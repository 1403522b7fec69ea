"""Run an artifact on held-out cases: its scores, where it loses, its distance from the student, its cost."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from packager.contract import Contract
from packager.dataset.windows import Windows
from packager.errors import ArtifactRefused
from packager.runtimes import open_runtime
from packager.types import FloatArray, Tensors
from packager.verify.artifact import PRECISIONS
from packager.verify.depth import Depth, look_deeper
from packager.verify.memory import peak_memory_kib
from packager.verify.skill import Scores, score_forecasts, skill_loss_percent

# The skill that gates read: whole stations that no training saw.
GATE_SPLIT = "unseen_station"


# What differs from run to run, or is long: neither belongs into a manifest, which is signed and travels.
NOT_IN_MANIFESTS = ("microseconds_per_inference", "peak_memory_kib", "mean_abs_difference", "depth")


@dataclass(frozen=True)
class Evaluation:
    """What running an artifact showed.

    `scores[precision][split]`; `skill_loss_percent` is of the worst precision on `unseen_station`, leads
    1–48 h; `max_abs_difference` and `mean_abs_difference` per output against the model that was exported, in
    the output's units, of the worst precision and split; `depth` by split, of the worst precision, where the
    loss is.
    """

    scores: Mapping[str, Mapping[str, Scores]]
    skill_loss_percent: float
    skill_loss_by_precision: Mapping[str, float]
    max_abs_difference: Mapping[str, float]
    microseconds_per_inference: float | None
    mean_abs_difference: Mapping[str, float] = field(default_factory=dict)
    depth: Mapping[str, Depth] = field(default_factory=dict)
    peak_memory_kib: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; `scores` are those of the first precision, the loss is that of the worst.

        `loss` holds the most important figures of `depth` on `unseen_station`.
        """
        first = next(iter(self.scores.values()))
        return {
            "scores": {split: scores.values for split, scores in first.items()},
            "scored_cases": {split: scores.cases for split, scores in first.items()},
            "skill_loss_percent": round(self.skill_loss_percent, 3),
            "skill_loss_by_precision": {k: round(v, 3) for k, v in self.skill_loss_by_precision.items()},
            "max_abs_difference": dict(self.max_abs_difference),
            "mean_abs_difference": dict(self.mean_abs_difference),
            "microseconds_per_inference": self.microseconds_per_inference,
            "peak_memory_kib": self.peak_memory_kib,
            "loss": self.depth[GATE_SPLIT].digest(),
            "depth": {split: depth.to_dict() for split, depth in self.depth.items()},
        }


def manifest_figures(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Of an evaluation's facts those that a bundle's manifest holds."""
    return {name: value for name, value in facts.items() if name not in NOT_IN_MANIFESTS}


def evaluate_artifact(
    path: Path,
    *,
    format: str,  # noqa: A002 - the manifest's word
    cases: Mapping[str, Windows],
    original: Mapping[str, Tensors],
    reference: Mapping[str, Tensors],
    stations: Sequence[str],
    contract: Contract,
) -> Evaluation:
    """Run an artifact in every precision that a device may use.

    Args:
        path: the artifact.
        format: which runtime.
        cases: held-out windows by split.
        original: outputs of the model that was exported, on the same cases, by split.
        reference: the teacher's outputs on the same cases, by split.
        stations: ids of the stations, by the position that the windows give.
        contract: inputs and outputs.

    Raises:
        ArtifactRefused: it cannot be run, does not fit the contract, or gives numbers that are not finite.
    """
    outputs = {precision: _run(path, format, precision, cases, contract) for precision in PRECISIONS[format]}
    scores = {precision: _score(by_split, cases, contract) for precision, by_split in outputs.items()}
    taught = _score(reference, cases, contract)
    losses = {
        precision: skill_loss_percent(by_split[GATE_SPLIT], taught[GATE_SPLIT], contract)
        for precision, by_split in scores.items()
    }
    worst = outputs[max(losses, key=lambda precision: losses[precision])]
    speed = open_runtime(path, format, contract=contract).microseconds_per_inference(cases[GATE_SPLIT].inputs)
    return Evaluation(
        scores=scores,
        skill_loss_percent=max(losses.values()),
        skill_loss_by_precision=losses,
        max_abs_difference=_differences(outputs, original, contract, np.max),
        mean_abs_difference=_differences(outputs, original, contract, np.mean),
        microseconds_per_inference=None if speed is None else round(speed, 1),
        depth={
            split: look_deeper(worst[split], reference[split], windows, stations, contract)
            for split, windows in cases.items()
        },
        peak_memory_kib=peak_memory_kib(path, format, contract),
    )


def _run(
    path: Path,
    format: str,  # noqa: A002 - the manifest's word
    precision: str,
    cases: Mapping[str, Windows],
    contract: Contract,
) -> dict[str, Tensors]:
    runtime = open_runtime(path, format, precision=precision, contract=contract)
    outputs = {}
    for split, windows in cases.items():
        outputs[split] = runtime.run(windows.inputs)
        _check_finite(outputs[split], path.name, precision, split)
    return outputs


def _score(
    outputs: Mapping[str, Tensors], cases: Mapping[str, Windows], contract: Contract
) -> dict[str, Scores]:
    return {
        split: score_forecasts(outputs[split], windows.targets, contract, split=split)
        for split, windows in cases.items()
    }


def _differences(
    outputs: Mapping[str, Mapping[str, Tensors]],
    original: Mapping[str, Tensors],
    contract: Contract,
    over: Callable[[FloatArray], Any],
) -> dict[str, float]:
    """Per output the largest over precisions and splits of what `over` makes of the differences."""
    return {
        spec.name: round(
            max(
                float(over(np.abs(values[spec.name] - original[split][spec.name])))
                for by_split in outputs.values()
                for split, values in by_split.items()
            ),
            6,
        )
        for spec in contract.outputs
    }


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
