"""What a `.tflite` file holds, for the manifest: counts by type, and scales at the borders of the body."""

from collections import Counter
from typing import Any

from ai_edge_litert import schema_py_generated as schema
from litert_quantizer.utils import tfl_flatbuffer_utils

TYPE_NAMES = {value: name.lower() for name, value in vars(schema.TensorType).items() if name.isupper()}
OPERATORS = schema.BuiltinOperator
# By scheme, the type of what the body computes with where that is integers.
INTEGER_BODIES = {"w8a8": "int8", "w8a16": "int16"}
SIDES = {OPERATORS.QUANTIZE: "in", OPERATORS.DEQUANTIZE: "out"}


def describe_numbers(content: bytes, original: bytes, scheme: str) -> dict[str, Any]:
    """Count tensors and operations by type, and read the scales at the borders of an integer body.

    Args:
        content: the artifact.
        original: the float model that it was made from, which has the names of its tensors.
        scheme: the exporter's quantization.
    """
    model = tfl_flatbuffer_utils.read_model(content)
    (graph,) = model.subgraphs
    codes = [model.operatorCodes[operator.opcodeIndex].builtinCode for operator in graph.operators]
    types = [TYPE_NAMES[tensor.type] for tensor in graph.tensors]
    facts: dict[str, Any] = {
        "scheme": scheme,
        "tensors": dict(sorted(Counter(types).items())),
        "operations": len(codes),
    }
    if scheme in INTEGER_BODIES:
        body = INTEGER_BODIES[scheme]
        inner = [op for op, code in zip(graph.operators, codes, strict=True) if code not in SIDES]
        facts[f"{body}_operations"] = sum(any(types[i] == body for i in op.outputs) for op in inner)
        facts["borders"] = _borders(model, codes, _names(original))
    return facts


def _names(original: bytes) -> list[str]:
    (graph,) = tfl_flatbuffer_utils.read_model(original).subgraphs
    return [tensor.name.decode().split(";")[0] for tensor in graph.tensors]


def _borders(model: Any, codes: list[int], names: list[str]) -> dict[str, list[dict[str, Any]]]:
    (graph,) = model.subgraphs
    found: dict[str, list[dict[str, Any]]] = {"in": [], "out": []}
    for operator, code in zip(graph.operators, codes, strict=True):
        # Weights that are turned into floats are no border.
        if code not in SIDES or model.buffers[graph.tensors[operator.inputs[0]].buffer].data is not None:
            continue
        side, ends = SIDES[code], (operator.inputs[0], operator.outputs[0])
        quantization = graph.tensors[ends[1] if side == "in" else ends[0]].quantization
        # The quantizer puts a new tensor behind those of the float model; the other end is one of them.
        name = names[min(ends)]
        scale, zero = float(quantization.scale[0]), int(quantization.zeroPoint[0])
        found[side].append({"tensor": name, "scale": scale, "zero_point": zero})
    return found
