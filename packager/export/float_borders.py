"""Give an int8 TFLite model float inputs and outputs: the tensors of the contract are float32."""

import copy
from collections import Counter
from typing import Any

import flatbuffers
from ai_edge_litert import schema_py_generated as schema

FILE_IDENTIFIER = b"TFL3"
FLOAT, INTEGER = schema.TensorType.FLOAT32, (schema.TensorType.INT8, schema.TensorType.INT16)


def with_float_borders(content: bytes) -> bytes:
    """Put QUANTIZE behind every integer input, and DEQUANTIZE before every integer output.

    Args:
        content: a TFLite model of one subgraph.

    Returns:
        The same model with float32 inputs and outputs of the same names; unchanged where they are float.
    """
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    (graph,) = model.subgraphs
    quantize = [_float_input(model, graph, index) for index in graph.inputs if _is_integer(graph, index)]
    dequantize = [_float_output(model, graph, index) for index in graph.outputs if _is_integer(graph, index)]
    if not quantize and not dequantize:
        return content
    graph.operators = [*quantize, *graph.operators, *dequantize]
    builder = flatbuffers.Builder(len(content))
    builder.Finish(model.Pack(builder), FILE_IDENTIFIER)
    return bytes(builder.Output())


def tensor_types(content: bytes) -> dict[str, int]:
    """How many tensors of each type a TFLite model holds."""
    names = {value: name.lower() for name, value in vars(schema.TensorType).items() if name.isupper()}
    (graph,) = schema.ModelT.InitFromPackedBuf(content, 0).subgraphs
    return dict(sorted(Counter(names[tensor.type] for tensor in graph.tensors).items()))


def _is_integer(graph: Any, index: int) -> bool:
    return graph.tensors[index].type in INTEGER


def _float_input(model: Any, graph: Any, index: int) -> Any:
    """The caller's tensor, now float, and the operation that rounds it for those who read it."""
    border = _float_twin(graph, index)
    graph.inputs = [border if i == index else i for i in graph.inputs]
    _rename(model, index, border, "inputs")
    return _operation(model, schema.BuiltinOperator.QUANTIZE, border, index)


def _float_output(model: Any, graph: Any, index: int) -> Any:
    border = _float_twin(graph, index)
    graph.outputs = [border if i == index else i for i in graph.outputs]
    _rename(model, index, border, "outputs")
    return _operation(model, schema.BuiltinOperator.DEQUANTIZE, index, border)


def _float_twin(graph: Any, index: int) -> int:
    twin = copy.copy(graph.tensors[index])
    twin.type, twin.quantization, twin.buffer = FLOAT, None, 0
    twin.name = twin.name + b"_float"
    graph.tensors.append(twin)
    return len(graph.tensors) - 1


def _rename(model: Any, old: int, new: int, side: str) -> None:
    """Let the signature's name stand for the new tensor."""
    for signature in model.signatureDefs:
        for item in getattr(signature, side):
            if item.tensorIndex == old:
                item.tensorIndex = new


def _operation(model: Any, code: int, given: int, made: int) -> Any:
    operator = schema.OperatorT()
    operator.opcodeIndex = _code_index(model, code)
    operator.inputs, operator.outputs = [given], [made]
    return operator


def _code_index(model: Any, code: int) -> int:
    for index, known in enumerate(model.operatorCodes):
        if known.builtinCode == code:
            return index
    made = schema.OperatorCodeT()
    made.builtinCode, made.deprecatedBuiltinCode, made.version = code, code, 1
    model.operatorCodes.append(made)
    return len(model.operatorCodes) - 1
