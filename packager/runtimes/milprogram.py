"""Read an ML Program out of a `.mlpackage`, strictly: types, operations, constants, decompressed weights.

The format's Protocol Buffers come from coremltools, but only their generated modules are loaded: importing
coremltools itself imports TensorFlow, which costs seconds and memory that verifying a bundle does not need.
The layout of the weight file is documented in coremltools, `mlmodel/src/MILBlob/Blob/StorageFormat.hpp`.
"""

import importlib
import importlib.util
import json
import math
import struct
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from packager.errors import ArtifactRefused, RuntimeUnavailable
from packager.runtimes.milweights import DECOMPRESSORS, unpack

PROTO_PACKAGE = "packager_coreml_proto"
BLOB_SENTINEL = 0xDEADBEEF
BLOB_HEADER = struct.Struct("<IIQQ")
NUMPY_TYPES = {
    "bool": np.bool_,
    "fp16": np.float16,
    "fp32": np.float32,
    "int8": np.int8,
    "uint8": np.uint8,
    "int16": np.int16,
    "uint16": np.uint16,
    "int32": np.int32,
    "uint32": np.uint32,
}
# Types narrower than a byte, which the file packs and numpy holds a byte each; int4 is signed.
NARROW_BITS = {"uint1": 1, "uint2": 2, "uint3": 3, "uint4": 4, "uint6": 6, "int4": 4}


@dataclass(frozen=True, slots=True)
class TensorType:
    """A declared type: the format's own name of the element type, and a static shape."""

    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation; `inputs` names values by parameter, `outputs` declares what it gives."""

    type: str
    inputs: Mapping[str, tuple[str, ...]]
    outputs: tuple[tuple[str, TensorType], ...]


@dataclass(frozen=True, slots=True)
class Program:
    """The main function: `constants` holds every value that is known before an input is."""

    inputs: Mapping[str, TensorType]
    operations: tuple[Operation, ...]
    outputs: tuple[str, ...]
    constants: Mapping[str, Any]
    types: Mapping[str, TensorType]


def read_program(package: Path) -> Program:
    """Read the main function of a saved package.

    Raises:
        ArtifactRefused: not a Core ML package, not an ML Program, damaged, or with dynamic shapes.
    """
    model_path = _model_path(package)
    model = _proto("Model_pb2").Model()
    try:
        model.ParseFromString(model_path.read_bytes())
    except Exception as error:  # the decoder's errors have no root of their own
        raise ArtifactRefused(f"{package.name} holds no readable Core ML model: {error}.") from error
    kind = model.WhichOneof("Type")
    if kind != "mlProgram" or "main" not in model.mlProgram.functions:
        raise ArtifactRefused(
            f"{package.name} is a Core ML {kind}; only an mlProgram with a main function runs here."
        )
    try:
        return _Reader(model_path.parent).read(model.mlProgram.functions["main"])
    except (KeyError, ValueError, IndexError, TypeError, struct.error, OSError) as error:
        raise ArtifactRefused(
            f"{package.name} is damaged: {type(error).__name__} {error}. Build it again."
        ) from error


def _model_path(package: Path) -> Path:
    try:
        manifest = json.loads((package / "Manifest.json").read_text())
        entry = manifest["itemInfoEntries"][manifest["rootModelIdentifier"]]["path"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArtifactRefused(
            f"{package.name} is not a Core ML package: its Manifest.json names no root model ({error!r})."
        ) from error
    path = package / "Data" / str(entry)
    if not path.resolve().is_relative_to(package.resolve()) or not path.is_file():
        raise ArtifactRefused(
            f"{package.name}: its Manifest.json names {entry!r}, which is no file of the package."
        )
    return path


@cache
def _proto(name: str) -> Any:
    found = importlib.util.find_spec("coremltools")
    if found is None or not found.submodule_search_locations:
        raise RuntimeUnavailable(
            "Reading a Core ML package needs coremltools; install the packager's requirements."
        )
    folder = Path(next(iter(found.submodule_search_locations))) / "proto"
    spec = importlib.util.spec_from_file_location(
        PROTO_PACKAGE, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    if spec is None or spec.loader is None:
        raise RuntimeUnavailable(f"coremltools has no proto package at {folder.name}; install coremltools 9.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[PROTO_PACKAGE] = module
    spec.loader.exec_module(module)
    return importlib.import_module(f"{PROTO_PACKAGE}.{name}")


class _Reader:
    """Walks one function; keeps constants and declared types by name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.constants: dict[str, Any] = {}
        self.types: dict[str, TensorType] = {}
        self.blobs: dict[str, bytes] = {}

    def read(self, function: Any) -> Program:
        block = function.block_specializations[function.opset]
        inputs = {item.name: tensor_type(item.type) for item in function.inputs}
        self.types.update(inputs)
        operations = [operation for spec in block.operations if (operation := self._operation(spec))]
        outputs = tuple(block.outputs)
        unknown = [name for name in outputs if name not in self.types]
        if unknown:
            raise ArtifactRefused(
                f"Its outputs {', '.join(unknown)} are made by no operation. Build it again."
            )
        return Program(inputs, tuple(operations), outputs, self.constants, self.types)

    def _operation(self, spec: Any) -> Operation | None:
        outputs = tuple((item.name, tensor_type(item.type)) for item in spec.outputs)
        if spec.blocks:
            raise ArtifactRefused(f"Operation {spec.type} holds blocks; control flow does not run here.")
        if spec.type == "const" or spec.type.startswith("constexpr_"):
            values = self._constants(spec)
            for (name, declared), value in zip(outputs, values, strict=True):
                self._keep(name, declared, np.reshape(value, declared.shape) if declared.shape else value)
            return None
        inputs = {key: tuple(self._bindings(argument.arguments)) for key, argument in spec.inputs.items()}
        self.types.update(outputs)
        return Operation(spec.type, inputs, outputs)

    def _constants(self, spec: Any) -> tuple[Any, ...]:
        if spec.type == "const":
            return (self._value(spec.attributes["val"]),)
        if spec.type not in DECOMPRESSORS:
            raise ArtifactRefused(
                f"Operation {spec.type} does not run here; "
                f"compressed weights that do: {', '.join(sorted(DECOMPRESSORS))}."
            )
        values = {key: self._value(value) for key, value in spec.attributes.items() if key != "name"}
        for key, argument in spec.inputs.items():
            values[key] = self.constants[next(iter(self._bindings(argument.arguments)))]
        given = DECOMPRESSORS[spec.type](values)
        return given if isinstance(given, tuple) else (given,)

    def _bindings(self, arguments: Iterable[Any]) -> Iterable[str]:
        for argument in arguments:
            if argument.WhichOneof("binding") == "name":
                if argument.name not in self.types:
                    raise ArtifactRefused(f"Value {argument.name} is used before it is made. Build it again.")
                yield argument.name
            else:
                name = f"%{len(self.types)}"
                self._keep(name, tensor_type(argument.value.type), self._value(argument.value))
                yield name

    def _keep(self, name: str, declared: TensorType, value: Any) -> None:
        self.constants[name] = value
        self.types[name] = declared

    def _value(self, spec: Any) -> Any:
        declared = tensor_type(spec.type)
        if spec.WhichOneof("value") == "blobFileValue":
            return self._blob(spec.blobFileValue, declared)
        tensor = spec.immediateValue.tensor
        kind = tensor.WhichOneof("value")
        if declared.dtype == "string":
            return str(tensor.strings.values[0])
        if kind == "bytes":
            return _from_bytes(tensor.bytes.values, declared)
        dtype = NUMPY_TYPES[declared.dtype]
        return np.array(getattr(tensor, kind).values, dtype).reshape(declared.shape)

    def _blob(self, spec: Any, declared: TensorType) -> NDArray[Any]:
        name = spec.fileName.removeprefix("@model_path/")
        path = (self.folder / name).resolve()
        if not path.is_relative_to(self.folder.resolve()):
            raise ArtifactRefused(f"Its weights are at {spec.fileName!r}, outside of the package.")
        data = self.blobs.setdefault(name, path.read_bytes() if name not in self.blobs else b"")
        sentinel, _, size, offset = BLOB_HEADER.unpack_from(data, spec.offset)
        if sentinel != BLOB_SENTINEL or size < _byte_count(declared) or offset + size > len(data):
            raise ArtifactRefused(
                f"{path.name} is damaged: it holds no {declared.dtype} {declared.shape} at {spec.offset}. "
                "Build it again."
            )
        return _from_bytes(data[offset : offset + size], declared)


def _byte_count(declared: TensorType) -> int:
    count = math.prod(declared.shape)
    if declared.dtype in NARROW_BITS:
        return -(-count * NARROW_BITS[declared.dtype] // 8)
    return count * np.dtype(NUMPY_TYPES[declared.dtype]).itemsize


def _from_bytes(data: bytes, declared: TensorType) -> NDArray[Any]:
    """Numbers as they stand in a file; of narrow types the least significant bits come first."""
    count = math.prod(declared.shape)
    if declared.dtype not in NARROW_BITS:
        return np.frombuffer(data, NUMPY_TYPES[declared.dtype], count).reshape(declared.shape)
    values = unpack(np.frombuffer(data, np.uint8), NARROW_BITS[declared.dtype], count)
    signed = np.where(values > 7, values.astype(np.int8) - 16, values) if declared.dtype == "int4" else values
    return signed.astype(np.int8 if declared.dtype == "int4" else np.uint8).reshape(declared.shape)


def tensor_type(spec: Any) -> TensorType:
    """A declared tensor type.

    Raises:
        ArtifactRefused: not a tensor, or not of a static shape.
    """
    if spec.WhichOneof("type") != "tensorType":
        raise ArtifactRefused(f"A value is a {spec.WhichOneof('type')}; only tensors run here.")
    tensor = spec.tensorType
    if any(dimension.WhichOneof("dimension") != "constant" for dimension in tensor.dimensions):
        raise ArtifactRefused(
            "A tensor has a dynamic dimension; convert with static shapes and a batch of 1."
        )
    name = _proto("MIL_pb2").DataType.Name(tensor.dataType).lower()
    short = {"float16": "fp16", "float32": "fp32"}.get(name, name)
    return TensorType(short, tuple(int(dimension.constant.size) for dimension in tensor.dimensions))
