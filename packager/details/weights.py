"""The weights that an artifact holds, as the numbers that it computes with, and whose they are.

Exporters rename, transpose and merge: a matrix is recognised by its numbers, not by its name.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from packager.errors import ArtifactRefused
from packager.types import FloatArray

# Smaller constants are shapes, scales and biases.
LEAST_WEIGHTS = 8
# Of a matrix that is not this one the error is about 1.4 of its size; of one in 2 bits about 0.4.
SAME = 0.8


def artifact_weights(path: Path, format: str) -> list[FloatArray]:  # noqa: A002 - the manifest's word
    """Every constant array of an artifact that may be weights, decompressed to float32.

    Args:
        path: a `.tflite` or `.onnx` file, a `.mlpackage` or `.micro` folder.
        format: tflite, coreml, onnx or micro.

    Raises:
        ArtifactRefused: unreadable, or of another format.
    """
    if format not in READERS:
        raise ArtifactRefused(f"Weights of format {format!r} are not read; known are {', '.join(READERS)}.")
    return [values.astype(np.float32) for values in READERS[format](path) if values.size >= LEAST_WEIGHTS]


def find_kernel(kernel: FloatArray, constants: Sequence[FloatArray]) -> FloatArray | None:
    """The constant that is a kernel after compression, in the kernel's own shape.

    Args:
        kernel: before it was exported, any shape.
        constants: of the artifact, perhaps with the axes in another order.

    Returns:
        The nearest one; None where none is near: a converter may have merged it with others.
    """
    size = float(np.linalg.norm(kernel)) or 1.0
    candidates = [
        arranged
        for constant in constants
        if constant.size == kernel.size
        for arranged in _arranged(constant, kernel)
    ]
    errors = [float(np.linalg.norm(candidate - kernel)) / size for candidate in candidates]
    if not errors or min(errors) > SAME:
        return None
    return candidates[int(np.argmin(errors))]


def _arranged(constant: FloatArray, kernel: FloatArray) -> Iterator[FloatArray]:
    """The constant with its axes in every order that gives the kernel's shape, axes of length 1 aside."""
    wanted = tuple(length for length in kernel.shape if length != 1)
    squeezed = np.squeeze(constant)
    for order in permutations(range(squeezed.ndim)):
        if tuple(squeezed.shape[axis] for axis in order) == wanted:
            yield np.transpose(squeezed, order).reshape(kernel.shape)


def _tflite(path: Path) -> Iterator[NDArray[Any]]:
    return _flatbuffer(path.read_bytes())


def _micro(path: Path) -> Iterator[NDArray[Any]]:
    from packager.runtimes.micro import read_model

    return _flatbuffer(read_model(path).content)


def _coreml(path: Path) -> Iterator[NDArray[Any]]:
    from packager.runtimes.milprogram import read_program

    for value in read_program(path).constants.values():
        if isinstance(value, np.ndarray) and np.issubdtype(value.dtype, np.floating):
            yield value


def _onnx(path: Path) -> Iterator[NDArray[Any]]:
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(path).graph
    values = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    for node in graph.node:
        if node.op_type == "DequantizeLinear" and node.input[0] in values:
            axis = next((item.i for item in node.attribute if item.name == "axis"), 1)
            scale, zero = (values[name] if name else None for name in (node.input[1], _third(node.input)))
            yield _scaled(values[node.input[0]], scale, zero, axis)
    yield from (value for value in values.values() if np.issubdtype(value.dtype, np.floating))


def _third(names: Sequence[str]) -> str:
    return names[2] if len(names) > 2 else ""


def _scaled(codes: NDArray[Any], scale: Any, zero: Any, axis: int) -> NDArray[Any]:
    """(codes − zero point) × scale, one scale for all or one for each index of an axis."""
    shape = [1] * codes.ndim
    if np.size(scale) > 1:
        shape[axis] = -1
    moved = codes.astype(np.float32) - (0 if zero is None else np.reshape(zero, shape).astype(np.float32))
    return np.asarray(moved * np.reshape(scale, shape), np.float32)


def _flatbuffer(content: bytes) -> Iterator[NDArray[Any]]:
    from ai_edge_litert import schema_py_generated as schema

    model = schema.Model.GetRootAs(bytearray(content))
    graph = model.Subgraphs(0)
    for index in range(graph.TensorsLength()):
        tensor = graph.Tensors(index)
        stored = model.Buffers(tensor.Buffer())
        if stored.DataLength() and tensor.ShapeLength():
            codes = _codes(stored.DataAsNumpy(), tensor, schema.TensorType)
            if codes is not None:
                yield _dequantized(codes, tensor.Quantization(), model, schema)


def _codes(stored: NDArray[np.uint8], tensor: Any, types: Any) -> NDArray[Any] | None:
    """The numbers of a tensor as they are stored; None for types that weights never have."""
    shape = tensor.ShapeAsNumpy()
    if tensor.Type() == types.INT4:
        nibbles = np.stack([stored & 0xF, stored >> 4], axis=-1).ravel()[: int(np.prod(shape))]
        return ((nibbles.astype(np.int8) ^ 8) - 8).reshape(shape)
    kinds = {types.FLOAT32: np.float32, types.FLOAT16: np.float16, types.INT8: np.int8, types.INT16: np.int16}
    return stored.view(kinds[tensor.Type()]).reshape(shape) if tensor.Type() in kinds else None


def _dequantized(codes: NDArray[Any], quantization: Any, model: Any, schema: Any) -> NDArray[Any]:
    if quantization is None:
        return codes
    if quantization.DetailsType() == schema.QuantizationDetails.BlockwiseQuantization:
        return codes.astype(np.float32) * _block_scale(codes, quantization, model, schema)
    if not quantization.ScaleLength():
        return codes
    zero = quantization.ZeroPointAsNumpy() if quantization.ZeroPointLength() else None
    return _scaled(codes, quantization.ScaleAsNumpy(), zero, quantization.QuantizedDimension())


def _block_scale(codes: NDArray[Any], quantization: Any, model: Any, schema: Any) -> NDArray[np.float32]:
    """What a step is worth, for every number of a matrix whose rows have a scale for each block."""
    details = schema.BlockwiseQuantization()
    details.Init(quantization.Details().Bytes, quantization.Details().Pos)
    stored = model.Buffers(model.Subgraphs(0).Tensors(details.Scales()).Buffer())
    scale = stored.DataAsNumpy().view(np.float16).astype(np.float32).reshape(len(codes), -1)
    return np.repeat(scale, details.BlockSize(), axis=1)


READERS: dict[str, Callable[[Path], Iterator[NDArray[Any]]]] = {
    "tflite": _tflite,
    "coreml": _coreml,
    "onnx": _onnx,
    "micro": _micro,
}
