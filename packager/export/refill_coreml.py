"""The same as `refill`, for Core ML packages: constants of a fresh fp16 package into the released one."""

import math
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from packager.errors import ConversionFailed
from packager.export.mlpackage import MODEL, WEIGHTS, write_package
from packager.export.palette import nearest_entries
from packager.export.refill import OTHER_GRAPH
from packager.runtimes.milprogram import BLOB_HEADER, read_program


def refill_package(released: Path, fresh: Path, path: Path) -> None:
    """Write the released package with the constants of a freshly converted fp16 package.

    Args:
        released: an `.mlpackage` of the exporter's, fp16 or with palettes.
        fresh: the retrained model, fp16.
        path: the folder to write; it must not exist.

    Raises:
        ConversionFailed: the two have other constants.
    """
    values = dict(read_program(fresh).constants)
    specification = _specification(released)
    weights = bytearray((released / "Data" / WEIGHTS / "weight.bin").read_bytes())
    immediate = {_name(spec): spec for spec in _constants(_specification(fresh))}
    for spec in _constants(specification):
        name = _name(spec)
        if name not in immediate or np.shape(values[name]) != _shape(spec):
            raise ConversionFailed(OTHER_GRAPH.format(what=f"{name!r} is not the same in both"))
        _refill(spec, immediate.pop(name), np.asarray(values[name]), weights)
    if immediate:
        raise ConversionFailed(OTHER_GRAPH.format(what=f"{min(immediate)!r} is only in the retrained one"))
    with tempfile.NamedTemporaryFile() as file:
        file.write(weights)
        file.flush()
        write_package(specification, Path(file.name), path)


def _specification(package: Path) -> Any:
    from coremltools.proto import Model_pb2

    return Model_pb2.Model.FromString((package / "Data" / MODEL).read_bytes())


def _constants(specification: Any) -> list[Any]:
    (function,) = specification.mlProgram.functions.values()
    (block,) = function.block_specializations.values()
    return [spec for spec in block.operations if spec.type == "const" or spec.type.startswith("constexpr_")]


def _name(spec: Any) -> str:
    return str(spec.outputs[0].name)


def _shape(spec: Any) -> tuple[int, ...]:
    dimensions = spec.outputs[0].type.tensorType.dimensions
    return tuple(int(dimension.constant.size) for dimension in dimensions)


def _refill(spec: Any, fresh: Any, values: NDArray[Any], weights: bytearray) -> None:
    if spec.type == "constexpr_lut_to_dense":
        table = _stored(spec.attributes["lut"], np.float16, weights)
        codes = _packed(nearest_entries(values, table), bits=round(math.log2(table.size)))
        _stored(spec.attributes["indices"], np.uint8, weights)[:] = codes
    elif spec.attributes["val"].WhichOneof("value") == "blobFileValue":
        _stored(spec.attributes["val"], values.dtype, weights)[:] = values.ravel()
    else:
        spec.attributes["val"].CopyFrom(fresh.attributes["val"])


def _stored(value: Any, dtype: Any, weights: bytearray) -> NDArray[Any]:
    """The numbers that a value points at in the weight file: a view, which writes into the file."""
    _, _, size, offset = BLOB_HEADER.unpack_from(weights, value.blobFileValue.offset)
    return np.frombuffer(weights, dtype, size // np.dtype(dtype).itemsize, offset)


def _packed(codes: NDArray[np.uint8], *, bits: int) -> NDArray[np.uint8]:
    """Codes side by side, least significant bit first."""
    spread = np.unpackbits(codes.reshape(-1, 1), axis=1, bitorder="little")[:, :bits]
    return np.packbits(spread, bitorder="little")
