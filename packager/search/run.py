"""A whole search: open the study, seed it, run trials while there is time, build the winners, write the page.

The command line and the tasks of the server call it; both share studies with workers elsewhere.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from optuna.study import Study
from optuna.trial import FrozenTrial

from packager.archive import write_atomically
from packager.pipeline import Pipeline
from packager.recipes import Profile
from packager.search.budget import Budget, winner_scale
from packager.search.errors import NothingFits
from packager.search.limits import Limits
from packager.search.plots import Page, search_page
from packager.search.seeds import Seed, first_seeds, plain_document, recipe_seeds, sensitivity_seeds
from packager.search.storage import open_storage
from packager.search.study import Builder, Purpose, Search, enqueue_seeds, objectives, open_study
from packager.search.trial import TrialBuilder, trial_profile
from packager.search.winner import Winner, find_winner
from packager.stages import Progress, no_progress

# A trial trains for a third of what the winner will.
TRIAL_SHARE = 3


@dataclass(frozen=True)
class Plan:
    """What to search and with what.

    Attributes:
        name: of the study.
        targets: formats.
        limits: what a winner must keep.
        profile: teacher, full training.
        work: folder of finished stages.
        storage: path of a journal file, or postgresql://…
        tier: of the winners; None for none.
        trial_epochs: of all training of a trial; a third of the profile's when not given.
        dataset_file: hourly observations; the reference dataset when not given.
        models: the teacher from elsewhere, as a `Pipeline` takes it; none for our own.
        seed: of the sampler.
        resume: whether the study may be there already.
        progress: told what happens.
    """

    name: str
    targets: tuple[str, ...]
    limits: Limits
    profile: Profile
    work: Path
    storage: str
    tier: str | None = None
    trial_epochs: int | None = None
    dataset_file: Path | None = None
    models: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 1
    resume: bool = True
    progress: Progress = field(default=no_progress)

    @property
    def epochs(self) -> int:
        """Of all training of a trial."""
        return self.trial_epochs or max(1, round(self.profile.student_epochs / TRIAL_SHARE))

    @property
    def winner_scale(self) -> float:
        """How many trials' time the winners take."""
        return winner_scale(self.epochs, self.profile.student_epochs, len(self.targets))


class Run:
    """A search that goes on in this process."""

    def __init__(
        self,
        plan: Plan,
        *,
        make_builder: Callable[..., Any] = TrialBuilder,
        stops: tuple[type[Exception], ...] = (),
    ) -> None:
        """Make a search.

        Args:
            plan: what to search.
            make_builder: makes what builds trials, called as `TrialBuilder`.
            stops: errors that end this worker's work and say nothing of the trial.
        """
        self.plan, self._make_builder, self._stops = plan, make_builder, stops
        self.winners: dict[str, Winner] = {}

    @cached_property
    def builder(self) -> Builder:
        """Builds trials."""
        plan = self.plan
        profile = trial_profile(plan.profile, plan.epochs)
        builder: Builder = self._make_builder(
            plan.work,
            profile,
            plan.limits,
            dataset_file=plan.dataset_file,
            progress=plan.progress,
            **plan.models,
        )
        return builder

    @cached_property
    def search(self) -> Search:
        """The study, opened and seeded; trains the teacher first if it is not trained."""
        plan = self.plan
        # A storage that cannot be opened is found before hours of training.
        storage = open_storage(plan.storage)
        purpose = Purpose(plan.targets, plan.profile.name, plan.epochs, self.builder.prepare())
        study = open_study(storage, plan.name, purpose, seed=plan.seed, resume=plan.resume)
        enqueue_seeds(study, self._seeds)
        return Search(
            study, self.builder, purpose, self.trial_limits, trial_epochs=plan.epochs, stops=self._stops
        )

    @cached_property
    def trial_limits(self) -> Limits:
        """What trials are held to: the limits, and what short training alone costs a plain student."""
        plan = self.plan
        if plan.epochs >= plan.profile.student_epochs:
            return plan.limits
        extra = max(0.0, self.builder.plain_loss(self._plain_document))
        return replace(
            plan.limits, max_skill_loss_percent=round(plan.limits.max_skill_loss_percent + extra, 4)
        )

    @cached_property
    def _plain_document(self) -> dict[str, Any]:
        sizes = dict(self.plan.profile.student) or default_sizes()
        return plain_document(self.plan.targets[0], sizes, self.plan.epochs)

    @property
    def study(self) -> Study:
        """The study."""
        return self.search.study

    @property
    def trials(self) -> list[FrozenTrial]:
        """All trials so far, of all workers."""
        return self.study.get_trials(deepcopy=False)

    def run_trials(self, budget: Budget, told: Callable[[FrozenTrial], None]) -> int:
        """Run trials while there is room for another one and for the winner, at least one; gives how many."""
        done = 0
        while done == 0 or budget.has_room_for_trial(self.trials):
            told(self.search.run_trial())
            done += 1
        return done

    def find_winners(self, budget: Budget, names: dict[str, str]) -> list[str]:
        """Build a winner for each format, as far as there is one.

        Args:
            budget: what is left of it decides on second tries; a first one is always built.
            names: of the winners' recipes by format.

        Returns:
            Why there is none, for each format without one.
        """
        plan, missing = self.plan, []
        for target in plan.targets:
            try:
                self.winners[target] = find_winner(
                    self._full_pipeline,
                    self.trials,
                    plan.limits,
                    self.trial_limits,
                    target=target,
                    name=names[target],
                    tier=plan.tier,
                    has_time=lambda: budget.has_room_for_winner(self.trials, len(plan.targets)),
                )
            except NothingFits as error:
                missing.append(str(error))
        return missing

    def page(self) -> bytes:
        """The search as HTML."""
        plan = self.plan
        about = Page(f"Search {plan.name}", objectives(plan.targets), self.trial_limits, self.winners)
        return search_page(self.study, about)

    def write_page(self, path: Path) -> None:
        """Write the page."""
        write_atomically(path, self.page())

    @cached_property
    def _full_pipeline(self) -> Pipeline:
        plan = self.plan
        return Pipeline(
            plan.work, plan.profile, dataset_file=plan.dataset_file, progress=plan.progress, **plan.models
        )

    def _seeds(self) -> Sequence[Seed]:
        sizes = dict(self.plan.profile.student) or default_sizes()
        return first_seeds([*self._sensitivity_seeds(sizes), *recipe_seeds(self.plan.targets, sizes)])

    def _sensitivity_seeds(self, sizes: dict[str, Any]) -> list[Seed]:
        plan = self.plan
        plan.progress("sensitivity", 0.0, "of a plain student, layer by layer")
        sensitivity = self.builder.sensitivity(self._plain_document)
        return sensitivity_seeds(plan.targets, sizes, sensitivity, plan.limits)


def default_sizes() -> dict[str, Any]:
    """Sizes of a student where a profile says nothing."""
    from packager.student.lead_decoder import LeadDecoderConfig

    return LeadDecoderConfig().to_dict()
