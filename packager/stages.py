"""From observations to the server model: dataset → baselines → teacher.

Every stage is kept in the workspace under a digest of what it depends on, so that a job that was killed goes
on where it was.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from packager.contract import Contract, contract_with_guidance, reference_contract
from packager.dataset import (
    Dataset,
    QualityReport,
    load_reference,
    make_windows,
    quality_control,
    read_dataset,
)
from packager.dataset.known import without_guidance
from packager.dataset.splits import BLOCK_DAYS, OPEN, block_of, held_out_indexes
from packager.dataset.windows import Windows
from packager.errors import TrainingFailed
from packager.recipes import Profile
from packager.types import Tensors
from packager.verify.golden import MIN_CASES
from packager.verify.skill import score_forecasts
from packager.workspace import Stage, Workspace, source_digest

# (stage, fraction done 0..1, one line about it)
Progress = Callable[[str, float, str], None]
SCORED_SPLITS = ("unseen_station", "unseen_period")
# Golden vectors are picked among the windows of unseen_station.
LEAST_WINDOWS = {"train": 1, "early_stopping": 1, "unseen_station": MIN_CASES, "unseen_period": 1}
TRAINING_SOURCES = ("packager/dataset", "packager/student", "packager/teacher", "weatherapp/core")
EVALUATION_SOURCES = ("packager/runtimes", "packager/verify", "weatherapp/core/scores.py")


def no_progress(stage: str, fraction: float, message: str) -> None:
    """For callers that do not watch."""


@dataclass
class TeacherStages:
    """The stages that all recipes share: one profile on one dataset in one workspace, done when asked for.

    Attributes:
        work: folder of finished stages.
        profile: how much training.
        dataset_file: hourly observations, perhaps with guidance beside them; the reference dataset when not
            given.
        progress: told what happens.
        teacher_file: a model from elsewhere that teaches in the place of our own.
        teacher_contract: its side file; the one beside it when not given.
        model_file: a small PyTorch model from elsewhere, for recipes that convert it as it is.
        model_contract: its side file; the one beside it when not given.
    """

    work: Path
    profile: Profile
    dataset_file: Path | None = None
    progress: Progress = no_progress
    teacher_file: Path | None = None
    teacher_contract: Path | None = None
    model_file: Path | None = None
    model_contract: Path | None = None

    @cached_property
    def workspace(self) -> Workspace:
        """Where stages are kept."""
        return Workspace(self.work)

    @cached_property
    def raw_dataset(self) -> Dataset:
        """Rows as the sources have them."""
        return load_reference() if self.dataset_file is None else read_dataset(self.dataset_file)

    @cached_property
    def contract(self) -> Contract:
        """Inputs and outputs: a dataset that has guidance makes a contract that has it."""
        return reference_contract() if self.raw_dataset.guidance is None else contract_with_guidance()

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

    def data(self) -> Stage:
        """Quality control and the counts of every split.

        Raises:
            TrainingFailed: a split has too few windows to train or to score.
        """
        inputs = {
            "dataset": self.raw_dataset.digest,
            "contract": self.contract.digest,
            "stride": self.profile.stride,
            "source": source_digest("packager/dataset", "weatherapp/core"),
        }

        def make(_folder: Path) -> Mapping[str, Any]:
            self.progress("dataset", 0.1, "quality control")
            counts = {split: len(self.windows(split)) for split in LEAST_WINDOWS}
            _check_counts(counts, self.dataset)
            return {
                "rows": len(self.dataset),
                "quality": self.quality.as_dict(),
                "windows": counts,
                "outputs_without_targets": self._untaught(),
            }

        return self._stage("dataset", inputs, make)

    def baselines(self) -> Stage:
        """Scores of the baselines on both scored splits: what any model must beat."""
        inputs = {"data": self.data().key, "source": source_digest(*TRAINING_SOURCES, *EVALUATION_SOURCES)}

        def make(_folder: Path) -> Mapping[str, Any]:
            return {
                name: {
                    split: self._score(forecast(windows), windows, split)
                    for split, windows in self.held_out.items()
                }
                for name, forecast in self._baseline_forecasts().items()
            }

        return self._stage("baselines", inputs, make)

    def references(self) -> Stage:
        """The cases on which every artifact is run, and how the teacher and the baselines score on them.

        Facts: `cases`, by split the station's id and the init hour of each; `scores`, by source and split.
        """
        teacher = self.teacher()
        inputs = {
            "form": 2,
            "data": self.data().key,
            "teacher": teacher.key,
            "cases": self.profile.scored_cases,
            "source": source_digest(*TRAINING_SOURCES, *EVALUATION_SOURCES),
        }

        def make(_folder: Path) -> Mapping[str, Any]:
            taught = self._evaluate_model(teacher.folder, self.cases)["scores"]
            scores = {"teacher": {split: score["values"] for split, score in taught.items()}}
            for name, forecast in self._baseline_forecasts().items():
                scores[name] = {
                    split: self._score(forecast(windows), windows, split)["values"]
                    for split, windows in self.cases.items()
                }
            return {
                "cases": {s: name_cases(w, self.dataset) for s, w in self.cases.items()},
                "scores": scores,
            }

        return self._stage("references", inputs, make)

    def teacher(self) -> Stage:
        """The server model; each member is a stage, so that a killed job keeps the members it has.

        Raises:
            TeacherRefused: a model from elsewhere does not fulfil the contract.
        """
        from packager.teacher.ensemble import join_members

        if self.teacher_file is not None:
            return self._foreign("teacher", self.teacher_file, self.teacher_contract)
        members = [self._member(index) for index in range(self.profile.members)]
        inputs = {"members": [m.key for m in members], "source": source_digest(*EVALUATION_SOURCES)}

        def make(folder: Path) -> Mapping[str, Any]:
            self.progress("teacher", 0.9, "scoring")
            options = self._teacher_options()
            join_members([m.folder for m in members], self.contract, self.normalisation, options, folder)
            return self._evaluate_model(folder, self.held_out) | {"members": [dict(m.facts) for m in members]}

        return self._stage("teacher", inputs, make)

    def _foreign(self, name: str, file: Path, side_file: Path | None) -> Stage:
        """A model from elsewhere, checked, kept and scored as our own are."""
        from packager.teacher.foreign.keeping import find_foreign, keep_foreign

        given = find_foreign(file, side_file, self.contract)
        inputs = {
            "foreign": given.identity,
            "data": self.data().key,
            "contract": self.contract.digest,
            "source": source_digest("packager/teacher", *EVALUATION_SOURCES),
        }

        def make(folder: Path) -> Mapping[str, Any]:
            self.progress(name, 0.1, f"checking {file.name}")
            description = keep_foreign(given, self.contract, self.cases["unseen_station"].inputs, folder)
            self.progress(name, 0.5, "scoring")
            return self._evaluate_model(folder, self.held_out) | {
                "file": file.name,
                "format": given.format,
                "crossing": description["crossing"],
            }

        return self._stage(name, inputs, make)

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

    def _baseline_forecasts(self) -> dict[str, Callable[[Windows], Tensors]]:
        from packager.teacher import baselines

        held_out = np.isin(self.dataset.station, held_out_indexes(self.dataset))
        self.progress("baselines", 0.1, "climatology")
        climatology = baselines.Climatology.fit(
            self.dataset, ~held_out & (block_of(self.dataset.hour) == OPEN), self.contract
        )
        self.progress("baselines", 0.5, "ridge regression")
        ridge = baselines.Ridge.fit(self.windows("train"), self.contract)
        guidance = {"guidance": lambda windows: baselines.guidance(windows.inputs, self.contract)}
        return {
            "climatology": lambda windows: climatology.forecast(windows, self.contract),
            "persistence": lambda windows: baselines.persistence(windows.inputs, self.contract),
            "same_hour_yesterday": lambda windows: baselines.same_hour_yesterday(
                windows.inputs, self.contract
            ),
            "ridge": lambda windows: ridge.forecast(windows, self.contract),
            **(guidance if self.contract.has_guidance else {}),
        }

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
                normalisation=self.normalisation,
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

    def _untaught(self) -> list[str]:
        """Outputs that no training window has a target for: their forecasts will say nothing."""
        targets = self.windows("train").targets
        return [spec.name for spec in self.contract.outputs if not np.isfinite(targets[spec.name]).any()]

    @cached_property
    def normalisation(self) -> Any:
        """Centre and width of every channel, over the training windows."""
        from packager.student.normalisation import measure_normalisation

        return measure_normalisation(self.windows("train").inputs, self.contract)

    def _score(self, outputs: Tensors, windows: Windows, split: str) -> dict[str, Any]:
        return score_forecasts(outputs, windows.targets, self.contract, split=split).to_dict()

    def _evaluate_model(self, folder: Path, cases: Mapping[str, Windows]) -> dict[str, Any]:
        from packager.teacher.forecasting import forecasts_of

        forecast = forecasts_of(folder)
        scores = {split: self._score(forecast(w.inputs), w, split) for split, w in cases.items()}
        facts = {"parameters": forecast.parameters, "scores": scores}
        if not self.contract.has_guidance:
            return facts
        # A server may lose its guidance feed: say how good the model is then.
        without = {
            split: self._score(forecast(without_guidance(w.inputs)), w, split) for split, w in cases.items()
        }
        return facts | {"scores_without_guidance": without}


def _check_counts(counts: Mapping[str, int], dataset: Dataset) -> None:
    for split, least in LEAST_WINDOWS.items():
        if counts[split] < least:
            held_out = [dataset.stations[index].id for index in held_out_indexes(dataset).tolist()]
            raise TrainingFailed(
                f"The dataset gives {counts[split]} windows of {split}; at least {least} are needed. "
                f"Of its {len(dataset.stations)} stations {', '.join(held_out) or 'none'} are held out; "
                f"held-out days are the last {BLOCK_DAYS} of some months: bring a dataset that has both, and "
                "other stations and days to train on. A year of two stations 150 km apart is enough."
            )


def name_cases(windows: Windows, dataset: Dataset) -> list[tuple[str, int]]:
    """Station's id and init hour of every window: names that hold in a dataset that has grown."""
    ids = [dataset.stations[index].id for index in windows.station.tolist()]
    return list(zip(ids, windows.init_hour.tolist(), strict=True))


def evenly(windows: Windows, count: int) -> Windows:
    """So many cases, evenly spaced; all of them when there are fewer."""
    if len(windows) <= count:
        return windows
    return windows.take(np.linspace(0, len(windows) - 1, count).astype(int))
