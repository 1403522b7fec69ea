"""Forecasts of a saved model, whoever made it: the one way in which stages ask a teacher or a student."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from packager.student import load_student
from packager.teacher.foreign.keeping import foreign_description, foreign_forecasts
from packager.types import Tensors


@dataclass(frozen=True)
class Forecasts:
    """A saved model, ready to be asked.

    Attributes:
        ask: from inputs to outputs, by contract name, (case, ...), the contract's units.
        parameters: how many numbers it learned; None where a model from elsewhere does not say.
    """

    ask: Callable[[Tensors], Tensors]
    parameters: int | None

    def __call__(self, inputs: Tensors) -> Tensors:
        """Outputs of every case."""
        return self.ask(inputs)


def forecasts_of(folder: Path) -> Forecasts:
    """The model that a folder holds: one of our own, or one from elsewhere.

    Raises:
        ArtifactRefused: the folder holds no whole model.
    """
    if description := foreign_description(folder):
        return Forecasts(foreign_forecasts(folder, description), description["parameters"])
    from packager.student.lead_decoder import parameter_count
    from packager.student.training import predict

    model = load_student(folder)
    return Forecasts(lambda inputs: predict(model, inputs), parameter_count(model))
