"""The contract: what goes into and comes out of every model, as data.

The document (`contract.json`, checked by `contract.schema.json`) is the only place that states shapes,
names, units and valid ranges. Code asks a `Contract` for them. A bundle carries its contract, so that an app
can check that it feeds what the model expects. `contract.guidance.json` is an optional group of inputs: with
it the document is another contract, of another version and digest.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import jsonschema

from packager.errors import ContractInvalid

HERE = Path(__file__).parent
REFERENCE_CONTRACT = HERE / "contract.json"
GUIDANCE_GROUP = HERE / "contract.guidance.json"
SCHEMA = HERE / "contract.schema.json"
# The channels of the guidance group, in order: °C, °C, hPa, m/s, m/s, mm in the preceding hour, 0–1.
GUIDANCE_VARIABLES = (
    "temperature",
    "dew_point",
    "pressure_msl",
    "wind_u",
    "wind_v",
    "precipitation",
    "cloud_cover",
)


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel of an input tensor."""

    name: str
    standard_name: str
    units: str
    valid_range: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Input:
    """One input tensor; `shape` has the batch of 1 in front."""

    name: str
    shape: tuple[int, ...]
    channels: tuple[Channel, ...]

    @property
    def channel_names(self) -> tuple[str, ...]:
        """Names of the channels in order."""
        return tuple(channel.name for channel in self.channels)


@dataclass(frozen=True, slots=True)
class Output:
    """One output tensor; `shape` has the batch of 1 in front and leads second.

    `kind` is quantiles (levels on the last axis), median (no last axis), vector_median (two components on
    the last axis) or probabilities (classes on the last axis; `ordered` ones have `thresholds` between
    them).
    """

    name: str
    kind: str
    standard_name: str
    units: str
    valid_range: tuple[float, float]
    shape: tuple[int, ...]
    levels: tuple[float, ...] = ()
    classes: tuple[str, ...] = ()
    thresholds: tuple[float, ...] = ()
    ordered: bool = False

    @property
    def width(self) -> int:
        """Numbers per lead."""
        return self.shape[2] if len(self.shape) > 2 else 1


Named = TypeVar("Named", Input, Output)


@dataclass(frozen=True)
class Contract:
    """A checked contract document."""

    name: str
    version: int
    history_hours: int
    lead_hours: int
    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...]
    document: Mapping[str, Any]

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical document; two bundles with the same digest take the same inputs."""
        return hashlib.sha256(canonical_json(self.document)).hexdigest()

    def input(self, name: str) -> Input:
        """The input of that name; KeyError names the known ones."""
        return _by_name(self.inputs, name)

    def output(self, name: str) -> Output:
        """The output of that name; KeyError names the known ones."""
        return _by_name(self.outputs, name)

    def has_input(self, name: str) -> bool:
        """Whether the contract has this (perhaps optional) input group."""
        return any(spec.name == name for spec in self.inputs)

    @property
    def has_guidance(self) -> bool:
        """Whether the optional group of guidance is among the inputs."""
        return self.has_input("guidance")

    def takes_inputs_of(self, other: "Contract") -> bool:
        """Whether inputs made for another contract serve this one too; guidance may be missing or left."""
        return _needed_inputs(self) == _needed_inputs(other)


def canonical_json(document: Any) -> bytes:
    """JSON with sorted keys and no spaces: equal documents have equal bytes."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def read_contract(path: Path) -> Contract:
    """Read and check a contract document from a file.

    Raises:
        ContractInvalid: not JSON, not what the schema asks for, or inconsistent with itself.
    """
    try:
        document = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ContractInvalid(f"{path.name} is not a readable JSON document: {error}") from error
    return parse_contract(document)


def parse_contract(document: Mapping[str, Any]) -> Contract:
    """Check a contract document and give it types.

    Raises:
        ContractInvalid: not what the schema asks for, or inconsistent with itself.
    """
    _check_schema(document)
    contract = Contract(
        name=document["contract"],
        version=document["version"],
        history_hours=document["history_hours"],
        lead_hours=document["lead_hours"],
        inputs=tuple(_parse_input(item) for item in document["inputs"]),
        outputs=tuple(_parse_output(item) for item in document["outputs"]),
        document=document,
    )
    _check_consistency(contract)
    return contract


@cache
def reference_contract() -> Contract:
    """The contract that the reference dataset fulfils."""
    return read_contract(REFERENCE_CONTRACT)


@cache
def contract_with_guidance() -> Contract:
    """The reference contract and the optional group: a numerical model's forecast for the site, per lead."""
    group = json.loads(GUIDANCE_GROUP.read_text())
    reference = reference_contract().document
    inputs = [*reference["inputs"], *group["inputs"]]
    return parse_contract({**reference, "version": group["version"], "inputs": inputs})


@cache
def _validator() -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text()))


def _check_schema(document: Any) -> None:
    error = jsonschema.exceptions.best_match(_validator().iter_errors(document))
    if error is not None:
        where = "/".join(str(part) for part in error.absolute_path) or "the document"
        raise ContractInvalid(f"Contract: {where}: {error.message}. See packager/contract.schema.json.")


def _parse_input(item: Mapping[str, Any]) -> Input:
    channels = tuple(
        Channel(c["name"], c["standard_name"], c["units"], _pair(c["valid_range"])) for c in item["channels"]
    )
    return Input(name=item["name"], shape=tuple(item["shape"]), channels=channels)


def _parse_output(item: Mapping[str, Any]) -> Output:
    return Output(
        name=item["name"],
        kind=item["kind"],
        standard_name=item["standard_name"],
        units=item["units"],
        valid_range=_pair(item["valid_range"]),
        shape=tuple(item["shape"]),
        levels=tuple(item.get("levels", ())),
        classes=tuple(item.get("classes", ())),
        thresholds=tuple(item.get("thresholds", ())),
        ordered=item.get("ordered", False),
    )


def _pair(values: list[float]) -> tuple[float, float]:
    low, high = values
    return float(low), float(high)


def _check_consistency(contract: Contract) -> None:
    for spec in contract.inputs:
        if spec.shape[0] != 1 or spec.shape[-1] != len(spec.channels):
            raise ContractInvalid(
                f"Contract: input {spec.name} has shape {spec.shape} and {len(spec.channels)} channels; "
                "the batch must be 1 and the last dimension the number of channels."
            )
    _check_masks(contract)
    for out in contract.outputs:
        widths = [len(part) for part in (out.levels, out.classes) if part]
        if out.shape[:2] != (1, contract.lead_hours) or any(width != out.width for width in widths):
            raise ContractInvalid(
                f"Contract: output {out.name} has shape {out.shape}; it must start with "
                f"1, {contract.lead_hours} and end with the number of its levels or classes."
            )
        if any(later <= earlier for earlier, later in zip(out.levels, out.levels[1:], strict=False)):
            raise ContractInvalid(f"Contract: the levels of {out.name} must increase; they are {out.levels}.")


def _needed_inputs(contract: Contract) -> dict[str, Input]:
    return {spec.name: spec for spec in contract.inputs if spec.name not in ("guidance", "guidance_mask")}


def _check_masks(contract: Contract) -> None:
    """A mask says of each number of its group whether it is there; guidance is given per lead."""
    for spec in contract.inputs:
        group = spec.name.removesuffix("_mask")
        if group == spec.name:
            continue
        whole = contract.input(group) if contract.has_input(group) else None
        if whole is None or (whole.shape, whole.channel_names) != (spec.shape, spec.channel_names):
            raise ContractInvalid(
                f"Contract: input {spec.name} has shape {spec.shape}; it needs an input {group} with the "
                "same shape and channels."
            )
    if contract.has_input("guidance"):
        guidance = contract.input("guidance")
        if not contract.has_input("guidance_mask") or guidance.shape[1:-1] != (contract.lead_hours,):
            raise ContractInvalid(
                f"Contract: input guidance has shape {guidance.shape}; it needs a guidance_mask beside it "
                f"and one row per lead, {contract.lead_hours}."
            )


def _by_name(specs: tuple[Named, ...], name: str) -> Named:
    for spec in specs:
        if spec.name == name:
            return spec
    raise KeyError(f"{name!r} is not in the contract; it has {', '.join(spec.name for spec in specs)}.")
