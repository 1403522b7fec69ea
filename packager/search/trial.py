"""One trial: a recipe built with short training, measured on cases that no gate reads, given up early.

Every figure of a trial is of the early-stopping block: days that no training saw, at known stations. The
held-out splits say at the end what the winner is worth, and would say too much of it had they chosen it.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from packager.dataset.windows import Windows
from packager.pipeline import Pipeline, artifact_name
from packager.recipes import Profile, Recipe, parse_recipe
from packager.runtimes import open_runtime
from packager.search.cost import least_bytes, multiplications
from packager.search.limits import Limits
from packager.stages import Progress, evenly, no_progress
from packager.types import Tensors
from packager.verify.artifact import PRECISIONS
from packager.verify.skill import Scores, score_forecasts, skill_loss_percent
from packager.workspace import Stage

JUDGED_ON = "early_stopping"
# A first look costs a third of the distillation.
SHORT_SHARE = 3
JUDGED_CASES = 600
# Told the rung and the loss in percent there; raises `Hopeless`.
Rung = Callable[[str, float], None]


class Hopeless(Exception):
    """A trial that cannot reach the limits: why, in one sentence, and what is known of it."""

    def __init__(self, reason: str, *, wire_bytes: float = 0.0, skill_loss_percent: float = 0.0) -> None:
        super().__init__(reason)
        self.wire_bytes, self.skill_loss_percent = wire_bytes, skill_loss_percent


@dataclass(frozen=True, slots=True)
class Figures:
    """What a finished trial showed.

    Attributes:
        wire_bytes: of its bundle, as a phone downloads it.
        skill_loss_percent: against the teacher on the early-stopping block, of the worst precision.
        microseconds: of one forecast on one thread; None where the runtime here is no device's.
        multiplications: of one forecast.
        parameters: of the exported student.
    """

    wire_bytes: int
    skill_loss_percent: float
    microseconds: float | None
    multiplications: int
    parameters: int

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def trial_profile(profile: Profile, epochs: int) -> Profile:
    """The same teacher, with fewer epochs for students and fewer scored cases."""
    return replace(
        profile,
        name=f"{profile.name}-trial",
        student_epochs=epochs,
        scored_cases=min(profile.scored_cases, JUDGED_CASES),
    )


class TrialPipeline(Pipeline):
    """The stages of trials, with what judges them."""

    @cached_property
    def judged(self) -> Windows:
        """The cases of the early-stopping block on which trials are compared."""
        return evenly(self.windows(JUDGED_ON), self.profile.scored_cases)

    @cached_property
    def reference(self) -> Scores:
        """How the teacher scores on them."""
        return self._judge(self._predict(self.teacher().folder))

    def prepare(self) -> str:
        """Do what all trials share; gives the teacher's key."""
        self.references()
        _ = self.reference
        return self.teacher().key

    def sensitivity(self, recipe: Recipe) -> Any:
        """How much the recipe's student loses layer by layer, before any step."""
        from packager.compress.sensitivity import analyse

        return analyse(self.student(recipe).folder, self._material(recipe))

    def student_loss(self, student: Stage) -> float:
        """Skill loss of a saved student, percent."""
        return self._loss(self._predict(student.folder))

    def artifact_loss(self, recipe: Recipe, variant: Stage) -> float:
        """Skill loss of an artifact, percent, of the worst precision that a device may use."""
        path, form = variant.folder / artifact_name(recipe), recipe.export.format
        runtimes = (
            open_runtime(path, form, precision=precision, contract=self.contract)
            for precision in PRECISIONS[form]
        )
        return max(self._loss(runtime.run(self.judged.inputs)) for runtime in runtimes)

    def forget_outputs(self) -> None:
        """Let go what only the trial before needed: outputs of its student, and TensorFlow's graphs."""
        import tf_keras

        kept = self.teacher().folder
        for folder in [known for known in self._known_outputs if known != kept]:
            del self._known_outputs[folder]
        tf_keras.backend.clear_session()

    def _predict(self, folder: Path) -> Tensors:
        from packager.student import load_student
        from packager.student.training import predict

        return predict(load_student(folder), self.judged.inputs)

    def _judge(self, outputs: Tensors) -> Scores:
        return score_forecasts(outputs, self.judged.targets, self.contract, split=JUDGED_ON)

    def _loss(self, outputs: Tensors) -> float:
        return round(skill_loss_percent(self._judge(outputs), self.reference, self.contract), 4)


class TrialBuilder:
    """Builds trials, one after the other, in one workspace."""

    def __init__(
        self,
        work: Path,
        profile: Profile,
        limits: Limits,
        *,
        dataset_file: Path | None = None,
        progress: Progress = no_progress,
        **models: Any,
    ) -> None:
        self.limits = limits
        self.pipeline = TrialPipeline(work, profile, dataset_file=dataset_file, progress=progress, **models)

    def prepare(self) -> str:
        """Train the teacher if it is not trained; gives its key."""
        return self.pipeline.prepare()

    def sensitivity(self, document: Mapping[str, Any]) -> Any:
        """A `packager.compress.sensitivity.Sensitivity` of a recipe's student."""
        return self.pipeline.sensitivity(parse_recipe(dict(document)))

    def plain_loss(self, document: Mapping[str, Any]) -> float:
        """Skill loss of a recipe's student before any step, percent: of its short training alone."""
        return self.pipeline.student_loss(self.pipeline.student(parse_recipe(dict(document))))

    def build(self, document: Mapping[str, Any], rung: Rung) -> Figures:
        """Build a recipe and measure it.

        Args:
            document: of the recipe.
            rung: told the loss of the student after a short distillation (`short`) and after its steps
                (`steps`); may raise `Hopeless`.

        Raises:
            Hopeless: the recipe cannot keep the limits.
            PackagerError: a stage failed and says why.
        """
        pipeline, recipe = self.pipeline, parse_recipe(dict(document))
        pipeline.forget_outputs()
        self._check_size(recipe)
        rung("short", pipeline.student_loss(pipeline.student(_shortened(recipe))))
        student = pipeline.compressed(recipe)
        rung("steps", pipeline.student_loss(student))
        # It refuses an artifact whose numbers are not finite, before anything is compared.
        pipeline.evaluation(recipe)
        loss = pipeline.artifact_loss(recipe, pipeline.variant(recipe))
        return self._figures(recipe, student, loss)

    def _check_size(self, recipe: Recipe) -> None:
        from packager.student.lead_decoder import LeadDecoderConfig, build_lead_decoder, parameter_count

        sizes = dict(recipe.student)
        config = LeadDecoderConfig(**sizes | {"hidden": tuple(sizes["hidden"])})
        model = build_lead_decoder(self.pipeline.contract, self.pipeline.normalisation, config)
        least = least_bytes(parameter_count(model), recipe.document)
        if least > self.limits.max_bytes:
            raise Hopeless(
                f"Its weights alone take {least} bytes or more; the limit is {self.limits.max_bytes}.",
                wire_bytes=least,
            )

    def _figures(self, recipe: Recipe, student: Stage, loss: float) -> Figures:
        from packager.student import load_student
        from packager.student.lead_decoder import parameter_count

        model = load_student(student.folder)
        return Figures(
            wire_bytes=self.pipeline.bundle_stage(recipe).facts["bytes_on_wire"],
            skill_loss_percent=loss,
            microseconds=self.pipeline.evaluation(recipe).facts["microseconds_per_inference"],
            multiplications=multiplications(model),
            parameters=parameter_count(model),
        )


def _shortened(recipe: Recipe) -> Recipe:
    """The same student, distilled for a third of the epochs and nothing done to it."""
    epochs = max(1, recipe.distil["epochs"] // SHORT_SHARE)
    return replace(recipe, distil=dict(recipe.distil) | {"epochs": epochs}, steps=())
