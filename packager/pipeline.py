"""From the server model to bundles, one recipe at a time: student → variant → evaluation → bundle.

A second recipe for the same student does not train it again.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from packager.bundle import Bundle
from packager.contract import canonical_json
from packager.dataset.extra import extra_windows, join_windows
from packager.dataset.known import hide_guidance
from packager.dataset.windows import Windows
from packager.errors import ArtifactRefused, BundleInvalid, ConversionFailed, GateFailed, TeacherRefused
from packager.recipes import Recipe, Step, get_profile, get_recipe
from packager.stages import (
    EVALUATION_SOURCES,
    TRAINING_SOURCES,
    Progress,
    TeacherStages,
    evenly,
    no_progress,
)
from packager.types import Tensors
from packager.verify.evaluate import GATE_SPLIT, evaluate_artifact, manifest_figures
from packager.verify.gates import Failure, Found, failed_gates
from packager.verify.skill import Scores, skill_loss_percent
from packager.workspace import Stage, source_digest

# Where each stage begins and ends in the whole of one build, 0..1; the rest is the variant.
SHARES = {"dataset": (0.0, 0.02), "baselines": (0.02, 0.05), "teacher": (0.05, 0.6), "student": (0.6, 0.85)}

ARTIFACT_NAMES = {
    "tflite": "model.tflite",
    "coreml": "model.mlpackage",
    "onnx": "model.onnx",
    "micro": "model.micro",
}
# What a student is distilled with; the steps share more than each could name.
DISTIL_SOURCES = tuple(
    f"packager/compress/{name}.py" for name in ("distil", "hints", "labels", "lesson", "options", "soft_loss")
)
STEP_SOURCES = ("packager/compress", "packager/export/palette.py")


class Pipeline(TeacherStages):
    """All stages: those that recipes share, and those of each recipe."""

    def student(self, recipe: Recipe) -> Stage:
        """The student of a recipe, distilled from the teacher, before any step of the recipe."""
        from packager.compress.distil import distil
        from packager.student.lead_decoder import LeadDecoderConfig

        teacher = self.teacher()
        sizes = dict(self.profile.student) | dict(recipe.student)
        options = self._distil_options(recipe)
        config = LeadDecoderConfig(**sizes | {"hidden": tuple(sizes["hidden"])})
        inputs = {
            "teacher": teacher.key,
            "config": config.to_dict(),
            "options": options.to_dict(),
            "stride": self.profile.stride,
            "source": source_digest(*TRAINING_SOURCES, *DISTIL_SOURCES),
        }

        def make(folder: Path) -> Mapping[str, Any]:
            result = distil(
                teacher=teacher.folder,
                windows=self._lesson_windows(options.unlabelled),
                stopping=self.windows("early_stopping"),
                contract=self.contract,
                normalisation=self.normalisation,
                config=config,
                options=options,
                folder=folder,
                progress=lambda fraction, message: self.progress("student", fraction * 0.95, message),
            )
            return self._evaluate_model(folder, self.held_out) | {
                "early_stopping_loss": result.early_stopping_loss
            }

        return self._stage("student", inputs, make)

    def compressed(self, recipe: Recipe) -> Stage:
        """The student after the recipe's steps; each step is a stage, shared by recipes that begin alike."""
        from packager.compress.steps import run_step

        stage = self.student(recipe)
        for number, step in enumerate(recipe.steps, start=1):
            before, label = stage, f"{recipe.name} {number}/{len(recipe.steps)}"
            inputs = {
                "student": before.key,
                "step": step.name,
                "options": dict(step.options),
                "teacher": self.teacher().key,
                "source": source_digest(*TRAINING_SOURCES, *STEP_SOURCES),
            }

            def make(
                folder: Path, before: Stage = before, step: Step = step, label: str = label
            ) -> Mapping[str, Any]:
                facts = run_step(
                    step.name,
                    student=before.folder,
                    folder=folder,
                    material=self._material(recipe),
                    options=step.options,
                    progress=lambda fraction, message: self.progress(
                        label, fraction, f"{step.name}: {message}"
                    ),
                )
                return {"step": step.name, "did": facts}

            stage = self._stage(f"step-{step.name.replace('_', '-')}", inputs, make)
        return stage

    def _distil_options(self, recipe: Recipe) -> Any:
        from packager.compress.distil import DistilOptions
        from packager.student.training import TrainingOptions

        options = dict(recipe.distil)
        training = TrainingOptions(
            epochs=options.pop("epochs", self.profile.student_epochs),
            learning_rate=options.pop("learning_rate", 4e-3),
            weight_decay=1e-3,
            patience=99,
        )
        options["hints"] = tuple(options.get("hints", ()))
        return DistilOptions(training=training, **options)

    def _lesson_windows(self, unlabelled: float) -> Windows:
        """The training windows, and a share more that only the teacher labels."""
        windows = self.windows("train")
        if not unlabelled:
            return windows
        extra = extra_windows(
            self.dataset, self.contract, stride=self.profile.stride, count=round(unlabelled * len(windows))
        )
        return windows if extra is None else join_windows([windows, extra])

    def _material(self, recipe: Recipe) -> Any:
        """What the recipe's steps learn from; recipes that distil alike share it, and its labels."""
        from packager.compress.material import Material

        options = self._distil_options(recipe)
        key = canonical_json(options.to_dict() | {"training": {}})
        if key not in self._materials:
            self._materials[key] = Material(
                self.teacher().folder, self.windows, self.contract, self.normalisation, options
            )
        return self._materials[key]

    @cached_property
    def _materials(self) -> dict[bytes, Any]:
        return {}

    def variant(self, recipe: Recipe) -> Stage:
        """The artifact of a recipe, converted in a process of its own.

        Facts say how its numbers are stored.
        """
        from packager.export.isolated import ConversionRequest, convert

        model, released = self.model(recipe), self.released.get(recipe.name)
        inputs = {
            "model": model.key,
            # Not the whole recipe: other limits or another summary make no other artifact.
            "export": recipe.document["export"],
            "frozen": released.sha256 if released else None,
            "source": source_digest("packager/export", "packager/student"),
        }

        def make(folder: Path) -> Mapping[str, Any]:
            self.progress(recipe.name, 0.1, "converting")
            with TemporaryDirectory(prefix="skyfold-conversion-") as name:
                contract_file, calibration = Path(name) / "contract.json", Path(name) / "calibration.npz"
                contract_file.write_bytes(canonical_json(self.contract.document))
                np.savez(calibration, **self._calibration())  # type: ignore[arg-type]
                facts = convert(
                    ConversionRequest(
                        student=model.folder,
                        contract=contract_file,
                        target=recipe.export.format,
                        output=folder / artifact_name(recipe),
                        options=recipe.export.options,
                        calibration=calibration,
                        frozen=released.extract(Path(name)) if released else None,
                    )
                )
            return {"quantization": facts}

        return self._stage("variant", inputs, make)

    @property
    def released(self) -> Mapping[str, Bundle]:
        """By recipe, the bundle whose scales, palettes and golden inputs the next one keeps; here none."""
        return {}

    @property
    def retraining(self) -> str:
        """The mode in which released bundles are retrained; empty where a student is trained from scratch."""
        return ""

    @property
    def place(self) -> Mapping[str, Any]:
        """The region that released bundles are fine-tuned for; empty where it is everywhere."""
        return {}

    def _calibration(self) -> Tensors:
        """Representative cases, a share of them without guidance: ranges must hold for both."""
        return hide_guidance(evenly(self.windows("train"), 512).inputs, np.random.default_rng(1), share=0.5)

    def evaluation(self, recipe: Recipe) -> Stage:
        """The artifact run on held-out cases."""
        variant = self.variant(recipe)
        inputs = {
            "variant": variant.key,
            "teacher": self.teacher().key,
            "cases": self.profile.scored_cases,
            "source": source_digest(*EVALUATION_SOURCES),
        }

        def make(_folder: Path) -> Mapping[str, Any]:
            self.progress(recipe.name, 0.5, "running on held-out cases")
            evaluation = evaluate_artifact(
                variant.folder / artifact_name(recipe),
                format=recipe.export.format,
                cases=self.cases,
                original=self._outputs(self.model(recipe).folder),
                reference=self._outputs(self.teacher().folder),
                stations=[station.id for station in self.dataset.stations],
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
        failures = self._failed_gates(recipe, bundle)
        if failures:
            raise GateFailed(f"{recipe.name}: " + " ".join(str(failure) for failure in failures))

    def _failed_gates(self, recipe: Recipe, bundle: Stage) -> list[Failure]:
        facts = self.evaluation(recipe).facts
        # Only a format with an arena has an exporter that says how large it is.
        said = self.variant(recipe).facts["quantization"] if recipe.gates.max_arena_kib else {}
        found = Found.of(facts, said, GATE_SPLIT)
        figures = {
            "wire_bytes": bundle.facts["bytes_on_wire"],
            "skill_loss_percent": facts["skill_loss_percent"],
        }
        if not failed_gates(recipe, found=found, **figures):
            return []
        # What the student alone lost says whether the steps or the distillation are to blame.
        found = replace(found, student_loss_percent=self.student_loss_percent(recipe))
        return failed_gates(recipe, found=found, **figures)

    def student_loss_percent(self, recipe: Recipe) -> float | None:
        """Skill loss of a recipe's student before any step, on unseen stations; None where it has none."""
        if recipe.source != "student":
            return None
        student, teacher = (
            Scores.from_dict(stage.facts["scores"][GATE_SPLIT])
            for stage in (self.student(recipe), self.teacher())
        )
        return skill_loss_percent(student, teacher, self.contract)

    def bundle_stage(self, recipe: Recipe) -> Stage:
        """The archive before its gates were asked."""
        from packager.bundling import make_bundle

        variant, evaluation, references = self.variant(recipe), self.evaluation(recipe), self.references()
        released = self.released.get(recipe.name)
        inputs = {
            "recipe": recipe.digest,
            "variant": variant.key,
            "evaluation": evaluation.key,
            "references": references.key,
            "source": source_digest("packager/bundle.py", "packager/bundling.py", "packager/archive.py"),
        }

        def make(folder: Path) -> Mapping[str, Any]:
            self.progress(recipe.name, 0.8, "bundling")
            return make_bundle(
                folder / f"{recipe.name}.bundle",
                recipe=recipe,
                artifact=variant.folder / artifact_name(recipe),
                quantization=variant.facts["quantization"],
                evaluation=manifest_figures(evaluation.facts),
                references=references.facts["scores"],
                windows=self.held_out["unseen_station"],
                dataset=self.raw_dataset,
                counts=self.data().facts["windows"],
                contract=self.contract,
                teacher=self.teacher().key,
                released=released,
                mode=self.retraining,
                region=self.place,
            )

        return self._stage("bundle", inputs, make)

    def report(self, recipe: Recipe) -> dict[str, Any]:
        """Build a recipe's bundle and say what came of it; a refusal is a result, not an exception.

        Returns:
            The figures of one variant as `quickstart.json` lists them; `bundled`, and `reason` where it was
            refused.
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
        """The model that a recipe exports.

        Raises:
            TeacherRefused: the recipe converts a model from elsewhere, and none was given or it does not fit.
        """
        if recipe.source == "torch":
            return self._given_model(recipe)
        return self.teacher() if recipe.source == "teacher" else self.compressed(recipe)

    def _given_model(self, recipe: Recipe) -> Stage:
        if self.model_file is None:
            raise TeacherRefused(
                f"Recipe {recipe.name} converts a PyTorch model that is small already, and none was given. "
                "Name one: --model FILE.pt2, with its side file FILE.contract.json beside it."
            )
        return self._foreign("model", self.model_file, self.model_contract)

    def _outputs(self, folder: Path) -> dict[str, Tensors]:
        """Outputs of a saved model on the scored cases, by split; kept for the recipes that follow."""
        from packager.teacher.forecasting import forecasts_of

        if folder not in self._known_outputs:
            forecast = forecasts_of(folder)
            self._known_outputs[folder] = {split: forecast(w.inputs) for split, w in self.cases.items()}
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
    return ARTIFACT_NAMES[recipe.export.format]


__all__ = ["Pipeline", "Progress", "artifact_name", "build_variant", "no_progress"]
