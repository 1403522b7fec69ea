"""The stages in order: dataset → baselines → teacher → student → variant → evaluation → bundle.

Every stage is kept in the workspace under a digest of what it depends on, so that a job that was killed goes on where it
was, and a second recipe for the same student does not train it again.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from packager.contract import Contract, reference_contract
from packager.dataset import (
    Dataset,
    QualityReport,
    load_reference,
    make_windows,
    quality_control,
    read_dataset,
)
from packager.dataset.splits import OPEN, block_of, held_out_indexes
from packager.dataset.windows import Windows
from packager.errors import ArtifactRefused, BundleInvalid, ConversionFailed, GateFailed
from packager.recipes import Profile, Recipe, get_profile, get_recipe
from packager.types import Tensors
from packager.verify.evaluate import evaluate_artifact
from packager.verify.gates import failed_gates
from packager.verify.skill import Scores, score_forecasts
from packager.workspace import Stage, Workspace, source_digest

# (stage, fraction done 0..1, one line about it)
Progress = Callable[[str, float, str], None]
SCORED_SPLITS = ("unseen_station", "unseen_period")
TRAINING_SOURCES = ("packager/dataset", "packager/student", "packager/teacher", "weatherapp/core")
EVALUATION_SOURCES = ("packager/runtimes", "packager/verify", "weatherapp/core/scores.py")
# Where each stage begins and ends in the whole of one build, 0..1; the rest is the variant.
SHARES = {"dataset": (0.0, 0.02), "baselines": (0.02, 0.05), "teacher": (0.05, 0.6), "student": (0.6, 0.85)}


def no_progress(stage: str, fraction: float, message: str) -> None:
    """For callers that do not watch."""


@dataclass
class Pipeline:
    """One profile on one dataset in one workspace; stages are done when asked for.

    Attributes:
        work: folder of finished stages.
        profile: how much training.
        dataset_file: hourly observations; the reference dataset when not given.
        contract: inputs and outputs.
        progress: told what happens.
    """

    work: Path
    profile: Profile
    dataset_file: Path | None = None
    contract: Contract = field(default_factory=reference_contract)
    progress: Progress = no_progress

    @cached_property
    def workspace(self) -> Workspace:
        """Where stages are kept."""
        return Workspace(self.work)

    @cached_property
    def raw_dataset(self) -> Dataset:
        """Rows as the sources have them."""
        return load_reference() if self.dataset_file is None else read_dataset(self.dataset_file)

    @cached_property
    def _checked(self) -> tuple[Dataset, QualityReport]:
        return quality_control(self.raw_dataset)

    @property
    def quality(self) -> QualityReport:
        """What quality control dropped."""
        return self._checked[1]

    @property
    def dataset(self) -> Dataset:
        """Rows after quality control."""
        return self._checked[0]

    def windows(self, split: str, *, stride: int | None = None, offset: int = 0) -> Windows:
        """Cases of a split, made once."""
        key = (split, stride or self.profile.stride, offset)
        if key not in self._windows:
            self._windows[key] = make_windows(
                self.dataset, self.contract, stride=key[1], split=split, offset=offset
            )
        return self._windows[key]

    @cached_property
    def _windows(self) -> dict[tuple[str, int, int], Windows]:
        return {}

    @cached_property
    def held_out(self) -> dict[str, Windows]:
        """All cases of the scored splits, at a stride of three hours whatever the profile trains on."""
        return {split: self.windows(split, stride=3) for split in SCORED_SPLITS}

    @cached_property
    def cases(self) -> dict[str, Windows]:
        """The cases on which every artifact is run: evenly spaced over each scored split."""
        return {split: evenly(windows, self.profile.scored_cases) for split, windows in self.held_out.items()}

    # --- stages -----------------------------------------------------------------------------------------------------------

    def data(self) -> Stage:
        """Quality control and the counts of every split."""
        inputs = {
            "dataset": self.raw_dataset.digest,
            "contract": self.contract.digest,
            "stride": self.profile.stride,
            "source": source_digest("packager/dataset", "weatherapp/core"),
        }

        def make(folder: Path) -> Mapping[str, Any]:
            self.progress("dataset", 0.1, "quality control")
            counts = {
                split: len(self.windows(split)) for split in ("train", "early_stopping", *SCORED_SPLITS)
            }
            return {"rows": len(self.dataset), "quality": self.quality.as_dict(), "windows": counts}

        return self._stage("dataset", inputs, make)

    def baselines(self) -> Stage:
        """Scores of climatology, persistence, same hour yesterday and ridge regression on both scored splits."""
        from packager.teacher import baselines

        inputs = {"data": self.data().key, "source": source_digest(*TRAINING_SOURCES, *EVALUATION_SOURCES)}

        def make(folder: Path) -> Mapping[str, Any]:
            rows = ~np.isin(self.dataset.station, held_out_indexes(self.dataset)) & (
                block_of(self.dataset.hour) == OPEN
            )
            self.progress("baselines", 0.1, "climatology")
            climatology = baselines.Climatology.fit(self.dataset, rows, self.contract)
            self.progress("baselines", 0.5, "ridge regression")
            ridge = baselines.Ridge.fit(self.windows("train"), self.contract)
            forecasts: dict[str, Callable[[Windows], Tensors]] = {
                "climatology": lambda w: climatology.forecast(w, self.contract),
                "persistence": lambda w: baselines.persistence(w.inputs, self.contract),
                "same_hour_yesterday": lambda w: baselines.same_hour_yesterday(w.inputs, self.contract),
                "ridge": lambda w: ridge.forecast(w, self.contract),
            }
            return {
                name: {
                    split: self._score(make_one(windows), windows, split)
                    for split, windows in self.held_out.items()
                }
                for name, make_one in forecasts.items()
            }

        return self._stage("baselines", inputs, make)

    def teacher(self) -> Stage:
        """The server model; each member is a stage of its own, so that a killed job keeps the members it has."""
        from packager.teacher.ensemble import join_members

        members = [self._member(index) for index in range(self.profile.members)]
        inputs = {"members": [m.key for m in members], "source": source_digest(*EVALUATION_SOURCES)}

        def make(folder: Path) -> Mapping[str, Any]:
            self.progress("teacher", 0.9, "scoring")
            options = self._teacher_options()
            join_members([m.folder for m in members], self.contract, self._normalisation(), options, folder)
            return self._evaluate_model(folder, self.held_out) | {"members": [dict(m.facts) for m in members]}

        return self._stage("teacher", inputs, make)

    def student(self, recipe: Recipe) -> Stage:
        """The student of a recipe, distilled from the teacher."""
        from packager.compress.distil import DistilOptions, distil
        from packager.student.lead_decoder import LeadDecoderConfig
        from packager.student.training import TrainingOptions

        teacher = self.teacher()
        sizes = dict(self.profile.student) | dict(recipe.student)
        training = TrainingOptions(
            epochs=self.profile.student_epochs, learning_rate=4e-3, weight_decay=1e-3, patience=99
        )
        options = DistilOptions(training=training, **recipe.distil)
        config = LeadDecoderConfig(**sizes | {"hidden": tuple(sizes["hidden"])})
        inputs = {
            "teacher": teacher.key,
            "config": config.to_dict(),
            "options": options.to_dict(),
            "stride": self.profile.stride,
            "source": source_digest(*TRAINING_SOURCES, "packager/compress"),
        }

        def make(folder: Path) -> Mapping[str, Any]:
            result = distil(
                teacher=teacher.folder,
                windows=self.windows("train"),
                stopping=self.windows("early_stopping"),
                contract=self.contract,
                normalisation=self._normalisation(),
                config=config,
                options=options,
                folder=folder,
                progress=lambda fraction, message: self.progress("student", fraction * 0.95, message),
            )
            return self._evaluate_model(folder, self.held_out) | {
                "early_stopping_loss": result.early_stopping_loss
            }

        return self._stage("student", inputs, make)

    def variant(self, recipe: Recipe) -> Stage:
        """The artifact of a recipe, converted in a process of its own; facts say how its numbers are stored."""
        from packager.export.isolated import ConversionRequest, convert

        model = self.model(recipe)
        inputs = {
            "model": model.key,
            "recipe": recipe.digest,
            "source": source_digest("packager/export", "packager/student"),
        }

        def make(folder: Path) -> Mapping[str, Any]:
            self.progress(recipe.name, 0.1, "converting")
            contract_file, calibration = folder / "contract.json", folder / "calibration.npz"
            contract_file.write_bytes(json_bytes(self.contract.document))
            np.savez(calibration, **evenly(self.windows("train"), 512).inputs)  # type: ignore[arg-type]
            facts = convert(
                ConversionRequest(
                    student=model.folder,
                    contract=contract_file,
                    target=recipe.export.format,
                    output=folder / artifact_name(recipe),
                    options=recipe.export.options,
                    calibration=calibration,
                )
            )
            calibration.unlink()
            return {"quantization": facts}

        return self._stage("variant", inputs, make)

    def evaluation(self, recipe: Recipe) -> Stage:
        """The artifact run on held-out cases."""
        variant = self.variant(recipe)
        inputs = {
            "variant": variant.key,
            "teacher": self.teacher().key,
            "cases": self.profile.scored_cases,
            "source": source_digest(*EVALUATION_SOURCES),
        }

        def make(folder: Path) -> Mapping[str, Any]:
            self.progress(recipe.name, 0.5, "running on held-out cases")
            evaluation = evaluate_artifact(
                variant.folder / artifact_name(recipe),
                format=recipe.export.format,
                cases=self.cases,
                original=self._outputs(self.model(recipe).folder),
                reference={
                    split: score_forecasts(outputs, self.cases[split].targets, self.contract, split=split)
                    for split, outputs in self._outputs(self.teacher().folder).items()
                },
                contract=self.contract,
            )
            return evaluation.to_dict()

        return self._stage("evaluation", inputs, make)

    def bundle(self, recipe: Recipe) -> Stage:
        """The finished archive, `<recipe>.bundle` in the stage's folder, inside the recipe's limits.

        Raises:
            GateFailed: the variant misses a limit of its recipe; names each figure and limit.
        """
        stage = self.bundle_stage(recipe)
        self._check_gates(recipe, stage)
        return stage

    def _check_gates(self, recipe: Recipe, bundle: Stage) -> None:
        loss = self.evaluation(recipe).facts["skill_loss_percent"]
        failures = failed_gates(recipe, wire_bytes=bundle.facts["bytes_on_wire"], skill_loss_percent=loss)
        if failures:
            raise GateFailed(f"{recipe.name}: " + " ".join(str(failure) for failure in failures))

    def bundle_stage(self, recipe: Recipe) -> Stage:
        """The archive before its gates were asked."""
        from packager.bundling import make_bundle

        variant, evaluation = self.variant(recipe), self.evaluation(recipe)
        inputs = {
            "variant": variant.key,
            "evaluation": evaluation.key,
            "source": source_digest("packager/bundle.py", "packager/bundling.py", "packager/archive.py"),
        }

        def make(folder: Path) -> Mapping[str, Any]:
            self.progress(recipe.name, 0.8, "bundling")
            return make_bundle(
                folder / f"{recipe.name}.bundle",
                recipe=recipe,
                artifact=variant.folder / artifact_name(recipe),
                quantization=variant.facts["quantization"],
                # Times differ from run to run, and a bundle's bytes must not.
                evaluation={k: v for k, v in evaluation.facts.items() if k != "microseconds_per_inference"},
                windows=self.held_out["unseen_station"],
                dataset=self.raw_dataset,
                contract=self.contract,
                teacher=self.teacher().key,
            )

        return self._stage("bundle", inputs, make)

    def report(self, recipe: Recipe) -> dict[str, Any]:
        """Build a recipe's bundle and say what came of it; a refusal is a result, not an exception.

        Returns:
            The figures of one variant as `quickstart.json` lists them; `bundled`, and `reason` where it was refused.
        """
        figures: dict[str, Any] = {
            "name": recipe.name,
            "format": recipe.export.format,
            "required": recipe.required,
            "bundled": False,
            "path": None,
            "reason": "",
        }
        try:
            figures |= self.evaluation(recipe).facts
            bundle = self.bundle_stage(recipe)
            figures |= bundle.facts
            self._check_gates(recipe, bundle)
        except (GateFailed, ConversionFailed, ArtifactRefused, BundleInvalid) as error:
            return figures | {"reason": str(error)}
        return figures | {"bundled": True, "path": str(bundle.folder / f"{recipe.name}.bundle")}

    def model(self, recipe: Recipe) -> Stage:
        """The Keras model that a recipe exports."""
        return self.teacher() if recipe.source == "teacher" else self.student(recipe)

    # --- parts ------------------------------------------------------------------------------------------------------------

    def _stage(
        self, name: str, inputs: Mapping[str, Any], make: Callable[[Path], Mapping[str, Any]]
    ) -> Stage:
        stage = self.workspace.stage(name, inputs, make)
        self.finished.append(stage)
        return stage

    @cached_property
    def finished(self) -> list[Stage]:
        """Stages in the order in which they were finished or found; one may be found often."""
        return []

    def _teacher_options(self) -> Any:
        from packager.teacher.ensemble import TeacherOptions

        options = TeacherOptions(members=self.profile.members, **dict(self.profile.teacher))
        return replace(options, training=replace(options.training, epochs=self.profile.teacher_epochs))

    def _member(self, index: int) -> Stage:
        from packager.teacher.ensemble import train_member

        options = self._teacher_options()
        inputs = {
            "data": self.data().key,
            "options": replace(options, members=1).to_dict(),
            "member": index,
            "source": source_digest(*TRAINING_SOURCES),
        }
        share = 0.9 / self.profile.members

        def make(folder: Path) -> Mapping[str, Any]:
            result = train_member(
                index,
                # Each member sees other init times of the same weather.
                windows=self.windows("train", offset=index % self.profile.stride),
                stopping=self.windows("early_stopping"),
                contract=self.contract,
                normalisation=self._normalisation(),
                options=options,
                folder=folder,
                progress=lambda fraction, message: self.progress(
                    "teacher",
                    (index + fraction) * share,
                    f"member {index + 1}/{self.profile.members}: {message}",
                ),
            )
            return {"early_stopping_loss": result.early_stopping_loss, "best_epoch": result.best_epoch}

        return self._stage(f"member-{index}", inputs, make)

    def _normalisation(self) -> Any:
        from packager.student.normalisation import measure_normalisation

        return measure_normalisation(self.windows("train").inputs, self.contract)

    def _score(self, outputs: Tensors, windows: Windows, split: str) -> dict[str, Any]:
        return score_forecasts(outputs, windows.targets, self.contract, split=split).to_dict()

    def _evaluate_model(self, folder: Path, cases: Mapping[str, Windows]) -> dict[str, Any]:
        from packager.student import load_student
        from packager.student.lead_decoder import parameter_count
        from packager.student.training import predict

        model = load_student(folder)
        scores = {split: self._score(predict(model, w.inputs), w, split) for split, w in cases.items()}
        return {"parameters": parameter_count(model), "scores": scores}

    def _outputs(self, folder: Path) -> dict[str, Tensors]:
        """Outputs of a saved model on the scored cases, by split; kept in memory for the recipes that follow."""
        from packager.student import load_student
        from packager.student.training import predict

        if folder not in self._known_outputs:
            model = load_student(folder)
            self._known_outputs[folder] = {split: predict(model, w.inputs) for split, w in self.cases.items()}
        return self._known_outputs[folder]

    @cached_property
    def _known_outputs(self) -> dict[Path, dict[str, Tensors]]:
        return {}


def build_variant(
    recipe_name: str, *, work: Path, progress: Progress = no_progress, profile: str = "demo"
) -> Path:
    """Build one bundle and everything that it needs.

    Returns:
        The archive, in the workspace.

    Raises:
        PackagerError: whichever stage failed says why.
    """
    recipe = get_recipe(recipe_name)

    def of_the_whole(stage: str, fraction: float, message: str) -> None:
        first, last = SHARES.get(stage, (SHARES["student"][1], 1.0))
        progress(stage, first + fraction * (last - first), message)

    pipeline = Pipeline(work, get_profile(profile), progress=of_the_whole)
    return pipeline.bundle(recipe).folder / f"{recipe.name}.bundle"


def artifact_name(recipe: Recipe) -> str:
    """File or folder name of an artifact inside a bundle."""
    return {"tflite": "model.tflite", "coreml": "model.mlpackage"}[recipe.export.format]


def evenly(windows: Windows, count: int) -> Windows:
    """So many cases, evenly spaced; all of them when there are fewer."""
    if len(windows) <= count:
        return windows
    return windows.take(np.linspace(0, len(windows) - 1, count).astype(int))


def json_bytes(document: Any) -> bytes:
    """The canonical bytes of a document."""
    from packager.contract import canonical_json

    return canonical_json(document)


def scores_of(stage: Stage, split: str) -> Scores:
    """The scores that a teacher or student stage keeps."""
    return Scores.from_dict(stage.facts["scores"][split])
