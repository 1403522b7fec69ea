"""The server model: an ensemble of lead decoders, each started from a linear regression."""

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from packager.contract import Contract
from packager.dataset.windows import Windows
from packager.student import describe, load_student, save_student
from packager.student.ensemble import build_ensemble
from packager.student.lead_decoder import LeadDecoderConfig, build_lead_decoder
from packager.student.losses import hard_loss
from packager.student.normalisation import Normalisation
from packager.student.training import Progress, TrainingOptions, TrainingResult, train
from packager.teacher.regression import fit_regression


@dataclass(frozen=True, slots=True)
class TeacherOptions:
    """Size and training of the ensemble.

    Attributes:
        members: how many lead decoders.
        channels, context, per_lead, linear, hidden, dropout: of each, see `LeadDecoderConfig`.
        training: of each; member i trains with seed + i.
    """

    members: int = 3
    channels: int = 64
    context: int = 128
    per_lead: int = 8
    linear: int = 64
    hidden: tuple[int, ...] = (128, 64)
    dropout: float = 0.15
    training: TrainingOptions = field(default_factory=lambda: TrainingOptions(epochs=5, weight_decay=5e-2))

    def member(self, index: int) -> LeadDecoderConfig:
        """Configuration of one member."""
        return LeadDecoderConfig(
            channels=self.channels,
            context=self.context,
            per_lead=self.per_lead,
            linear=self.linear,
            hidden=self.hidden,
            regression=True,
            dropout=self.dropout,
            seed=self.training.seed + index,
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def train_member(
    index: int,
    *,
    windows: Windows,
    stopping: Windows,
    contract: Contract,
    normalisation: Normalisation,
    options: TeacherOptions,
    folder: Path,
    progress: Progress,
) -> TrainingResult:
    """Train one member and save it.

    Args:
        index: which member.
        windows: training cases.
        stopping: the early-stopping block.
        contract: inputs and outputs.
        normalisation: shared by all members.
        options: sizes and training.
        folder: where the member is saved.
        progress: told after every epoch.
    """
    config = options.member(index)
    model = build_lead_decoder(contract, normalisation, config)
    fit_regression(model, windows.inputs, windows.targets, normalisation)

    training = replace(options.training, seed=options.training.seed + index)
    result = learn_observations(
        model, windows, stopping, contract, normalisation, options=training, progress=progress
    )
    save_student(model, describe("lead_decoder", contract, normalisation, [config]), folder)
    return result


def learn_observations(
    model: Any,
    windows: Windows,
    stopping: Windows,
    contract: Contract,
    normalisation: Normalisation,
    *,
    options: TrainingOptions,
    progress: Progress,
) -> TrainingResult:
    """Train a model on what happened, without a teacher, until the early-stopping block gains no more."""

    def loss(outputs: dict[str, Any], targets: dict[str, Any]) -> Any:
        return hard_loss(outputs, targets, contract, normalisation)

    return train(
        model,
        inputs=windows.inputs,
        targets=windows.targets,
        stopping_inputs=stopping.inputs,
        stopping_targets=stopping.targets,
        loss=loss,
        stopping_loss=loss,
        options=options,
        progress=progress,
    )


def join_members(
    folders: list[Path],
    contract: Contract,
    normalisation: Normalisation,
    options: TeacherOptions,
    folder: Path,
) -> None:
    """Join trained members into one saved ensemble."""
    configs = [options.member(index) for index in range(options.members)]
    ensemble = build_ensemble(contract, normalisation, configs)
    weights = [weight for part in folders for weight in load_student(part).get_weights()]
    ensemble.set_weights(weights)
    save_student(ensemble, describe("ensemble", contract, normalisation, configs), folder)
