"""A study: trials of one teacher and one data set, in a storage that many workers share."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import optuna
from optuna.exceptions import DuplicatedStudyError
from optuna.storages import BaseStorage
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, Trial, TrialState

from packager.errors import PackagerError
from packager.search.errors import SearchFailed, SearchInvalid
from packager.search.limits import Limits
from packager.search.ownership import EXTRA, GONE, RETRY_OF, SEED, Ownership, fail_and_retry, retry_orphans
from packager.search.rungs import check_rung
from packager.search.sampler import SeededByTrial
from packager.search.seeds import Seed
from packager.search.space import Values, recipe_document, suggest
from packager.search.trial import Figures, Hopeless, Rung

MADE_FOR, SEEDED = "made_for", "seeded"
# By format, the third objective; where nothing here runs as fast as a device, operations stand in.
SPEED: Mapping[tuple[str, ...], str] = {("tflite",): "microseconds"}
OPERATIONS = "multiplications"
FAILURES_IN_A_ROW = 3
STOPPED = "It was stopped."


class Builder(Protocol):
    """What builds a trial; `TrialBuilder` is the real one."""

    def prepare(self) -> str:
        """Do what all trials share; gives the teacher's key."""

    def sensitivity(self, document: Mapping[str, Any]) -> Any:
        """How much a recipe's student loses when one layer alone is compressed."""

    def plain_loss(self, document: Mapping[str, Any]) -> float:
        """Skill loss of a recipe's student before any step, percent."""

    def build(self, document: Mapping[str, Any], rung: Rung) -> Figures:
        """Build a recipe and measure it; see `TrialBuilder.build`."""


def objectives(targets: Sequence[str]) -> tuple[str, str, str]:
    """What is made small, in order; named as the figures are."""
    return "wire_bytes", "skill_loss_percent", SPEED.get(tuple(targets), OPERATIONS)


@dataclass(frozen=True, slots=True)
class Purpose:
    """What makes trials comparable: a study holds trials of one purpose.

    Attributes:
        targets: formats that are searched.
        profile: whose teacher it is.
        epochs: of all training of a trial.
        teacher: key of the teacher's stage, which depends on the data.
    """

    targets: tuple[str, ...]
    profile: str
    epochs: int
    teacher: str

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as a storage gives them back."""
        return {
            "targets": list(self.targets),
            "profile": self.profile,
            "epochs": self.epochs,
            "teacher": self.teacher,
        }


def open_study(
    storage: BaseStorage, name: str, purpose: Purpose, *, seed: int = 1, resume: bool = True
) -> Study:
    """Open a study, or make it; trials whose workers are gone are failed and tried again.

    Args:
        storage: from `open_storage`.
        name: of the study.
        purpose: what its trials are of.
        seed: of the sampler.
        resume: whether it may be there already.

    Raises:
        SearchInvalid: it is there and may not be, or holds trials of another purpose.
    """
    directions = [StudyDirection.MINIMIZE] * len(objectives(purpose.targets))
    try:
        study = optuna.create_study(
            storage=storage, study_name=name, directions=directions, sampler=SeededByTrial(seed)
        )
        study.set_user_attr(MADE_FOR, purpose.to_dict())
    except DuplicatedStudyError as error:
        if not resume:
            raise SearchInvalid(
                f"Study {name!r} is there already. Give another --study, or leave out --no-resume to go on."
            ) from error
        study = optuna.load_study(storage=storage, study_name=name, sampler=SeededByTrial(seed))
        _check_purpose(study, purpose)
    retry_orphans(study)
    return study


def load_trials(storage: BaseStorage, name: str) -> list[FrozenTrial]:
    """All trials of a study.

    Raises:
        SearchInvalid: there is no such study.
    """
    try:
        return optuna.load_study(storage=storage, study_name=name).get_trials(deepcopy=False)
    except KeyError as error:
        raise SearchInvalid(f"The storage holds no study {name!r}. Start one with a search.") from error


def _check_purpose(study: Study, purpose: Purpose) -> None:
    # A worker that made the study a moment ago may not have said yet what for.
    known = study.user_attrs.get(MADE_FOR, purpose.to_dict())
    differing = [name for name, value in purpose.to_dict().items() if known.get(name) != value]
    if differing:
        said = "; ".join(
            f"{name} is {known.get(name)} there, {purpose.to_dict()[name]} here" for name in differing
        )
        raise SearchInvalid(
            f"Study {study.study_name!r} holds trials that cannot be compared with these: {said}. "
            "Give another --study."
        )


def enqueue_seeds(study: Study, make_seeds: Callable[[], Sequence[Seed]]) -> int:
    """Put what is worth trying first into the queue, once per study; gives how many."""
    if study.user_attrs.get(SEEDED):
        return 0
    seeds = make_seeds()
    for seed in seeds:
        study.enqueue_trial(
            seed.values, user_attrs={SEED: seed.origin, EXTRA: dict(seed.extra)}, skip_if_exists=True
        )
    # Last: a worker that is killed before leaves the seeds to the next one; two at once find each other's.
    study.set_user_attr(SEEDED, True)
    return len(seeds)


class Search:
    """Runs trials of a study, one at a time, in this process."""

    def __init__(
        self,
        study: Study,
        builder: Builder,
        purpose: Purpose,
        limits: Limits,
        *,
        trial_epochs: int,
        stops: tuple[type[Exception], ...] = (),
    ) -> None:
        self.study, self.builder, self.purpose, self.limits = study, builder, purpose, limits
        self.trial_epochs, self._stops = trial_epochs, stops

    def run_trial(self) -> FrozenTrial:
        """Take the next values, build them, and keep what came of it.

        Returns:
            The trial: complete, pruned with its reason, or failed with its reason.

        Raises:
            SearchFailed: this many trials failed one after the other; says why the last one did.
        """
        retry_orphans(self.study)
        trial = self.study.ask()
        with Ownership(trial):
            values = suggest(trial, self.purpose.targets)
            document = self._document(trial, values)
            trial.set_user_attr("values", values)
            trial.set_user_attr("recipe", document)
            try:
                self._build(trial, document)
            except BaseException:
                fail_and_retry(self.study, self._frozen(trial), STOPPED)
                raise
        done = self._frozen(trial)
        if done.state == TrialState.FAIL:
            self._check_failures(done)
        return done

    def _check_failures(self, failed: FrozenTrial) -> None:
        """End the search when the latest trials of all workers failed, and not by being stopped."""
        ended = [row for row in self.study.get_trials(deepcopy=False) if row.state.is_finished()]
        latest = ended[-FAILURES_IN_A_ROW:]
        if len(latest) == FAILURES_IN_A_ROW and all(
            row.state == TrialState.FAIL and row.user_attrs.get("reason") not in (GONE, STOPPED)
            for row in latest
        ):
            raise SearchFailed(
                f"{len(latest)} trials failed one after the other; the last one: "
                f"{failed.user_attrs['reason']} Put that right; the same command goes on from here."
            )

    def _document(self, trial: Trial, values: Values) -> dict[str, Any]:
        return recipe_document(
            values,
            name=f"{values['format']}_trial{trial.number}",
            summary=f"Trial {trial.number} of the search {self.study.study_name}.",
            epochs=self.trial_epochs,
            extra=trial.user_attrs.get(EXTRA),
        )

    def _build(self, trial: Trial, document: Mapping[str, Any]) -> None:
        seen: dict[str, float] = {}

        def rung(name: str, loss: float) -> None:
            seen[name] = loss
            trial.set_user_attr("rungs", dict(seen))
            check_rung(name, loss, self.study.get_trials(deepcopy=False), self.limits)

        try:
            figures = self.builder.build(document, rung)
        except Hopeless as error:
            self._constrain(trial, error.wire_bytes, error.skill_loss_percent)
            trial.set_user_attr("reason", str(error))
            self.study.tell(trial, state=TrialState.PRUNED)
        except self._stops:
            raise
        except PackagerError as error:
            trial.set_user_attr("reason", str(error))
            self.study.tell(trial, state=TrialState.FAIL)
        except Exception as error:  # noqa: BLE001 - one odd recipe must not end a night of trials
            trial.set_user_attr("reason", f"Unexpected {type(error).__name__}: {error}")
            self.study.tell(trial, state=TrialState.FAIL)
        else:
            self._constrain(trial, figures.wire_bytes, figures.skill_loss_percent)
            trial.set_user_attr("figures", figures.to_dict())
            self.study.tell(
                trial, [float(figures.to_dict()[name]) for name in objectives(self.purpose.targets)]
            )

    def _constrain(self, trial: Trial, wire_bytes: float, loss: float) -> None:
        """Tell the sampler how far outside the limits it is."""
        excess = self.limits.excess(wire_bytes, loss)
        for name, value in zip(("wire_bytes", "skill_loss_percent"), excess, strict=True):
            trial.set_constraint(name, value)

    def _frozen(self, trial: Trial) -> FrozenTrial:
        return self.study.get_trials(deepcopy=False)[trial.number]


__all__ = [
    "RETRY_OF",
    "Builder",
    "Purpose",
    "Search",
    "enqueue_seeds",
    "load_trials",
    "objectives",
    "open_study",
]
