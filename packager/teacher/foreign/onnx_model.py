"""ONNX files, on ONNX Runtime."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from packager.teacher.foreign.interface import Shape, count
from packager.types import FloatArray

# TensorProto's numbers of float, float16 and double.
FLOATS = (1, 10, 11)
TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64}


class OnnxModel:
    """A whole ONNX graph; its tensors have names."""

    def __init__(self, path: Path, _signature: str) -> None:
        """Load the graph; its weights must be in the same file."""
        import onnx
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.log_severity_level = 3
        self._session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        given = self._session.get_inputs()
        self.inputs: Mapping[str, Shape] = {
            item.name: tuple(size if isinstance(size, int) else None for size in item.shape) for item in given
        }
        self._types = {item.name: TYPES.get(item.type, np.float32) for item in given}
        self._outputs = [item.name for item in self._session.get_outputs()]
        held = onnx.load(path, load_external_data=False).graph.initializer
        # Whole numbers are indexes and shapes.
        self.parameters: int | None = count(item.dims for item in held if item.data_type in FLOATS)

    def run(self, inputs: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
        """Run every case of the leading axis."""
        given = {name: np.asarray(values, self._types[name]) for name, values in inputs.items()}
        return dict(zip(self._outputs, self._session.run(self._outputs, given), strict=True))
