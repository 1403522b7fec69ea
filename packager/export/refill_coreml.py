"""The same as `refill`, for Core ML packages: constants of a fresh fp16 package into the released one."""

import math
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from packager.errors import ConversionFailed
from packager.export.coreml_facts import parameter, read_specification, shape
from packager.export.mlpackage import WEIGHTS, block_of, write_package
from packager.export.palette import nearest_entries
from packager.export.refill import OTHER_GRAPH
from packager.export.weightforms import INT4_LARGEST, INT8_LARGEST, affine_codes, pack
from packager.runtimes.milprogram import BLOB_HEADER, read_program
from packager.runtimes.milweights import unpack


def refill_package(released: Path, fresh: Path, path: Path) -> None:
    """Write the released package with the constants of a freshly converted fp16 package.

    Args:
        released: an `.mlpackage` of the exporter's: fp16, or with scales, palettes or a pattern of zeros,
            which stay.
        fresh: the retrained model, fp16, for the same target.
        path: the folder to write; it must not exist.

    Raises:
        ConversionFailed: the two have other constants or targets, zeros moved, or the released one has
            palettes of its non-zero weights.
    """
    values = dict(read_program(fresh).constants)
    specification, new = read_specification(released), read_specification(fresh)
    if specification.specificationVersion != new.specificationVersion:
        raise ConversionFailed(OTHER_GRAPH.format(what="the released one is for another system"))
    weights = bytearray((released / "Data" / WEIGHTS / "weight.bin").read_bytes())
    immediate = {_name(spec): spec for spec in _constants(new)}
    for spec in _constants(specification):
        name = _name(spec)
        _check_form(spec)
        if name not in immediate or np.shape(values[name]) != shape(spec.outputs[0].type):
            raise ConversionFailed(OTHER_GRAPH.format(what=f"{name!r} is not the same in both"))
        _refill(spec, immediate.pop(name), np.asarray(values[name]), weights)
    if immediate:
        raise ConversionFailed(OTHER_GRAPH.format(what=f"{min(immediate)!r} is only in the retrained one"))
    with tempfile.NamedTemporaryFile() as file:
        file.write(weights)
        file.flush()
        write_package(specification, Path(file.name), path)


def _constants(specification: Any) -> list[Any]:
    operations = block_of(specification).operations
    return [spec for spec in operations if spec.type == "const" or spec.type.startswith("constexpr_")]


def _name(spec: Any) -> str:
    return str(spec.outputs[0].name)


def _check_form(spec: Any) -> None:
    if spec.type != "const" and spec.type not in FORMS:
        raise ConversionFailed(
            f"The released package stores weights as {spec.type}, which cannot be retrained into: its "
            "palette is of non-zero weights only. Release pal4 or sparse weights, or train a release from "
            "scratch."
        )


def _refill(spec: Any, fresh: Any, values: NDArray[Any], weights: bytearray) -> None:
    if spec.type != "const":
        FORMS[spec.type](spec, values, weights)
    elif spec.attributes["val"].WhichOneof("value") == "blobFileValue":
        _write(spec.attributes["val"], values.ravel(), weights)
    else:
        spec.attributes["val"].CopyFrom(fresh.attributes["val"])


def _look_up(spec: Any, values: NDArray[Any], weights: bytearray) -> None:
    table = _read(parameter(spec, "lut"), np.float16, weights)
    bits = round(math.log2(table.size))
    held = unpack(_read(parameter(spec, "indices"), np.uint8, weights), bits, values.size)
    moved = moved_entries(values.ravel(), held, table)
    if moved is None:
        _write(parameter(spec, "indices"), pack(nearest_entries(values, table), bits=bits), weights)
    else:
        _write(parameter(spec, "lut"), moved, weights)


def moved_entries(values: NDArray[Any], codes: NDArray[Any], table: NDArray[Any]) -> NDArray[Any] | None:
    """The table of weights that still share values with whom they did: entries move, and codes stay.

    Args:
        values: (weight,) as they are now.
        codes: (weight,) the entry of each in the released table.
        table: (entry,) the released table.

    Returns:
        (entry,) of the table's type, unused ones as they were; None where weights of one entry have parted.
    """
    moved = table.copy()
    for code in np.unique(codes):
        low, high = values[codes == code].min(), values[codes == code].max()
        if low != high:
            return None
        moved[code] = low
    return moved


def _affine(spec: Any, values: NDArray[Any], weights: bytearray) -> None:
    scale = _read(parameter(spec, "scale"), np.float16, weights)
    (axis,) = parameter(spec, "axis").immediateValue.tensor.ints.values
    scale = scale.reshape([-1 if index == axis else 1 for index in range(values.ndim)])
    codes = affine_codes(values, scale, INT8_LARGEST)
    _write(parameter(spec, "quantized_data"), codes.ravel(), weights)


def _blockwise(spec: Any, values: NDArray[Any], weights: bytearray) -> None:
    data, scales = parameter(spec, "data"), parameter(spec, "scale")
    scale = _read(scales, np.float16, weights).reshape(shape(scales.type))
    for axis, (size, count) in enumerate(zip(values.shape, scale.shape, strict=True)):
        scale = np.repeat(scale, size // count, axis)
    if _byte_size(data, weights) == values.size:
        _write(data, affine_codes(values, scale, INT8_LARGEST).ravel(), weights)
    else:
        _write(data, pack(affine_codes(values, scale, INT4_LARGEST).view(np.uint8), bits=4), weights)


def _sparse(spec: Any, values: NDArray[Any], weights: bytearray) -> None:
    stands = unpack(_read(parameter(spec, "mask"), np.uint8, weights), 1, values.size).astype(bool)
    flat = values.ravel()
    if flat[~stands].any():
        raise ConversionFailed(
            f"{int(np.count_nonzero(flat[~stands]))} weights of {_name(spec)} are zero in the released "
            "package and not in the retrained student. Retrain with the zeros kept, or train a release from "
            "scratch."
        )
    _write(parameter(spec, "nonzero_data"), flat[stands], weights)


FORMS: Mapping[str, Callable[[Any, NDArray[Any], bytearray], None]] = {
    "constexpr_affine_dequantize": _affine,
    "constexpr_blockwise_shift_scale": _blockwise,
    "constexpr_lut_to_dense": _look_up,
    "constexpr_sparse_to_dense": _sparse,
}


def _byte_size(value: Any, weights: bytearray) -> int:
    return len(_read(value, np.uint8, weights))


def _read(value: Any, dtype: Any, weights: bytearray) -> NDArray[Any]:
    """The numbers of a value, flat, from the weight file or, where they are few, from the value itself."""
    if value.WhichOneof("value") != "blobFileValue":
        return np.frombuffer(value.immediateValue.tensor.bytes.values, dtype)
    _, _, size, offset = BLOB_HEADER.unpack_from(weights, value.blobFileValue.offset)
    return np.frombuffer(bytes(weights[offset : offset + size]), dtype)


def _write(value: Any, numbers: NDArray[Any], weights: bytearray) -> None:
    if value.WhichOneof("value") != "blobFileValue":
        value.immediateValue.tensor.bytes.values = numbers.tobytes()
        return
    _, _, size, offset = BLOB_HEADER.unpack_from(weights, value.blobFileValue.offset)
    weights[offset : offset + size] = np.ascontiguousarray(numbers).tobytes().ljust(size, b"\0")
