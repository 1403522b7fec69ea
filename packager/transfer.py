"""Transfer: a released student learns a region, and the bundle for that region costs phones a small patch.

As in a retraining, everything but a few weights stays as it was released. What is measured is the region's
held-out cases, before and after, and what the region's gain costs elsewhere. See `docs/transfer.md`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from packager.bundle import patch_size
from packager.dataset.extra import join_windows
from packager.dataset.region import Region
from packager.dataset.windows import Windows, make_windows
from packager.errors import GateFailed, TrainingFailed
from packager.pipeline import artifact_name
from packager.recipes import Recipe
from packager.retrain import LessonWindows, Retraining
from packager.stages import EVALUATION_SOURCES, SCORED_SPLITS, evenly
from packager.types import BoolArray
from packager.verify.evaluate import score_artifact
from packager.verify.gates import failed_gates
from packager.verify.skill import Scores, skill_loss_percent
from packager.workspace import Stage, source_digest

# Two batches; and so many held-out cases that a percent of skill is more than chance.
LEAST_TRAINING, LEAST_HELD_OUT = 512, 100
INSIDE, OUTSIDE = "region", "elsewhere"


@dataclass(kw_only=True)
class Transfer(Retraining):
    """The stages from a released student to one for a region.

    Attributes:
        region: where it is to forecast better.
    """

    region: Region

    @property
    def place(self) -> Mapping[str, Any]:
        """The region, as manifests hold it."""
        return self.region.to_dict()

    @cached_property
    def lesson(self) -> LessonWindows:
        """The region's training windows, at every init hour, its early-stopping windows, and others to keep.

        Of as many training windows elsewhere the student is to go on saying what it says: a model that only
        learns the region forgets the rest.

        Raises:
            RegionInvalid: no station of the dataset lies in the region.
            TrainingFailed: too few windows to train, to stop or to score.
        """
        stride = self.profile.stride
        parts = [
            self._inside(
                make_windows(self.dataset, self.contract, stride=stride, split="train", offset=offset)
            )
            for offset in range(stride)
        ]
        training, stopping = join_windows(parts), self._inside(self.windows("early_stopping"))
        self._check_counts(len(training), len(stopping))
        others = self.windows("train")
        kept = evenly(others.take(~self._is_inside(others)), len(training))
        return training, stopping, kept if len(kept) else None

    def _check_counts(self, training: int, stopping: int) -> None:
        held_out = len(self.scored[INSIDE])
        if training >= LEAST_TRAINING and stopping and held_out >= LEAST_HELD_OUT:
            return
        raise TrainingFailed(
            f"The region {self.region} has {training} training, {stopping} early-stopping and {held_out} "
            f"held-out windows; at least {LEAST_TRAINING}, 1 and {LEAST_HELD_OUT} are needed. Widen the "
            "region, or bring more of its days: held-out days are the last twelve of some months."
        )

    def _inside(self, windows: Windows) -> Windows:
        return windows.take(self._is_inside(windows))

    def _is_inside(self, windows: Windows) -> BoolArray:
        return np.isin(windows.station, self.region.indexes(self.dataset))

    @cached_property
    def scored(self) -> dict[str, Windows]:
        """Held-out cases that are compared before and after: the region's, by split and together, and others.

        Those elsewhere are evenly spaced, as many of each split as the profile scores.
        """
        cases: dict[str, Windows] = {}
        for split, windows in self.held_out.items():
            inside = self._is_inside(windows)
            cases[f"{INSIDE}_{split}"] = windows.take(inside)
            cases[f"{OUTSIDE}_{split}"] = evenly(windows.take(~inside), self.profile.scored_cases)
        for place in (INSIDE, OUTSIDE):
            cases[place] = join_windows([cases[f"{place}_{split}"] for split in SCORED_SPLITS])
        return {name: windows for name, windows in cases.items() if len(windows)} | {INSIDE: cases[INSIDE]}

    def student(self, recipe: Recipe) -> Stage:  # noqa: ARG002 - one student for all recipes
        """The released student after it learned the region."""
        self.lesson  # noqa: B018 - a region that is too small is refused before anything is trained
        return self._retrained("transferred", lambda: self.lesson, {"region": self.region.to_dict()})

    def update(self, recipe: Recipe) -> dict[str, Any]:
        """Build a recipe's bundle for the region, and say what it costs a phone and what it gains.

        Returns:
            As `report`, with `patch_bytes`, `patch_percent` of the bundle's bytes on the wire, `gain_percent`
            by set of `scored` (above zero is a better forecast than the released one's on the same cases),
            and `cases`, how many there are of each; also where the bundle was refused for its skill.
        """
        figures = self.report(recipe)
        if "bytes_on_wire" not in figures:
            return figures
        patch = patch_size(
            self.base.bundles[recipe.name].path, self.bundle_stage(recipe).folder / f"{recipe.name}.bundle"
        )
        return figures | {
            "patch_bytes": patch,
            "patch_percent": round(100 * patch / figures["bytes_on_wire"], 2),
            "gain_percent": {name: round(gain, 3) for name, gain in self.gains(recipe).items()},
            "cases": {name: len(windows) for name, windows in self.scored.items()},
        }

    def _check_gates(self, recipe: Recipe, bundle: Stage) -> None:
        """The recipe's limit of size, and a gain where the bundle is for; its other limits hold for releases.

        Those are asked of stations everywhere, most of them far from the region.
        """
        wire = bundle.facts["bytes_on_wire"]
        sizes = [
            failure
            for failure in failed_gates(recipe, wire_bytes=wire, skill_loss_percent=0.0)
            if failure.gate.startswith("Size")
        ]
        if sizes:
            raise GateFailed(f"{recipe.name}: {sizes[0]}")
        gain = self.gains(recipe)[INSIDE]
        if not gain > 0:
            raise GateFailed(
                f"{recipe.name}: on the region's {len(self.scored[INSIDE])} held-out cases it forecasts "
                f"{-gain:.2f} % worse than the released one. Let fewer weights move, or bring more of its "
                "days."
            )

    def gains(self, recipe: Recipe) -> dict[str, float]:
        """By set of `scored`: mean over outputs of 1 − new error ÷ released error, in percent."""
        before, after = self._released_by_set(recipe), self._new_by_set(recipe)
        return {
            name: 0.0 - skill_loss_percent(after[name], before[name], self.contract) for name in self.scored
        }

    def _released_by_set(self, recipe: Recipe) -> dict[str, Scores]:
        released = self.base.bundles[recipe.name]
        with TemporaryDirectory(prefix="skyfold-released-") as folder:
            return self._by_set(recipe, f"bundle {released.sha256}", lambda: released.extract(Path(folder)))

    def _new_by_set(self, recipe: Recipe) -> dict[str, Scores]:
        variant = self.variant(recipe)
        return self._by_set(recipe, f"variant {variant.key}", lambda: variant.folder / artifact_name(recipe))

    def _by_set(self, recipe: Recipe, what: str, artifact: Any) -> dict[str, Scores]:
        inputs = {
            "artifact": what,
            "region": self.region.to_dict(),
            "data": self.data().key,
            "cases": self.profile.scored_cases,
            "source": source_digest(*EVALUATION_SOURCES),
        }

        def make(_folder: Path) -> Mapping[str, Any]:
            scores = score_artifact(
                artifact(), format=recipe.export.format, cases=self.scored, contract=self.contract
            )
            return {name: score.to_dict() for name, score in scores.items()}

        facts = self._stage("regional", inputs, make).facts
        return {name: Scores.from_dict(dict(score)) for name, score in facts.items()}
