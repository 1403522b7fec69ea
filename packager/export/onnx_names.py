"""Give an ONNX graph names and an order that depend on the graph alone.

tf2onnx numbers its nodes and values differently in every run, and the quantizer names what it adds after
them. Here operations are walked from the outputs back to the inputs, which is the same walk for the same
graph, and everything is named in that order.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import onnx

from packager.contract import Contract
from packager.errors import ConversionFailed

# Of the form in which ONNX 1.12 and newer, with operations of set 17, write a file.
IR_VERSION = 8


def canonical_model(model: Any, contract: Contract) -> Any:
    """The same computation as a new model: equal graphs give equal bytes.

    Args:
        model: `onnx.ModelProto` with the contract's inputs and outputs; it is not changed.
        contract: gives the order of inputs and outputs.

    Raises:
        ConversionFailed: an output of the contract is missing, or comes from nowhere.
    """
    graph = onnx.GraphProto(name=contract.name)
    borders = {item.name: item for item in (*model.graph.input, *model.graph.output)}
    specs: list[Any] = [*contract.inputs, *contract.outputs]
    missing = [spec.name for spec in specs if spec.name not in borders]
    if missing:
        raise ConversionFailed(f"The ONNX model has no {', '.join(missing)}; convert it with this contract.")
    graph.input.extend(_border(spec) for spec in contract.inputs)
    graph.output.extend(_border(spec) for spec in contract.outputs)
    constants = {item.name: item for item in model.graph.initializer}
    names = _Names([spec.name for spec in specs])
    for node in _ordered(model, [spec.name for spec in contract.outputs], constants):
        for value in node.input:
            if value in constants and not names.has(value):
                graph.initializer.append(names.constant(value, constants[value]))
        graph.node.append(names.node(node))
    # A constant that two values share was appended twice under one name.
    unique = {item.name: item for item in graph.initializer}
    del graph.initializer[:]
    graph.initializer.extend(unique.values())
    # Other sets of operations than the standard one are listed by the converter and used by nobody.
    operations = [item for item in model.opset_import if item.domain in {"", *(n.domain for n in graph.node)}]
    return onnx.ModelProto(ir_version=IR_VERSION, graph=graph, opset_import=sorted(operations, key=_domain))


def _domain(item: Any) -> str:
    return str(item.domain)


def _border(spec: Any) -> Any:
    return onnx.helper.make_tensor_value_info(spec.name, onnx.TensorProto.FLOAT, list(spec.shape))


def _ordered(model: Any, outputs: list[str], constants: Mapping[str, Any]) -> Iterator[Any]:
    """Operations, each after those that it reads: depth first from the outputs, in their order."""
    makers = {value: node for node in model.graph.node for value in node.output}
    given = {item.name for item in model.graph.input} | set(constants) | {""}
    done: set[str] = set(given)
    stack = list(reversed(outputs))
    while stack:
        value = stack[-1]
        if value in done:
            stack.pop()
            continue
        if value not in makers:
            raise ConversionFailed(f"Value {value} of the ONNX model comes from nowhere; convert it again.")
        waiting = [name for name in makers[value].input if name not in done]
        if waiting:
            stack.extend(reversed(waiting))
            continue
        done.update(makers[value].output)
        yield makers[value]


class _Names:
    """Short names in the order of first use; inputs and outputs of the model keep theirs."""

    def __init__(self, kept: list[str]) -> None:
        self._short = {name: name for name in kept} | {"": ""}
        self._same: dict[bytes, str] = {}
        self._nodes = self._values = 0

    def has(self, value: str) -> bool:
        """Whether a value has its name already."""
        return value in self._short

    def constant(self, value: str, tensor: Any) -> Any:
        """A copy of a constant under its new name; equal constants share one."""
        copy = onnx.TensorProto()
        copy.CopyFrom(tensor)
        copy.name, copy.doc_string = "", ""
        key = copy.SerializeToString(deterministic=True)
        copy.name = self._same.setdefault(key, f"c{len(self._same)}")
        self._short[value] = copy.name
        return copy

    def node(self, node: Any) -> Any:
        """A copy of an operation with new names of its values, its attributes in order."""
        self._nodes += 1
        for value in node.output:
            if value not in self._short:
                self._values += 1
                self._short[value] = f"v{self._values}"
        copy = onnx.NodeProto(op_type=node.op_type, domain=node.domain, name=f"n{self._nodes}")
        copy.input.extend(self._short[value] for value in node.input)
        copy.output.extend(self._short[value] for value in node.output)
        copy.attribute.extend(sorted(node.attribute, key=_attribute))
        return copy


def _attribute(item: Any) -> str:
    return str(item.name)
