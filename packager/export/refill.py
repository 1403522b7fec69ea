"""Put a retrained student's weights into the artifact of the release before it, byte for byte otherwise.

Scales, zero points and palettes stay those of the released artifact: a weight that training left alone keeps
its code, and a patch between the two files is small. Ranges measured anew would move every code a little. See
`docs/adr/0019-frozen-scales.md`.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from packager.errors import ConversionFailed
from packager.export.slim import MADE, constants_digest

FLOAT32, FLOAT16, INT4, INT8, INT32, INT64 = (
    getattr(schema.TensorType, name) for name in ("FLOAT32", "FLOAT16", "INT4", "INT8", "INT32", "INT64")
)
NUMPY_TYPES = {
    FLOAT32: np.float32,
    FLOAT16: np.float16,
    INT4: np.int8,
    INT8: np.int8,
    INT32: np.int32,
    INT64: np.int64,
}
# litert-quantizer's symmetric int8 leaves -128 out; its int4 leaves nothing out. Biases never come near.
LIMITS = {INT4: (-8, 7), INT8: (-127, 127), INT32: (-(2**31), 2**31 - 1), INT64: (-(2**53), 2**53)}
BLOCKWISE = schema.QuantizationDetails.BlockwiseQuantization
OTHER_GRAPH = (
    "The released artifact and the retrained student have different graphs: {what}. Weights can be refilled "
    "only into an artifact of the same student's sizes, contract and converter: train a release from scratch."
)


def refill_tflite(released: bytes, fresh: bytes) -> bytes:
    """The released file with the constants of a freshly converted float file.

    Args:
        released: any of the exporter's quantizations.
        fresh: the retrained model as `convert_float` gives it.

    Raises:
        ConversionFailed: the two have other tensors.
    """
    content = bytearray(released)
    model, values = schema.Model.GetRootAs(content), _constants(fresh)
    if (model.Description() or b"").decode() != constants_digest(fresh):
        raise ConversionFailed(OTHER_GRAPH.format(what="their constants differ in names, types or shapes"))
    for index, tensor, stored in _held(model):
        name = (tensor.Name() or b"").decode()
        if name == MADE:
            continue
        code = _encode(tensor, values[int(name or index)], model)
        if code.nbytes != stored.nbytes:
            raise ConversionFailed(OTHER_GRAPH.format(what=f"constant {index} has another size"))
        # A view into the file itself: nothing else of it moves.
        stored[:] = np.frombuffer(code.tobytes(), np.uint8)
    return bytes(content)


def _constants(content: bytes) -> dict[int, NDArray[Any]]:
    """Every constant of a float file by its place among the tensors."""
    model = schema.Model.GetRootAs(bytearray(content))
    return {
        index: stored.view(NUMPY_TYPES[tensor.Type()]).reshape(
            tensor.ShapeAsNumpy() if tensor.ShapeLength() else ()
        )
        for index, tensor, stored in _held(model)
    }


def _held(model: Any) -> Iterator[tuple[int, Any, NDArray[np.uint8]]]:
    """Tensors that hold constants, each with its place and its bytes."""
    graph = model.Subgraphs(0)
    for index in range(graph.TensorsLength()):
        tensor = graph.Tensors(index)
        buffer = model.Buffers(tensor.Buffer())
        if buffer.DataLength():
            yield index, tensor, buffer.DataAsNumpy()


def _encode(tensor: Any, values: NDArray[Any], model: Any) -> NDArray[Any]:
    """Numbers in the released tensor's type, on its own scale where it has one."""
    kind, quantization = tensor.Type(), tensor.Quantization()
    scale = _scale(quantization, values, model)
    if scale is None:
        return values.astype(NUMPY_TYPES[kind])
    low, high = LIMITS[kind]
    steps = np.clip(np.rint(values / scale), low, high)
    codes = np.asarray(steps, NUMPY_TYPES[kind])
    return _nibbles(codes) if kind == INT4 else codes


def _scale(quantization: Any, values: NDArray[Any], model: Any) -> NDArray[np.float32] | None:
    """What one step of each code is worth, in the shape of the values; None where they are floats."""
    if quantization is None:
        return None
    if quantization.DetailsType() == BLOCKWISE:
        return _block_scale(quantization, values, model)
    if not quantization.ScaleLength():
        return None
    scale = quantization.ScaleAsNumpy()
    shape = [1] * values.ndim
    shape[quantization.QuantizedDimension() if len(scale) > 1 else 0] = len(scale)
    return np.asarray(scale.reshape(shape), np.float32)


def _block_scale(quantization: Any, values: NDArray[Any], model: Any) -> NDArray[np.float32]:
    details = schema.BlockwiseQuantization()
    details.Init(quantization.Details().Bytes, quantization.Details().Pos)
    buffer = model.Buffers(model.Subgraphs(0).Tensors(details.Scales()).Buffer())
    scale = buffer.DataAsNumpy().view(np.float16).astype(np.float32)
    return np.repeat(scale.reshape(len(values), -1), details.BlockSize(), axis=1)


def _nibbles(codes: NDArray[np.int8]) -> NDArray[np.uint8]:
    """Two codes of four bits in a byte, the first one low."""
    flat = codes.ravel().view(np.uint8) & 0xF
    even = np.pad(flat, (0, len(flat) % 2))
    return np.asarray(even[0::2] | (even[1::2] << 4), np.uint8)
