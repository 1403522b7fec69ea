"""SavedModel folders of TensorFlow, by one of their signatures."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from packager.errors import TeacherRefused
from packager.teacher.foreign.interface import Shape, count
from packager.types import FloatArray


class SavedModel:
    """One signature of a SavedModel; its tensors have names."""

    def __init__(self, path: Path, signature: str) -> None:
        """Load the graph.

        Raises:
            TeacherRefused: it has no such signature.
        """
        import tensorflow as tf

        # The folder's variables live as long as what was loaded.
        self._loaded = tf.saved_model.load(str(path))
        known = self._loaded.signatures
        if signature not in known:
            raise TeacherRefused(
                f"{path.name} has the signatures {', '.join(known) or 'none'}; {signature!r} is not among "
                "them. "
                "Name one of them as `signature` in the side file, or save the model with one."
            )
        self._function = known[signature]
        specs = self._function.structured_input_signature[1]
        self.inputs: Mapping[str, Shape] = {name: _shape(spec) for name, spec in specs.items()}
        self.weights = list(self._function.variables)
        self.parameters: int | None = count(weight.shape for weight in self.weights) or None

    def call(self, tensors: Mapping[str, Any]) -> dict[str, Any]:
        """The signature on tensors, by its own names."""
        return dict(self._function(**tensors))

    def run(self, inputs: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
        """Run every case of the leading axis."""
        import tensorflow as tf

        given = {name: tf.constant(values) for name, values in inputs.items()}
        return {name: value.numpy() for name, value in self.call(given).items()}


def _shape(spec: Any) -> Shape:
    return None if spec.shape.rank is None else tuple(spec.shape.as_list())
