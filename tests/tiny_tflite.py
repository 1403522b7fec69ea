"""A real TFLite model of a contract's shape, written without TensorFlow in milliseconds.

Each output is a linear map of the row of the history that has the same
index (the day before yesterday), plus linear maps of site and clock, and of the lead's guidance where the
contract has it; probabilities go through softmax.
"""

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from packager.contract import Contract, Output

OPERATORS = ("FULLY_CONNECTED", "ADD", "MUL", "SOFTMAX", "RESHAPE", "STRIDED_SLICE")
FLOAT, INT32 = schema.TensorType.FLOAT32, schema.TensorType.INT32


def build_tflite(contract: Contract, *, batch: int | None = 1, offset: float = 0.0) -> bytes:
    """The model's bytes; `offset` is added to what every output is computed from, `batch` None is dynamic."""
    graph = _Graph(batch)
    inputs = {spec.name: graph.tensor(spec.name, spec.shape) for spec in contract.inputs}
    pair = [inputs["history"], inputs["history_mask"]]
    reported = graph.operator("MUL", pair, contract.input("history").shape)
    rows = graph.first_rows(reported, contract)
    rng = np.random.default_rng(7)
    outputs = {out.name: _output(graph, contract, out, rows, inputs, rng, offset) for out in contract.outputs}
    return graph.pack(inputs, outputs)


def _output(graph, contract, out: Output, rows, inputs, rng, offset) -> int:
    shape = (1, contract.lead_hours, out.width)
    bias = np.linspace(-1, 1, out.width) * (0.02 if out.name == "cloud_cover" else 1.0) + offset
    value = graph.fully_connected(rows, _history_weights(contract, out, rng), bias, shape)
    if contract.has_guidance:
        known = [inputs["guidance"], inputs["guidance_mask"]]
        known = graph.operator("MUL", known, contract.input("guidance").shape)
        weights = _small_weights(contract, "guidance", out, rng)
        part = graph.fully_connected(known, weights, np.zeros(out.width), shape)
        value = graph.operator("ADD", [value, part], shape, schema.AddOptionsT())
    for name in ("site", "clock"):
        weights = _small_weights(contract, name, out, rng)
        part = graph.fully_connected(inputs[name], weights, np.zeros(out.width), (1, out.width))
        options = schema.AddOptionsT()
        # Rain, speed and cover are not negative.
        if name == "clock" and out.kind == "quantiles" and out.valid_range[0] == 0:
            options.fusedActivationFunction = schema.ActivationFunctionType.RELU
        value = graph.operator("ADD", [value, graph.reshape(part, (1, 1, out.width))], shape, options)
    if out.kind == "probabilities":
        value = graph.operator("SOFTMAX", [value], shape)
    return graph.reshape(value, out.shape, name=f"{out.name}_out")


def _history_weights(contract, out, rng):
    weights = _small_weights(contract, "history", out, rng)
    channels = contract.input("history").channel_names
    sources = {"wind": ["wind_u", "wind_v"], "wind_speed": ["wind_u"] * out.width}
    for number, channel in enumerate(sources.get(out.name, [out.name] * out.width)):
        if channel in channels and out.kind != "probabilities":
            weights[number, channels.index(channel)] += 1
    return weights


def _small_weights(contract, name, out, rng):
    """At most a fifth of a unit per input; equal for all levels, so that quantiles stay ordered."""
    reach = np.array([max(map(abs, channel.valid_range)) for channel in contract.input(name).channels])
    rows = 1 if out.kind == "quantiles" else out.width
    scale = 0.002 if out.name == "cloud_cover" else 0.2
    return np.repeat(rng.uniform(-scale, scale, (rows, len(reach))) / reach, out.width // rows, axis=0)


class _Graph:
    """A flat buffer under construction."""

    def __init__(self, batch: int | None) -> None:
        self.batch = batch
        self.tensors: list = []
        self.buffers = [schema.BufferT()]
        self.operators: list = []

    def tensor(self, name: str, shape: tuple[int, ...], data: np.ndarray | None = None) -> int:
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.buffer = name, list(shape), 0
        tensor.type = INT32 if data is not None and data.dtype == np.int32 else FLOAT
        if data is not None:
            buffer = schema.BufferT()
            buffer.data = list(data.tobytes())
            self.buffers.append(buffer)
            tensor.buffer = len(self.buffers) - 1
        elif self.batch is None:
            tensor.shapeSignature = [-1, *shape[1:]]
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def constant(self, data: np.ndarray) -> int:
        return self.tensor(f"constant_{len(self.tensors)}", data.shape, data)

    def operator(self, kind: str, inputs: list[int], shape: tuple, options=None, name: str = "") -> int:
        made = schema.OperatorT()
        made.opcodeIndex, made.inputs = OPERATORS.index(kind), inputs
        result = self.tensor(name or f"{kind.lower()}_{len(self.tensors)}", shape)
        made.outputs = [result]
        if kind in {"MUL", "SOFTMAX"}:
            options = getattr(schema, f"{kind.title()}OptionsT")()
        if kind == "SOFTMAX":
            options.beta = 1.0
        if options is not None:
            made.builtinOptionsType = getattr(schema.BuiltinOptions, type(options).__name__.removesuffix("T"))
            made.builtinOptions = options
        self.operators.append(made)
        return result

    def fully_connected(self, source: int, weights: np.ndarray, bias: np.ndarray, shape: tuple) -> int:
        options = schema.FullyConnectedOptionsT()
        options.keepNumDims = True
        parts = [source, self.constant(weights.astype(np.float32)), self.constant(bias.astype(np.float32))]
        return self.operator("FULLY_CONNECTED", parts, shape, options)

    def reshape(self, source: int, shape: tuple[int, ...], name: str = "") -> int:
        target = self.constant(np.array([-1, *shape[1:]], np.int32))
        return self.operator("RESHAPE", [source, target], shape, name=name)

    def first_rows(self, source: int, contract: Contract) -> int:
        """The first row for each lead; a history must be at least as long as the leads."""
        shape = (1, contract.lead_hours, len(contract.input("history").channels))
        options = schema.StridedSliceOptionsT()
        options.beginMask = options.endMask = 0b101
        bounds = [np.array(values, np.int32) for values in ([0, 0, 0], [0, shape[1], 0], [1, 1, 1])]
        return self.operator("STRIDED_SLICE", [source, *map(self.constant, bounds)], shape, options)

    def pack(self, inputs: dict[str, int], outputs: dict[str, int]) -> bytes:
        graph = schema.SubGraphT()
        graph.tensors, graph.operators = self.tensors, self.operators
        graph.inputs, graph.outputs = list(inputs.values()), list(outputs.values())
        signature = schema.SignatureDefT()
        signature.signatureKey, signature.subgraphIndex = "serving_default", 0
        signature.inputs, signature.outputs = _maps(inputs), _maps(outputs)
        model = schema.ModelT()
        model.version, model.description = 3, "skyfold test model"
        model.operatorCodes = [_code(kind) for kind in OPERATORS]
        model.subgraphs, model.buffers, model.signatureDefs = [graph], self.buffers, [signature]
        builder = flatbuffers.Builder(4096)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())


def _maps(tensors: dict[str, int]) -> list:
    maps = []
    for name, index in tensors.items():
        entry = schema.TensorMapT()
        entry.name, entry.tensorIndex = name, index
        maps.append(entry)
    return maps


def _code(kind: str):
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = getattr(schema.BuiltinOperator, kind)
    code.version = 1
    return code
