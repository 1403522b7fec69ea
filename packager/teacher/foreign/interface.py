"""What every adapter offers: a model from elsewhere by its own names."""

from collections.abc import Mapping
from typing import Any, Protocol

from packager.types import FloatArray

# As the file declares it, cases first; None is a size that may vary. No shape where the format has none.
Shape = tuple[int | None, ...] | None


class ForeignModel(Protocol):
    """A model that somebody else's program made, ready to run.

    Attributes:
        inputs: declared shapes by the model's own names, in its order; empty where it takes anything.
        parameters: how many numbers it learned; None where the file does not say.
    """

    inputs: Mapping[str, Shape]
    parameters: int | None

    def run(self, inputs: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
        """Run every case of the leading axis.

        Args:
            inputs: by the model's own names, (case, ...), float32.

        Returns:
            By the model's own names in its order, or "0", "1", ... where it has positions only; (case, ...).
        """


class TensorFlowModel(ForeignModel, Protocol):
    """A model that TensorFlow runs, and so its converters can trace."""

    weights: list[Any]

    def call(self, tensors: Mapping[str, Any]) -> dict[str, Any]:
        """The model on tensors, by its own names."""


class TorchModel(ForeignModel, Protocol):
    """A model that PyTorch can export again, and so its converters can trace."""

    def module(self) -> Any:
        """A `torch.nn.Module` from tensors by the model's own names to a dict of tensors."""


def named(outputs: Any, names: list[str]) -> dict[str, Any]:
    """Outputs as a dict, whichever way a model hands them over."""
    if isinstance(outputs, Mapping):
        return dict(outputs)
    if isinstance(outputs, (list, tuple)):
        return dict(zip(names or map(str, range(len(outputs))), outputs, strict=True))
    return {names[0] if names else "0": outputs}


def count(shapes: Any) -> int:
    """How many numbers arrays of these shapes hold."""
    total = 0
    for shape in shapes:
        size = 1
        for length in shape:
            size *= int(length)
        total += size
    return total
