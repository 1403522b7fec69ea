"""What every runtime checks: the artifact's tensors and the caller's tensors against the contract."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from packager.contract import Contract
from packager.errors import ArtifactRefused
from packager.types import Tensors


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One input or output as the artifact declares it; a batch of None is dynamic."""

    shape: tuple[int | None, ...]
    dtype: str


def check_artifact(
    contract: Contract, inputs: Mapping[str, TensorSpec], outputs: Mapping[str, TensorSpec], *, artifact: str
) -> None:
    """Refuse an artifact that does not take and give what the contract says.

    Raises:
        ArtifactRefused: names every tensor that is missing, unknown, or of another shape or type.
    """
    faults = _faults("input", {spec.name: spec.shape for spec in contract.inputs}, inputs)
    faults += _faults("output", {spec.name: spec.shape for spec in contract.outputs}, outputs)
    if faults:
        raise ArtifactRefused(
            f"{artifact} does not fit contract {contract.name} version {contract.version}: "
            f"{'; '.join(faults)}. Export the model again with this contract."
        )


def _faults(role: str, wanted: Mapping[str, tuple[int, ...]], found: Mapping[str, TensorSpec]) -> list[str]:
    faults = [f"{role} {name} is missing" for name in wanted if name not in found]
    faults += [f"{role} {name} is not in the contract" for name in found if name not in wanted]
    for name, shape in wanted.items():
        spec = found.get(name)
        if spec is None:
            continue
        if spec.shape[:1] not in {(1,), (None,)} or spec.shape[1:] != shape[1:]:
            faults.append(f"{role} {name} has shape {spec.shape}, not {shape}")
        if spec.dtype != "float32":
            faults.append(f"{role} {name} is {spec.dtype}, not float32")
    return faults


def check_inputs(contract: Contract, inputs: Tensors) -> int:
    """The number of cases in a caller's inputs.

    Raises:
        ArtifactRefused: an input is missing, has another shape, or the inputs disagree on the number of
            cases.
    """
    cases = {name: len(inputs[name]) for name in inputs if np.ndim(inputs[name])}
    for spec in contract.inputs:
        given = np.shape(inputs[spec.name]) if spec.name in inputs else None
        if given is None or given[1:] != spec.shape[1:]:
            raise ArtifactRefused(
                f"Input {spec.name} must have shape (case, {', '.join(map(str, spec.shape[1:]))}); "
                f"given is {given}."
            )
    if len({cases[spec.name] for spec in contract.inputs}) != 1:
        raise ArtifactRefused(f"Inputs must have the same number of cases; given are {cases}.")
    return cases[contract.inputs[0].name]


def concatenate(contract: Contract, parts: list[Tensors]) -> Tensors:
    """Join the outputs of chunks of cases; no chunk at all gives arrays of zero cases."""
    if not parts:
        return {spec.name: np.zeros((0, *spec.shape[1:]), np.float32) for spec in contract.outputs}
    return {spec.name: np.concatenate([part[spec.name] for part in parts]) for spec in contract.outputs}
