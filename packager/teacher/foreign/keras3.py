"""Keras 3: `.keras` files, and `.h5` files that Keras 3 wrote. Beside tf_keras, on TensorFlow."""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from packager.teacher.foreign.interface import Shape, count, named
from packager.types import FloatArray


class Keras3Model:
    """A functional Keras 3 model."""

    def __init__(self, path: Path, _signature: str) -> None:
        """Load without running code that is stored in the file: Lambda layers are refused by Keras."""
        import keras
        import tensorflow as tf

        self._tree = keras.tree
        with warnings.catch_warnings():
            # Its variables speak numpy 1's protocol, of which numpy 2 warns.
            warnings.simplefilter("ignore", DeprecationWarning)
            self._model = keras.saving.load_model(path, compile=False, safe_mode=True)
        self._tensors = keras.tree.flatten(self._model.input)
        self.inputs: Mapping[str, Shape] = {t.name: tuple(t.shape) for t in self._tensors}
        # TensorFlow's own variables: its converters do not see through those of Keras.
        self.weights = [weight.value for weight in self._model.weights]
        self.parameters: int | None = count(weight.shape for weight in self.weights)
        self._compiled = tf.function(self.call)

    def call(self, tensors: Mapping[str, Any]) -> dict[str, Any]:
        """The model on tensors, by its own names."""
        given = self._tree.pack_sequence_as(self._model.input, [tensors[t.name] for t in self._tensors])
        return named(self._model(given, training=False), list(self._model.output_names))

    def run(self, inputs: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
        """Run every case of the leading axis."""
        return {name: value.numpy() for name, value in self._compiled(dict(inputs)).items()}
