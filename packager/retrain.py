"""Retraining: a released student learns from newer data, and its bundles cost phones a small patch.

Everything but the student's weights stays as it was released: sizes, normalisation, teacher, scales,
palettes, golden inputs. See `docs/retraining.md`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from packager.bundle import Bundle, open_bundle, patch_size
from packager.contract import Contract
from packager.dataset import Dataset
from packager.dataset.windows import Windows
from packager.errors import GateFailed, PackagerError
from packager.pipeline import Pipeline
from packager.recipes import Recipe, UpdateMode, get_recipe
from packager.stages import EVALUATION_SOURCES, TRAINING_SOURCES, name_cases
from packager.verify.evaluate import GATE_SPLIT, score_artifact
from packager.verify.skill import Scores, skill_loss_percent
from packager.workspace import Stage, Workspace, source_digest

# A retrained variant that forecasts worse than the released one, on the same cases, is no update. Half a
# percent is what quantization alone moves a score by.
MAX_REGRESSION_PERCENT = 0.5
# Cases that teach, cases that choose the epoch, and cases of which the student is to go on saying the same.
LessonWindows = tuple[Windows, Windows, Windows | None]


@dataclass(frozen=True)
class Base:
    """Released bundles by recipe, with the student that they were exported from and its teacher."""

    bundles: Mapping[str, Bundle]
    student: Stage
    teacher: Stage
    references: Stage


def find_base(workspace: Workspace, paths: Sequence[Path]) -> Base:
    """Find the models that released bundles were exported from.

    Args:
        workspace: the folder of stages in which the bundles were built: a bundle has no trainable weights.
        paths: bundles of one release, or folders of them. Those of the server's model are left out.

    Raises:
        PackagerError: no bundle for phones, or the workspace lacks their student or its teacher, or they have
            more than one.
        BundleInvalid: one of them is damaged.
    """
    bases = find_bases(workspace, paths)
    if len(bases) > 1:
        others = sorted(name for base in bases[1:] for name in base.bundles)
        raise PackagerError(
            f"{', '.join(others)} were exported from another student than {next(iter(bases[0].bundles))}. "
            "Give the bundles of one release."
        )
    return bases[0]


def find_bases(workspace: Workspace, paths: Sequence[Path]) -> list[Base]:
    """The same for bundles of several students, as recipes with compression steps make them: one base each.

    Raises:
        PackagerError: no bundle for phones, or the workspace lacks a student or its teacher.
        BundleInvalid: one of them is damaged.
    """
    bundles = [open_bundle(path) for path in _files(paths)]
    chosen = {bundle.manifest["recipe"]["name"]: bundle for bundle in bundles}
    chosen = {name: bundle for name, bundle in chosen.items() if get_recipe(name).for_phones}
    if not chosen:
        named = ", ".join(str(path) for path in paths)
        raise PackagerError(f"{named} holds no bundle for phones; give a .bundle file or a folder of them.")
    made = {name: _stage_of(workspace, bundle) for name, bundle in chosen.items()}
    students = {name: _student(workspace, made[name], bundle) for name, bundle in chosen.items()}
    alike: dict[str, dict[str, Bundle]] = {}
    for name, student in students.items():
        alike.setdefault(student.key, {})[name] = chosen[name]
    return [_base(workspace, group, made, students) for group in alike.values()]


def _base(
    workspace: Workspace,
    bundles: Mapping[str, Bundle],
    made: Mapping[str, Stage],
    students: Mapping[str, Stage],
) -> Base:
    name, bundle = next(iter(bundles.items()))
    teacher = workspace.known("teacher", students[name].inputs["teacher"])
    references = workspace.known("references", made[name].inputs["references"])
    if teacher is None or references is None:
        what = "teacher" if teacher is None else "scored cases"
        raise PackagerError(_missing(workspace, what, bundle))
    return Base(bundles, students[name], teacher, references)


def _files(paths: Sequence[Path]) -> list[Path]:
    return [file for path in paths for file in (sorted(path.glob("*.bundle")) if path.is_dir() else [path])]


def _stage_of(workspace: Workspace, bundle: Bundle) -> Stage:
    for stage in workspace.finished("bundle"):
        if stage.facts["sha256"] == bundle.sha256:
            return stage
    raise PackagerError(_missing(workspace, "student", bundle))


def _student(workspace: Workspace, made: Stage, bundle: Bundle) -> Stage:
    variant = workspace.known("variant", made.inputs["variant"])
    key = variant.inputs["model"] if variant else ""
    steps = (path.name for path in workspace.folder.glob("step-*"))
    for name in ("student", "retrained", "transferred", *steps):
        if student := workspace.known(name, key):
            return student
    raise PackagerError(_missing(workspace, "student", bundle))


def _missing(workspace: Workspace, what: str, bundle: Bundle) -> str:
    return (
        f"{workspace.folder} holds no {what} of {bundle.path.name} ({bundle.sha256[:12]}). Retraining starts "
        "from the weights that were trained, which a bundle does not hold: give --work the folder in which "
        "it was built."
    )


@dataclass(kw_only=True)
class Retraining(Pipeline):
    """The stages from a released student to its successors.

    Attributes:
        base: what was released.
        mode: how much of it may move.
    """

    base: Base
    mode: UpdateMode

    def teacher(self) -> Stage:
        """The teacher of the release: it labels the new days, too."""
        return self.base.teacher

    def references(self) -> Stage:
        """Those of the release: its cases are scored again."""
        return self.base.references

    @cached_property
    def cases(self) -> dict[str, Windows]:
        """The cases on which the released artifacts were run: before and after are compared on the same."""
        return {
            split: same_cases(windows, self.base.references.facts["cases"][split], self.dataset)
            for split, windows in self.held_out.items()
        }

    def compressed(self, recipe: Recipe) -> Stage:
        """The released student after retraining: its steps were done before it was released."""
        return self.student(recipe)

    def student(self, recipe: Recipe) -> Stage:  # noqa: ARG002 - one student for all recipes
        """The released student after retraining."""
        return self._retrained(
            "retrained", lambda: (self.windows("train"), self.windows("early_stopping"), None), {}
        )

    def _retrained(
        self, name: str, lesson: Callable[[], LessonWindows], more_inputs: Mapping[str, Any]
    ) -> Stage:
        """The released student, trained further."""
        from packager.compress.distil import DistilOptions
        from packager.compress.retrain import RetrainOptions, retrain
        from packager.student.training import TrainingOptions

        mode = self.mode
        training = TrainingOptions(
            epochs=mode.epochs, learning_rate=mode.learning_rate, weight_decay=0.0, patience=99
        )
        distil = DistilOptions(hard_share=mode.hard_share, training=training)
        options = RetrainOptions(mode.moved_share, mode.layers, distil, mode.parts)
        inputs = {
            "student": self.base.student.key,
            "teacher": self.base.teacher.key,
            "data": self.data().key,
            "options": options.to_dict(),
            "source": source_digest(*TRAINING_SOURCES, "packager/compress"),
            **more_inputs,
        }

        def make(folder: Path) -> Mapping[str, Any]:
            windows, stopping, kept = lesson()
            facts = retrain(
                student=self.base.student.folder,
                teacher=self.base.teacher.folder,
                windows=windows,
                stopping=stopping,
                kept=kept,
                options=options,
                folder=folder,
                progress=lambda fraction, message: self.progress("student", fraction, message),
            )
            return self._evaluate_model(folder, self.held_out) | facts

        return self._stage(name, inputs, make)

    @property
    def released(self) -> Mapping[str, Bundle]:
        """By recipe, the bundle that the next one replaces."""
        return self.base.bundles

    @property
    def retraining(self) -> str:
        """The name of the mode, as manifests hold it."""
        return self.mode.name

    def update(self, recipe: Recipe) -> dict[str, Any]:
        """Build a recipe's next bundle, and say what it costs a phone and what it gains.

        Returns:
            As `report`, with `patch_bytes`, `patch_percent` of the new bundle's bytes on the wire, and
            `change_percent` of its error against the released artifact's on the same cases: less is better.
        """
        released, figures = self.base.bundles[recipe.name], self.report(recipe)
        if not figures["bundled"]:
            return figures
        path = Path(figures["path"])
        patch = patch_size(released.path, path)
        figures |= {
            "patch_bytes": patch,
            "patch_percent": round(100 * patch / figures["bytes_on_wire"], 2),
            "change_percent": round(self.change_percent(recipe), 3),
        }
        return figures

    def _check_gates(self, recipe: Recipe, bundle: Stage) -> None:
        super()._check_gates(recipe, bundle)
        change = self.change_percent(recipe)
        if not change <= MAX_REGRESSION_PERCENT:
            raise GateFailed(
                f"{recipe.name}: on the same cases it forecasts {change:.2f} % worse than the released one; "
                f"{MAX_REGRESSION_PERCENT} % is allowed. Bring more data, or let fewer weights move."
            )

    def change_percent(self, recipe: Recipe) -> float:
        """Mean over outputs of the new error ÷ the released one − 1, in percent, on unseen stations."""
        facts, contract = self.evaluation(recipe).facts, self.contract
        after = Scores(GATE_SPLIT, facts["scored_cases"][GATE_SPLIT], facts["scores"][GATE_SPLIT])
        return skill_loss_percent(after, self._released_scores(recipe, contract), contract)

    def _released_scores(self, recipe: Recipe, contract: Contract) -> Scores:
        released = self.base.bundles[recipe.name]

        def make(_folder: Path) -> Mapping[str, Any]:
            with TemporaryDirectory(prefix="skyfold-released-") as folder:
                artifact = released.extract(Path(folder))
                scores = score_artifact(artifact, format=released.format, cases=self.cases, contract=contract)
            return {split: score.to_dict() for split, score in scores.items()}

        return Scores.from_dict(
            dict(self._stage("released", self.released_inputs(recipe), make).facts[GATE_SPLIT])
        )

    def released_inputs(self, recipe: Recipe) -> dict[str, Any]:
        """What the scores of the released artifact depend on: the data may have more held-out cases now."""
        return {
            "bundle": self.base.bundles[recipe.name].sha256,
            "data": self.data().key,
            "cases": self.profile.scored_cases,
            "source": source_digest(*EVALUATION_SOURCES),
        }


def same_cases(windows: Windows, named: Sequence[Sequence[Any]], dataset: Dataset) -> Windows:
    """The windows of those names, in their order.

    Raises:
        PackagerError: the dataset no longer has some of them.
    """
    place = {case: index for index, case in enumerate(name_cases(windows, dataset))}
    found = [place[station, hour] for station, hour in named if (station, hour) in place]
    if len(found) < len(named):
        raise PackagerError(
            f"The dataset lacks {len(named) - len(found)} of the {len(named)} held-out cases on which the "
            "release was scored. Retrain on a dataset that has grown, not on another one."
        )
    return windows.take(np.asarray(found))


def recipes_of(base: Base) -> list[Recipe]:
    """The recipes that a retraining builds again."""
    return [get_recipe(name) for name in sorted(base.bundles)]
