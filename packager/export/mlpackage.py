"""Write a `.mlpackage` whose bytes depend on the model only.

coremltools puts today's date, random identifiers and maps in memory order into a package; here the metadata
is dropped, the message is serialised deterministically, identifiers come from the content, and every value
has a short name.
"""

import json
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from packager.runtimes.milprogram import BLOB_HEADER

# Any fixed namespace would do; this one is RFC 9562's for names that are object identifiers.
NAMESPACE = uuid.NAMESPACE_OID
MODEL = "com.apple.CoreML/model.mlmodel"
WEIGHTS = "com.apple.CoreML/weights"
AUTHOR = "com.apple.CoreML"
# The format's numbers of half and single precision, `DataType` in MIL.proto.
FLOATS = {10: "fp16", 11: "fp32"}
SHORTEST = 2
# Headers and values of a weight file start at multiples of it.
ALIGNMENT = 64


def block_of(specification: Any) -> Any:
    """The one block of the one function of a specification."""
    (function,) = specification.mlProgram.functions.values()
    (block,) = function.block_specializations.values()
    return block


def rename_outputs(specification: Any, names: Mapping[str, str]) -> None:
    """Give the outputs the contract's names, and everything between input and output a short one.

    A name of a layer, carried through every pass, is most of a small model's description; half of the rest
    are constants that every operation has for itself.
    """
    merge_constants(specification)
    (function,) = specification.mlProgram.functions.values()
    block = block_of(specification)
    short = {item.name: item.name for item in function.inputs}
    short |= {name: names[name] for name in block.outputs}
    for operation in block.operations:
        for output in operation.outputs:
            output.name = short.setdefault(output.name, _letters(len(short)))
        for binding in _bindings(operation):
            binding.name = short[binding.name]
        _name_itself(operation)
    block.outputs[:] = [short[name] for name in block.outputs]
    for feature in specification.description.output:
        feature.name = names[feature.name]


def merge_constants(specification: Any) -> None:
    """Keep one of equal axes, shapes, flags and scalars.

    Not of equal vectors of floats: those may be biases, which are equal before training and not after it,
    and a retrained model must have the graph of the released one.
    """
    block = block_of(specification)
    first: dict[bytes, str] = {}
    same: dict[str, str] = {}
    doubled: list[int] = []
    for index, operation in enumerate(block.operations):
        for binding in _bindings(operation):
            binding.name = same.get(binding.name, binding.name)
        if not _may_be_merged(operation):
            continue
        name = operation.outputs[0].name
        value = operation.attributes["val"].SerializeToString(deterministic=True)
        same[name] = first.setdefault(value, name)
        if same[name] != name:
            doubled.append(index)
    for index in reversed(doubled):
        del block.operations[index]


def _may_be_merged(operation: Any) -> bool:
    if operation.type != "const" or operation.attributes["val"].WhichOneof("value") != "immediateValue":
        return False
    declared = operation.outputs[0].type.tensorType
    return declared.rank == 0 or declared.dataType not in FLOATS


def _letters(number: int) -> str:
    """At least two capitals: no word of the format is written so, and zstd finds pairs of them cheap."""
    name = ""
    while number or len(name) < SHORTEST:
        number, letter = divmod(number, 26)
        name = chr(ord("A") + letter) + name
    return name


def _bindings(operation: Any) -> Iterator[Any]:
    for argument in operation.inputs.values():
        for binding in argument.arguments:
            if binding.WhichOneof("binding") == "name":
                yield binding


def _name_itself(operation: Any) -> None:
    if "name" in operation.attributes:
        tensor = operation.attributes["name"].immediateValue.tensor
        tensor.strings.values[0] = operation.outputs[0].name


def write_package(specification: Any, weights: Path, path: Path) -> None:
    """Write a specification and its weight file as a package.

    Args:
        specification: a Core ML `Model` message; its metadata is cleared.
        weights: the weight file that it points into.
        path: the folder to make; it must not exist.
    """
    specification.description.metadata.Clear()
    # coremltools notes versions and the date of the conversion; the bundle's manifest has the versions.
    for attribute in list(specification.mlProgram.attributes):
        del specification.mlProgram.attributes[attribute]
    blob = group_by_type(specification, weights.read_bytes())
    model = specification.SerializeToString(deterministic=True)
    data = path / "Data"
    (data / WEIGHTS).mkdir(parents=True)
    (data / MODEL).write_bytes(model)
    (data / WEIGHTS / "weight.bin").write_bytes(blob)
    (path / "Manifest.json").write_text(_manifest(model))


def group_by_type(specification: Any, weights: bytes) -> bytes:
    """Put values of one type side by side in a weight file, and point the specification at their new places.

    A code table of zstd's then serves floats or codes, not both: a hundredth less on the wire. Grouping
    again changes nothing. Layout: coremltools, `mlmodel/src/MILBlob/Blob/StorageFormat.hpp`.

    Args:
        specification: a Core ML `Model` message; its offsets are changed.
        weights: the file that they point into.
    """
    places = [value.blobFileValue for value in _values(specification) if value.HasField("blobFileValue")]
    # Equal constants may share a place.
    offsets = list(dict.fromkeys(place.offset for place in places))
    offsets.sort(key=lambda offset: BLOB_HEADER.unpack_from(weights, offset)[1])
    grouped = bytearray(weights[:ALIGNMENT])
    moved: dict[int, int] = {}
    for offset in offsets:
        sentinel, kind, size, start = BLOB_HEADER.unpack_from(weights, offset)
        moved[offset] = len(grouped)
        rest = weights[offset + BLOB_HEADER.size : offset + ALIGNMENT]
        grouped += BLOB_HEADER.pack(sentinel, kind, size, len(grouped) + ALIGNMENT) + rest
        grouped += weights[start : start + size] + bytes(-size % ALIGNMENT)
    for place in places:
        place.offset = moved[place.offset]
    return bytes(grouped)


def _values(specification: Any) -> Iterator[Any]:
    """Every value that stands in the program: attributes, and literals among the inputs."""
    for operation in block_of(specification).operations:
        yield from operation.attributes.values()
        for argument in operation.inputs.values():
            yield from (item.value for item in argument.arguments if item.WhichOneof("binding") == "value")


def _manifest(model: bytes) -> str:
    model_id = str(uuid.uuid5(NAMESPACE, (b"model" + model).hex())).upper()
    # By name: an update that moves weights alone keeps the list as it is.
    weights_id = str(uuid.uuid5(NAMESPACE, WEIGHTS)).upper()
    entries = {
        model_id: _entry("CoreML Model Specification", "model.mlmodel", MODEL),
        weights_id: _entry("CoreML Model Weights", "weights", WEIGHTS),
    }
    document = {"fileFormatVersion": "1.0.0", "itemInfoEntries": entries, "rootModelIdentifier": model_id}
    return json.dumps(document, indent=4, sort_keys=True)


def _entry(description: str, name: str, path: str) -> dict[str, str]:
    return {"author": AUTHOR, "description": description, "name": name, "path": path}
