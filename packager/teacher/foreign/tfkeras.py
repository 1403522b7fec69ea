"""tf_keras, which is Keras 2: `.h5` and `.keras` files that it wrote."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from packager.teacher.foreign.interface import Shape, count, named
from packager.types import FloatArray


class TfKerasModel:
    """A functional tf_keras model."""

    def __init__(self, path: Path, _signature: str) -> None:
        """Load without running code that is stored in the file: Lambda layers are refused by tf_keras."""
        import tensorflow as tf
        import tf_keras
        from tf_keras.src.saving import serialization_lib

        # The reader of `.h5` files takes no safe_mode, but asks the scope.
        with serialization_lib.SafeModeScope(safe_mode=True):
            self._model = tf_keras.models.load_model(path, compile=False)
        self._names = list(self._model.input_names)
        self.inputs: Mapping[str, Shape] = {
            name: tuple(tensor.shape) for name, tensor in zip(self._names, self._model.inputs, strict=True)
        }
        self.weights = list(self._model.weights)
        self.parameters: int | None = count(weight.shape for weight in self.weights)
        self._compiled = tf.function(self.call)

    def call(self, tensors: Mapping[str, Any]) -> dict[str, Any]:
        """The model on tensors, by its own names."""
        given = [tensors[name] for name in self._names]
        outputs = self._model(given if len(given) > 1 else given[0], training=False)
        return named(outputs, list(self._model.output_names))

    def run(self, inputs: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
        """Run every case of the leading axis."""
        return {name: value.numpy() for name, value in self._compiled(dict(inputs)).items()}
