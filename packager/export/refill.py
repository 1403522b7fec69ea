"""Put a retrained student's weights into the artifact of the release before it, byte for byte otherwise.

Scales, zero points and palettes stay those of the released artifact: a weight that training left alone keeps
its code, and a patch between the two files is small. Ranges measured anew would move every code a little. See
`docs/adr/0019-frozen-scales.md`.
"""

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from packager.errors import ConversionFailed

FLOAT32, FLOAT16, INT8, INT32 = (
    getattr(schema.TensorType, name) for name in ("FLOAT32", "FLOAT16", "INT8", "INT32")
)
NUMPY_TYPES = {FLOAT32: np.float32, FLOAT16: np.float16, INT8: np.int8, INT32: np.int32}
# litert-quantizer's symmetric int8 leaves -128 out.
LIMITS = {INT8: (-127, 127), INT32: (-(2**31), 2**31 - 1)}
# litert-quantizer copies a constant that the float head and the int8 body share.
DUPLICATE = re.compile(r"_duplicated_\d+$")
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
    left = set(values)
    for tensor, stored in _held(model):
        name = DUPLICATE.sub("", tensor.Name().decode())
        if name not in values:
            raise ConversionFailed(OTHER_GRAPH.format(what=f"{name!r} is only in the released one"))
        left.discard(name)
        code = _encode(tensor, values[name])
        if code.nbytes != stored.nbytes:
            raise ConversionFailed(OTHER_GRAPH.format(what=f"{name!r} has another size"))
        # A view into the file itself: nothing else of it moves.
        stored[:] = np.frombuffer(code.tobytes(), np.uint8)
    if left:
        raise ConversionFailed(OTHER_GRAPH.format(what=f"{min(left)!r} is only in the retrained one"))
    return bytes(content)


def _constants(content: bytes) -> dict[str, NDArray[Any]]:
    """Every constant of a float file by its tensor's name."""
    model = schema.Model.GetRootAs(bytearray(content))
    return {
        tensor.Name().decode(): stored.view(NUMPY_TYPES[tensor.Type()]).reshape(
            tensor.ShapeAsNumpy() if tensor.ShapeLength() else ()
        )
        for tensor, stored in _held(model)
    }


def _held(model: Any) -> Iterator[tuple[Any, NDArray[np.uint8]]]:
    """Tensors that hold constants, each with its bytes."""
    graph = model.Subgraphs(0)
    for index in range(graph.TensorsLength()):
        tensor = graph.Tensors(index)
        buffer = model.Buffers(tensor.Buffer())
        if buffer.DataLength():
            yield tensor, buffer.DataAsNumpy()


def _encode(tensor: Any, values: NDArray[Any]) -> NDArray[Any]:
    """Numbers in the released tensor's type, on its own scale where it has one."""
    kind, quantization = tensor.Type(), tensor.Quantization()
    scaled = quantization is not None and quantization.ScaleLength() > 0
    if not scaled:
        return values.astype(NUMPY_TYPES[kind])
    scale = quantization.ScaleAsNumpy()
    shape = [1] * values.ndim
    shape[quantization.QuantizedDimension() if len(scale) > 1 else 0] = len(scale)
    steps = np.rint(values / scale.reshape(shape))
    low, high = LIMITS[kind]
    return np.asarray(np.clip(steps, low, high), NUMPY_TYPES[kind])
