"""Take out of a `.tflite` file what no runtime reads: most of a small model is not weights.

Names of tensors, the converter's metadata and the ranges beside the scales were 2.7 KiB of the 13 KiB that a
student had beside its weights, compressed. Inputs and outputs keep the contract's names. What `refill` must
know of the names stays: which constant of the float model a copy was made from, and a digest of all of them.
"""

import hashlib
import re
from typing import Any

import flatbuffers
from ai_edge_litert import schema_py_generated as schema

IDENTIFIER = b"TFL3"
# litert-quantizer copies a constant that operations of two kinds read.
DUPLICATE = re.compile(r"_duplicated_\d+$")
# What names a constant that the quantizer made, such as scales of blocks.
MADE = "s"
DIGEST_DIGITS = 12
ALIGNMENT = 16


def slim(content: bytes, original: bytes) -> bytes:
    """The same model without what no runtime reads; equal models give equal bytes.

    Args:
        content: a model with one graph and one signature, perhaps quantized from `original`.
        original: the float model as the converter made it, with all names.
    """
    model = _unpack(content)
    (graph,) = model.subgraphs
    model.metadata, model.description = None, constants_digest(original)
    kept = _border_names(model)
    known = constant_names(original)
    for index, tensor in enumerate(graph.tensors):
        held = model.buffers[tensor.buffer].data is not None
        tensor.name = kept.get(index) or (_source(tensor, index, known) if held else None)
        _forget_ranges(tensor)
    graph.name = None
    return _pack(model)


def constant_names(content: bytes) -> dict[str, int]:
    """Index among the tensors of every constant of a float file, by its name."""
    model = schema.Model.GetRootAs(bytearray(content))
    graph = model.Subgraphs(0)
    tensors = (graph.Tensors(index) for index in range(graph.TensorsLength()))
    return {
        tensor.Name().decode(): index
        for index, tensor in enumerate(tensors)
        if model.Buffers(tensor.Buffer()).DataLength()
    }


def constants_digest(content: bytes) -> str:
    """A few digits that differ where two float files have other constants: names, types or shapes."""
    graph = schema.Model.GetRootAs(bytearray(content)).Subgraphs(0)
    digest = hashlib.sha256()
    for name, index in constant_names(content).items():
        tensor = graph.Tensors(index)
        shape = [tensor.Shape(axis) for axis in range(tensor.ShapeLength())]
        digest.update(f"{index} {name} {tensor.Type()} {shape}\n".encode())
    return digest.hexdigest()[:DIGEST_DIGITS]


def _unpack(content: bytes) -> Any:
    return schema.ModelT.InitFromObj(schema.Model.GetRootAs(bytearray(content)))


def _border_names(model: Any) -> dict[int, bytes]:
    (signature,) = model.signatureDefs
    return {item.tensorIndex: item.name for side in (signature.inputs, signature.outputs) for item in side}


def _source(tensor: Any, index: int, known: dict[str, int]) -> str | None:
    """The index of the float model's constant, where it is not this tensor's own."""
    source = known.get(DUPLICATE.sub("", tensor.name.decode()))
    if source is None:
        return MADE
    return None if source == index else str(source)


def _forget_ranges(tensor: Any) -> None:
    quantization = tensor.quantization
    if quantization is None:
        return
    quantization.min = quantization.max = None
    if quantization.scale is None and quantization.details is None:
        tensor.quantization = None


class _Builder(flatbuffers.Builder):  # type: ignore[misc]
    """Puts constants at multiples of 16 bytes, as the schema asks; Python's own builder forgets it."""

    def StartVector(self, elemSize: int, numElems: int, alignment: int) -> Any:  # noqa: N802, N803 - its name
        return super().StartVector(elemSize, numElems, ALIGNMENT if elemSize == 1 else alignment)


def _pack(model: Any) -> bytes:
    builder = _Builder(1024)
    builder.Finish(model.Pack(builder), IDENTIFIER)
    return bytes(builder.Output())
