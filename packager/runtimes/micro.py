"""TFLite Micro artifacts on the interpreter that microcontrollers run, compiled for this machine.

Its reference kernels are within a few steps of int8 of LiteRT's, never equal bit for bit; a microcontroller's
own kernels may differ from both as much.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from packager.contract import Contract
from packager.errors import ArtifactRefused, RuntimeUnavailable
from packager.runtimes.interface import TensorSpec, check_artifact, check_inputs, concatenate
from packager.types import Tensors

SOURCE, HEADER = "model.cc", "model.h"
WORD = re.compile(r"0x([0-9a-f]{1,16}),")
WORD_BYTES = 8
NUMBER = r"constexpr std::size_t kSkyfold{name} = (\d+);"


@dataclass(frozen=True, slots=True)
class MicroModel:
    """What the two files of an artifact say: the model, and the arena that was measured, in bytes."""

    content: bytes
    arena_bytes: int


class MicroRuntime:
    """A model read back from its C++ source, run in an arena of just the size that its header states."""

    format = "micro"

    def __init__(self, path: Path, contract: Contract) -> None:
        """Read the source, give the model its arena and check its inputs and outputs.

        Raises:
            ArtifactRefused: unreadable, too large for its arena, with an operation that TFLite Micro has not,
                or not what the contract says.
            RuntimeUnavailable: tflite-micro is not installed.
        """
        self._contract = contract
        model = read_model(path)
        self._interpreter = open_interpreter(model.content, model.arena_bytes)
        self._inputs, self._outputs = border_indexes(model.content)
        details = self._interpreter.get_input_details, self._interpreter.get_output_details
        check_artifact(
            contract,
            {name: _spec(details[0](index)) for name, index in self._inputs.items()},
            {name: _spec(details[1](index)) for name, index in self._outputs.items()},
            artifact=path.name,
        )

    def run(self, inputs: Tensors) -> Tensors:
        """Run every case, one by one."""
        cases = check_inputs(self._contract, inputs)
        return concatenate(self._contract, [self._run(inputs, index) for index in range(cases)])

    def microseconds_per_inference(self, inputs: Tensors, *, repeats: int = 200) -> None:
        """Give None: reference kernels on this processor say nothing about a microcontroller."""

    def _run(self, inputs: Tensors, case: int) -> Tensors:
        for name, index in self._inputs.items():
            self._interpreter.set_input(
                np.ascontiguousarray(inputs[name][case : case + 1], np.float32), index
            )
        self._interpreter.invoke()
        return {name: self._interpreter.get_output(index) for name, index in self._outputs.items()}


def read_model(path: Path) -> MicroModel:
    """The model in an artifact's `model.cc`, and the arena in its `model.h`.

    Raises:
        ArtifactRefused: a file is missing, or is not what the exporter writes.
    """
    try:
        source, header = (path / SOURCE).read_text(), (path / HEADER).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ArtifactRefused(
            f"{path.name} is not a folder with a readable {SOURCE} and {HEADER}: {error}. Export it again."
        ) from error
    words = np.array([int(word, 16) for word in WORD.findall(source)], "<u8").tobytes()
    size, arena = _number(header, "ModelBytes"), _number(header, "ArenaBytes")
    if not 0 <= len(words) - size < WORD_BYTES:
        raise ArtifactRefused(f"{SOURCE} holds {len(words)} bytes and {HEADER} says {size}. Export it again.")
    return MicroModel(words[:size], arena)


def _number(header: str, name: str) -> int:
    found = re.search(NUMBER.format(name=name), header)
    if not found:
        raise ArtifactRefused(f"{HEADER} does not say kSkyfold{name}. Export it again.")
    return int(found[1])


def open_interpreter(content: bytes, arena_bytes: int) -> Any:
    """An interpreter with its tensors allocated.

    Raises:
        ArtifactRefused: not a model, too small an arena, or an operation that TFLite Micro has not.
        RuntimeUnavailable: tflite-micro is not installed.
    """
    try:
        from tflite_micro.python.tflite_micro import runtime
    except ImportError as error:
        raise RuntimeUnavailable(
            "TFLite Micro artifacts run on the package tflite-micro; install it."
        ) from error
    if content[4:8] != b"TFL3":
        raise ArtifactRefused(f"{SOURCE} holds no TFLite model. Export it again.")
    try:
        return runtime.Interpreter.from_bytes(content, arena_size=arena_bytes)
    except RuntimeError as error:
        raise ArtifactRefused(
            f"TFLite Micro cannot run the model in an arena of {arena_bytes} bytes: {error}. "
            "Its log says what it missed; export the model again."
        ) from error


def border_indexes(content: bytes) -> tuple[dict[str, int], dict[str, int]]:
    """Place of each input and of each output in the interpreter, by the name in the model's signature."""
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(bytearray(content)))
    (graph,), (signature,) = model.subgraphs, model.signatureDefs
    inputs, outputs = (
        {item.name.decode(): list(places).index(item.tensorIndex) for item in side}
        for side, places in ((signature.inputs, graph.inputs), (signature.outputs, graph.outputs))
    )
    return inputs, outputs


def _spec(detail: dict[str, Any]) -> TensorSpec:
    return TensorSpec(tuple(int(size) for size in detail["shape"]), np.dtype(detail["dtype"]).name)
