"""Golden vectors: inputs with the outputs that the artifact gave, small enough to travel in every bundle.

A device replays them before it trusts a bundle: the digest says that the bytes arrived, golden vectors say
that the device computes with them what the builder's machine computed. `golden.schema.json` tells how to
decode them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from packager.contract import Contract, Input, Output
from packager.dataset.windows import Windows
from packager.errors import ArtifactRefused, BundleInvalid
from packager.types import FloatArray, IntArray, Tensors

LEADS = (1, 6, 24, 48)
MIN_CASES = 16
# A series is stored in steps of a tenth of its spread and an answer in a fifth of its tolerance: fine enough
# for weather, and few. Golden vectors travel in every bundle.
SERIES_STEPS, SCALAR_STEPS, TOLERANCE_STEPS = 10, 1024, 5
# A retrained artifact's output within this share of the tolerance keeps the released value; a device has the
# rest of the tolerance for its own arithmetic.
KEPT_SHARE = 0.5
# Cases are picked among at most so many windows, evenly spaced.
CANDIDATES = 4000


class Runs(Protocol):
    """What golden vectors need of a runtime."""

    def run(self, inputs: Tensors) -> Tensors:
        """Outputs by contract name, cases first."""


@dataclass(frozen=True)
class GoldenReport:
    """Largest absolute difference per output, in its units, over all cases and stored leads."""

    cases: int
    max_abs_difference: Mapping[str, float]


def make_golden(
    runtime: Runs,
    windows: Windows,
    contract: Contract,
    *,
    cases: int = MIN_CASES,
    tolerances: Mapping[str, float],
    released: Mapping[str, Any] | None = None,
    leads: tuple[int, ...] = LEADS,
) -> dict[str, Any]:
    """Pick diverse cases, run them, and write down inputs and outputs.

    Inputs are rounded first, so that a device feeds exactly what was fed here.

    Args:
        runtime: runs the artifact that the bundle will hold.
        windows: held-out cases to choose from.
        contract: names and shapes.
        cases: how many, at least 16.
        tolerances: largest absolute difference allowed on a device, for every output, in its units.
        released: the golden vectors of the bundle that this one was retrained from. Its cases are asked
            again, and an output that is near its stored value keeps it: a patch between the two is small.
        leads: hours whose answers are stored, of those that the contract and the released vectors have; all
            of them where there is none.

    Returns:
        A document as in golden.schema.json.

    Raises:
        ArtifactRefused: the artifact's outputs are not of the contract's shape, or not finite.
        BundleInvalid: the released vectors cannot be decoded with this contract.
        ValueError: too few windows, or a tolerance is missing.
    """
    _check_asked(windows, cases, contract, tolerances)
    asked = dict(_same_questions(released) if released else _questions(windows, contract, cases))
    outputs = _run(runtime, _decode_inputs(asked["inputs"], contract, asked["cases"]), contract)
    stored, kept = asked["leads"], decode_golden(released, contract)[1] if released else {}
    asked["leads"] = [lead for lead in stored if lead in leads] or stored
    at = [stored.index(lead) for lead in asked["leads"]]
    answers = {
        name: _answer(
            _at_leads(values, asked["leads"]), kept[name][:, at] if kept else None, tolerances[name]
        )
        for name, values in outputs.items()
    }
    return {
        "golden": 1,
        "contract_sha256": contract.digest,
        "tolerances": {name: float(value) for name, value in tolerances.items()},
        "outputs": answers,
        **asked,
    }


def _check_asked(windows: Windows, cases: int, contract: Contract, tolerances: Mapping[str, float]) -> None:
    if len(windows) < cases:
        raise ValueError(f"{len(windows)} windows were given; {cases} golden cases need at least as many.")
    missing = {out.name for out in contract.outputs} ^ set(tolerances)
    if missing:
        raise ValueError(f"Tolerances must be given for each output and no other; wrong: {sorted(missing)}.")


def _answer(seen: FloatArray, known: FloatArray | None, tolerance: float) -> dict[str, Any]:
    """An output as it is stored; where it is near what was released, that."""
    if known is not None:
        seen = np.where(np.abs(seen - known) <= KEPT_SHARE * tolerance, known, seen)
    return _encode_series(seen, _step(tolerance / TOLERANCE_STEPS))


def _questions(windows: Windows, contract: Contract, cases: int) -> dict[str, Any]:
    chosen = choose_cases(windows, contract, cases)
    inputs = {spec.name: windows.inputs[spec.name][chosen] for spec in contract.inputs}
    return {
        "cases": cases,
        "origin": [[int(windows.station[i]), int(windows.init_hour[i])] for i in chosen],
        "leads": [lead for lead in LEADS if lead <= contract.lead_hours],
        "inputs": _encode_inputs(inputs, contract),
    }


def _same_questions(released: Mapping[str, Any]) -> dict[str, Any]:
    return {key: released[key] for key in ("cases", "origin", "leads", "inputs") if key in released}


def replay_golden(runtime: Runs, golden: Mapping[str, Any], contract: Contract) -> GoldenReport:
    """Run the stored inputs and compare with the stored outputs.

    Raises:
        BundleInvalid: the vectors cannot be decoded with this contract.
        ArtifactRefused: wrong shapes, numbers that are not finite, or a difference above its tolerance.
    """
    inputs, expected = decode_golden(golden, contract)
    outputs = _run(runtime, inputs, contract)
    differences: dict[str, float] = {}
    for name, values in expected.items():
        seen = np.abs(_at_leads(outputs[name], golden["leads"]) - values)
        differences[name] = float(seen.max())
        _check_tolerance(name, seen, golden)
    return GoldenReport(cases=golden["cases"], max_abs_difference=differences)


def decode_golden(golden: Mapping[str, Any], contract: Contract) -> tuple[Tensors, Tensors]:
    """Inputs by contract name, (case, ...), and outputs at the stored leads, (case, stored lead[, number]).

    Raises:
        BundleInvalid: a tensor or tolerance is missing, or has too few or many values.
    """
    names = {out.name for out in contract.outputs}
    if set(golden["outputs"]) != names or set(golden["tolerances"]) != names:
        raise BundleInvalid(
            f"The golden vectors have outputs {sorted(golden['outputs'])} and tolerances "
            f"{sorted(golden['tolerances'])}; the contract has {sorted(names)}. Make them again."
        )
    if golden["leads"] != sorted(set(golden["leads"])) or golden["leads"][-1] > contract.lead_hours:
        raise BundleInvalid(
            f"The golden vectors have leads {golden['leads']}; they must increase to {contract.lead_hours}."
        )
    cases = golden["cases"]
    outputs = {
        out.name: _decode_series(
            golden["outputs"][out.name], (cases, len(golden["leads"]), *out.shape[2:]), out.name
        )
        for out in contract.outputs
    }
    return _decode_inputs(golden["inputs"], contract, cases), outputs


def choose_cases(windows: Windows, contract: Contract, count: int) -> IntArray:
    """Windows that differ most from each other in place, season, hour, weather and missing data.

    Farthest-point sampling (Gonzalez 1985, doi:10.1016/0304-3975(85)90224-5) over standardised summaries of
    the inputs, started at the window with the most missing data: the same choice each time.

    Returns:
        (count,) indices into windows, increasing.
    """
    total = len(windows)
    pool = np.unique(np.linspace(0, total - 1, min(total, max(CANDIDATES, count))).astype(int))
    parts = []
    for spec in contract.inputs:
        values = windows.inputs[spec.name][pool]
        parts.append(values if values.ndim == 2 else values.mean(axis=1))
    features = np.concatenate(parts, axis=1, dtype=np.float64)
    spread = features.std(axis=0)
    features = (features - features.mean(axis=0)) / np.where(spread > 0, spread, 1)
    chosen = [int(np.argmin(_reported(windows, contract, pool)))]
    distance = np.full(len(pool), np.inf)
    while len(chosen) < count:
        distance = np.minimum(distance, np.square(features - features[chosen[-1]]).sum(axis=1))
        distance[chosen] = -1  # never the same window twice, also where windows are equal
        chosen.append(int(np.argmax(distance)))
    return np.sort(pool[chosen])


def _reported(windows: Windows, contract: Contract, pool: IntArray) -> FloatArray:
    masks = [windows.inputs[spec.name][pool] for spec in contract.inputs if spec.name.endswith("_mask")]
    return sum((mask.mean(axis=(1, 2)) for mask in masks), np.zeros(len(pool)))


def _run(runtime: Runs, inputs: Tensors, contract: Contract) -> Tensors:
    outputs = runtime.run(inputs)
    cases = len(next(iter(inputs.values())))
    return {out.name: _checked(outputs, out, cases) for out in contract.outputs}


def _checked(outputs: Tensors, out: Output, cases: int) -> FloatArray:
    wanted = (cases, *out.shape[1:])
    if out.name not in outputs or outputs[out.name].shape != wanted:
        seen = outputs[out.name].shape if out.name in outputs else f"only {', '.join(sorted(outputs))}"
        raise ArtifactRefused(
            f"The artifact gives {seen} where output {out.name} with shape {wanted} is due. "
            "Export it for this contract."
        )
    if not np.isfinite(outputs[out.name]).all():
        raise ArtifactRefused(
            f"The artifact's output {out.name} is not finite on the golden inputs. Build it again."
        )
    return np.asarray(outputs[out.name], dtype=np.float64)


def _check_tolerance(name: str, seen: FloatArray, golden: Mapping[str, Any]) -> None:
    # The stored value is itself rounded: half a step of it is nobody's fault.
    allowed = golden["tolerances"][name] + golden["outputs"][name]["scale"] / 2
    if seen.max() > allowed:
        case, lead, *_ = np.unravel_index(int(seen.argmax()), seen.shape)
        raise ArtifactRefused(
            f"Golden vectors: {name} differs by {seen.max():.4g} in case {case} at lead "
            f"{golden['leads'][lead]} h; {golden['tolerances'][name]:.4g} is allowed. "
            "The artifact, or the engine that runs it, is not what was built: do not install it."
        )


def _at_leads(values: FloatArray, leads: list[int]) -> FloatArray:
    return values[:, np.asarray(leads) - 1]


def _step(limit: float) -> float:
    """The largest of 1, 2, 5 × a power of ten that is not above the limit."""
    power = 10.0 ** np.floor(np.log10(limit))
    factor = max(factor for factor in (1, 2, 5) if factor * power <= limit * (1 + 1e-9))
    return float(f"{factor * power:.6g}")


def _encode_series(values: FloatArray, scale: float) -> dict[str, Any]:
    steps = np.rint(values.astype(np.float64).ravel() / scale).astype(np.int64)
    return {"scale": scale, "differences": np.diff(steps, prepend=0).tolist()}


def _decode_series(series: Mapping[str, Any], shape: tuple[int, ...], name: str) -> FloatArray:
    differences = np.asarray(series["differences"], dtype=np.int64)
    if differences.size != np.prod(shape):
        raise BundleInvalid(
            f"The golden vectors hold {differences.size} numbers of {name}; {int(np.prod(shape))} are due. "
            "Make them again."
        )
    return np.asarray(np.cumsum(differences) * float(series["scale"]), dtype=np.float32).reshape(shape)


def _encode_inputs(inputs: Tensors, contract: Contract) -> dict[str, Any]:
    return {
        spec.name: {
            name: _encode_channel(inputs, spec, index, contract)
            for index, name in enumerate(spec.channel_names)
        }
        for spec in contract.inputs
    }


def _encode_channel(inputs: Tensors, spec: Input, index: int, contract: Contract) -> Any:
    values = inputs[spec.name][..., index]
    if spec.name.endswith("_mask"):
        return np.packbits(values.astype(bool)).tobytes().hex()
    if contract.has_input(f"{spec.name}_mask"):
        values = values[inputs[f"{spec.name}_mask"][..., index].astype(bool)]
    spread = float(values.std()) if values.size else 0.0
    parts = SERIES_STEPS if len(spec.shape) > 2 else SCALAR_STEPS
    return _encode_series(values, _step(spread / parts if spread else 0.1))


def _decode_inputs(encoded: Mapping[str, Any], contract: Contract, cases: int) -> Tensors:
    for spec in contract.inputs:
        if tuple(sorted(encoded.get(spec.name, ()))) != tuple(sorted(spec.channel_names)):
            raise BundleInvalid(
                f"The golden vectors have channels {sorted(encoded.get(spec.name, ()))} of input "
                f"{spec.name}; the contract has {sorted(spec.channel_names)}. Make them again."
            )
    ordered = sorted(contract.inputs, key=lambda spec: not spec.name.endswith("_mask"))
    tensors: Tensors = {}
    for spec in ordered:
        shape = (cases, *spec.shape[1:-1])
        channels = [
            _decode_channel(encoded[spec.name][name], shape, tensors.get(f"{spec.name}_mask"), index, name)
            for index, name in enumerate(spec.channel_names)
        ]
        tensors[spec.name] = np.stack(channels, axis=-1)
    return tensors


def _decode_channel(
    stored: Any, shape: tuple[int, ...], mask: FloatArray | None, index: int, name: str
) -> FloatArray:
    size = int(np.prod(shape))
    if isinstance(stored, str):
        bits = np.unpackbits(np.frombuffer(bytes.fromhex(stored), dtype=np.uint8))
        if not size <= bits.size < size + 8:
            raise BundleInvalid(f"The golden vectors have {bits.size} mask bits of {name}; {size} are due.")
        return bits[:size].astype(np.float32).reshape(shape)
    if mask is None:
        return _decode_series(stored, shape, name)
    reported = mask[..., index] > 0
    values = np.zeros(shape, dtype=np.float32)
    values[reported] = _decode_series(stored, (int(reported.sum()),), name)
    return values
