"""Run the model, and replay its golden vectors before trusting it."""

from collections.abc import Mapping
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt

from phone.bundle import MISSHAPEN
from phone.errors import BundleRefused

Tensors = dict[str, npt.NDArray[np.float32]]


class Model:
    """A TFLite model, addressed by its signature: names, never positions.

    `milliseconds` are what each run took.
    """

    def __init__(self, content: bytes, contract: Mapping[str, Any]) -> None:
        """Open it on one thread.

        Raises:
            BundleRefused: the interpreter does not take it.
        """
        from ai_edge_litert.interpreter import Interpreter

        self.milliseconds: list[float] = []
        try:
            self._outputs = {out["name"]: tuple(out["shape"]) for out in contract["outputs"]}
            self._interpreter = Interpreter(model_content=content, num_threads=1)
            self._runner = self._interpreter.get_signature_runner("serving_default")
        except MISSHAPEN as error:
            raise BundleRefused(
                f"LiteRT does not take the model: {type(error).__name__}: {error}."
            ) from error

    def run(self, inputs: Tensors) -> Tensors:
        """Run every case of the leading axis, one after the other: phones' models have a batch of 1.

        Raises:
            BundleRefused: inputs or outputs are not of the contract's names and shapes, or not finite.
        """
        cases = len(next(iter(inputs.values())))
        results = [
            self._one({name: value[case : case + 1] for name, value in inputs.items()})
            for case in range(cases)
        ]
        return {name: np.concatenate([result[name] for result in results]) for name in self._outputs}

    def _one(self, inputs: Tensors) -> Tensors:
        started = perf_counter()
        try:
            outputs: Tensors = self._runner(**inputs)
        except (ValueError, RuntimeError) as error:
            raise BundleRefused(f"The model does not take the contract's inputs: {error}.") from error
        self.milliseconds.append((perf_counter() - started) * 1000)
        for name, shape in self._outputs.items():
            if name not in outputs or outputs[name].shape != shape or not np.isfinite(outputs[name]).all():
                raise BundleRefused(
                    f"The model's output {name} is missing, not of shape {shape}, or not finite."
                )
        return outputs


def replay_golden(model: Model, golden: Mapping[str, Any], contract: Mapping[str, Any]) -> dict[str, float]:
    """Largest absolute difference per output between this device and the machine that built the bundle.

    Raises:
        BundleRefused: above the bundle's tolerance, or the vectors cannot be decoded.
    """
    try:
        outputs = model.run(decode_inputs(golden, contract))
        rows = np.asarray(golden["leads"]) - 1
        differences = {}
        for name, values in outputs.items():
            stored = golden["outputs"][name]
            seen = values[:, rows]
            differences[name] = float(np.abs(seen - _series(stored, seen.shape)).max())
            # The stored value is rounded to its scale: half a step is nobody's fault.
            if not differences[name] <= golden["tolerances"][name] + stored["scale"] / 2:
                raise BundleRefused(
                    f"Golden vectors: {name} differs by {differences[name]:.4g} on this device; "
                    f"{golden['tolerances'][name]:.4g} is allowed. The bundle is not installed."
                )
    except (*MISSHAPEN, MemoryError) as error:
        raise BundleRefused(
            f"The golden vectors cannot be decoded: {type(error).__name__}: {error}."
        ) from error
    return differences


def decode_inputs(golden: Mapping[str, Any], contract: Mapping[str, Any]) -> Tensors:
    """Inputs by contract name, (case, ...): see the descriptions in golden.schema.json."""
    cases, stored = golden["cases"], golden["inputs"]
    tensors: Tensors = {}
    for spec in sorted(contract["inputs"], key=lambda spec: not spec["name"].endswith("_mask")):
        shape = (cases, *spec["shape"][1:-1])
        columns = []
        for index, channel in enumerate(spec["channels"]):
            content = stored[spec["name"]][channel["name"]]
            if isinstance(content, str):
                bits = np.unpackbits(np.frombuffer(bytes.fromhex(content), np.uint8))[: int(np.prod(shape))]
                columns.append(bits.reshape(shape).astype(np.float32))
                continue
            mask = tensors.get(f"{spec['name']}_mask")
            reported = np.ones(shape, bool) if mask is None else mask[..., index] > 0
            column = np.zeros(shape, np.float32)
            column[reported] = _series(content, (int(reported.sum()),))
            columns.append(column)
        tensors[spec["name"]] = np.stack(columns, axis=-1)
    return tensors


def _series(stored: Mapping[str, Any], shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    whole = np.cumsum(np.asarray(stored["differences"], np.int64))
    return np.asarray(whole * float(stored["scale"]), np.float32).reshape(shape)
