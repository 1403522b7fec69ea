"""The side file: which of a model's tensors is which of the contract's, in which shape and units.

`NAME.contract.json` beside the model, checked by `contract.schema.json` and against the contract. See
`docs/teachers.md`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema

from packager.contract import Contract, Input, Output
from packager.errors import TeacherRefused
from packager.teacher.foreign.units import Conversion, conversion

SCHEMA = Path(__file__).parent / "contract.schema.json"
SUFFIX = ".contract.json"
# A model's own name of a tensor, or its position.
Place = str | int


@dataclass(frozen=True, slots=True)
class InputMapping:
    """One input of the model, made of the contract's input `name`.

    Attributes:
        name: the contract's.
        place: the model's.
        channels: indexes of the contract's channels, in the model's order.
        conversions: from the contract's units to the model's, one per channel.
    """

    name: str
    place: Place
    channels: tuple[int, ...]
    conversions: tuple[Conversion, ...]


@dataclass(frozen=True, slots=True)
class OutputMapping:
    """One output of the model: the contract's output `spec`; `conversion` is to the contract's units."""

    spec: Output
    place: Place
    conversion: Conversion


@dataclass(frozen=True, slots=True)
class TeacherContract:
    """A side file that fits a contract."""

    inputs: tuple[InputMapping, ...]
    outputs: tuple[OutputMapping, ...]
    ignored: tuple[Place, ...]
    signature: str
    missing_is_nan: bool
    document: Mapping[str, Any]


def own_name(place: Place, names: Sequence[str]) -> str:
    """The model's own name of a tensor that may be given by its position."""
    return names[place] if isinstance(place, int) else place


def by_place(given: Mapping[str, Any]) -> dict[Place, Any]:
    """Tensors by name and by position: a side file uses whichever the format has."""
    found: dict[Place, Any] = dict(enumerate(given.values()))
    found.update(given)
    return found


def side_file_of(model: Path) -> Path:
    """Where the side file of a model lies when none is named: `teacher.onnx` has `teacher.contract.json`."""
    return model.with_name((model.name if model.is_dir() else model.stem) + SUFFIX)


def read_teacher_contract(path: Path, contract: Contract) -> TeacherContract:
    """Read a side file and check it.

    Raises:
        TeacherRefused: missing, not JSON, or not what `parse_teacher_contract` takes.
    """
    try:
        document = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise TeacherRefused(
            f"{path} does not exist. A model from elsewhere needs a side file that says which of its tensors "
            "is which of the contract's, in which units: write it as docs/teachers.md shows, as "
            f"NAME{SUFFIX} "
            "beside the model, or name it on the command line."
        ) from error
    except (OSError, ValueError) as error:
        raise TeacherRefused(f"{path.name} is not a readable JSON document: {error}. Correct it.") from error
    return parse_teacher_contract(document, contract)


def parse_teacher_contract(document: Any, contract: Contract) -> TeacherContract:
    """Check a side file's document against its schema and against the contract.

    Raises:
        TeacherRefused: names what was given, what is allowed and what to do.
    """
    _check_schema(document)
    if document["contract"] != contract.name:
        raise TeacherRefused(
            f"The side file is for contract {document['contract']!r}; the data here have {contract.name!r}. "
            "Use a model of this contract, or correct the name."
        )
    _check_names("output", document["outputs"], [spec.name for spec in contract.outputs], all_needed=True)
    _check_names("input", document["inputs"], [spec.name for spec in contract.inputs], all_needed=False)
    return TeacherContract(
        inputs=tuple(
            _input(contract.input(name), item, contract) for name, item in document["inputs"].items()
        ),
        outputs=tuple(_output(spec, document["outputs"][spec.name], contract) for spec in contract.outputs),
        ignored=tuple(document.get("ignored_outputs", ())),
        signature=document.get("signature", "serving_default"),
        missing_is_nan=document.get("missing", "zero") == "nan",
        document=document,
    )


@cache
def _validator() -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text()))


def _check_schema(document: Any) -> None:
    error = jsonschema.exceptions.best_match(_validator().iter_errors(document))
    if error is not None:
        where = "/".join(str(part) for part in error.absolute_path) or "the document"
        raise TeacherRefused(
            f"Side file: {where}: {error.message}. "
            "See packager/teacher/foreign/contract.schema.json and docs/teachers.md."
        )


def _check_names(role: str, given: Mapping[str, Any], known: Sequence[str], *, all_needed: bool) -> None:
    if foreign := sorted(set(given) - set(known)):
        raise TeacherRefused(
            f"Side file: {role} {', '.join(foreign)} is not in the contract, which has {', '.join(known)}. "
            + (
                "List what the contract lacks under ignored_outputs."
                if all_needed
                else "A model may take less."
            )
        )
    if all_needed and (missing := [name for name in known if name not in given]):
        raise TeacherRefused(
            f"Side file: {role} {', '.join(missing)} is missing. A teacher gives every {role} of the "
            "contract: "
            f"{', '.join(known)}. Map it, or add it to the model."
        )


def _input(spec: Input, item: Mapping[str, Any], contract: Contract) -> InputMapping:
    names = [channel["name"] for channel in item["channels"]]
    _check_names(f"channel of input {spec.name},", dict.fromkeys(names), spec.channel_names, all_needed=False)
    _check_shape(f"input {spec.name}", item["shape"], (*spec.shape[1:-1], len(names)), contract)
    indexes = tuple(spec.channel_names.index(name) for name in names)
    return InputMapping(
        name=spec.name,
        place=item["from"],
        channels=indexes,
        conversions=tuple(
            conversion(
                spec.channels[index].units, channel["units"], what=f"Input {spec.name}, {channel['name']}"
            )
            for index, channel in zip(indexes, item["channels"], strict=True)
        ),
    )


def _output(spec: Output, item: Mapping[str, Any], contract: Contract) -> OutputMapping:
    _check_shape(f"output {spec.name}", item["shape"], spec.shape[1:], contract)
    _check_along(spec, item, contract)
    return OutputMapping(
        spec, item["from"], conversion(item["units"], spec.units, what=f"Output {spec.name}")
    )


def _check_shape(what: str, given: Sequence[int | None], wanted: tuple[int, ...], contract: Contract) -> None:
    if given[0] is not None:
        raise TeacherRefused(
            f"Side file: {what} has a fixed number of cases, {given[0]}. A teacher labels many cases at "
            "once: "
            "save the model with a free first dimension and write null for it."
        )
    if tuple(given[1:]) != wanted:
        hours = f" The contract forecasts {contract.lead_hours} hours." if "output" in what else ""
        raise TeacherRefused(
            f"Side file: {what} has shape {list(given)}; allowed is {[None, *wanted]}.{hours} Let the model "
            "take and give that, or correct the side file."
        )


def _check_along(spec: Output, item: Mapping[str, Any], contract: Contract) -> None:
    """What lies along the last axis must be what the contract says, in its order."""
    known = {"levels": spec.levels, "classes": spec.classes, "components": _components(spec, contract)}
    for key, wanted in known.items():
        given = tuple(item.get(key, ()))
        if given == wanted or (key == "levels" and _close(given, wanted)):
            continue
        if not wanted:
            raise TeacherRefused(
                f"Side file: output {spec.name} has {key}, but in the contract it is a {spec.kind}. Leave "
                "them out."
            )
        seen = f"are {list(given)}" if given else "are not given"
        raise TeacherRefused(
            f"Side file: the {key} of output {spec.name} {seen}; the contract has {list(wanted)}. Let the "
            "model give "
            "exactly these in this order; others cannot be compared."
        )


def _components(spec: Output, contract: Contract) -> tuple[str, ...]:
    items = {item["name"]: item for item in contract.document["outputs"]}
    return tuple(items[spec.name].get("components", ()))


def _close(given: Sequence[Any], wanted: Sequence[Any]) -> bool:
    return len(given) == len(wanted) and all(abs(a - b) < 1e-6 for a, b in zip(given, wanted, strict=True))
