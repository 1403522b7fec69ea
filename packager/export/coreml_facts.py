"""What an ML Program really holds, read from the file that was written: nothing was left out silently."""

import math
from collections import Counter
from pathlib import Path
from typing import Any

from packager.export.mlpackage import FLOATS, MODEL, block_of

HOLDERS = {"conv": "weight", "linear": "weight", "matmul": "y"}


def read_specification(package: Path) -> Any:
    """The `Model` message of a package."""
    from coremltools.proto import Model_pb2

    return Model_pb2.Model.FromString((package / "Data" / MODEL).read_bytes())


def program_facts(specification: Any) -> dict[str, Any]:
    """Counts of operations by precision, and of weight matrices by how they are stored."""
    block = block_of(specification)
    makers = {output.name: operation for operation in block.operations for output in operation.outputs}
    operations: Counter[str] = Counter()
    matrices: Counter[str] = Counter()
    for operation in block.operations:
        if operation.type == "const" or operation.type.startswith("constexpr_"):
            continue
        operations[_type(operation)] += 1
        maker = _weights(operation, makers)
        if maker is not None:
            matrices[_form(maker, makers)] += 1
    return {"operations": dict(sorted(operations.items())), "matrices": dict(sorted(matrices.items()))}


def parameter(operation: Any, name: str) -> Any:
    """A value of a `constexpr_*` operation: an attribute up to iOS 17, an input's literal since iOS 18."""
    if name in operation.attributes:
        return operation.attributes[name]
    (binding,) = operation.inputs[name].arguments
    return binding.value


def shape(value_type: Any) -> tuple[int, ...]:
    """The static shape of a declared tensor type."""
    return tuple(int(dimension.constant.size) for dimension in value_type.tensorType.dimensions)


def _type(operation: Any) -> str:
    from coremltools.proto import MIL_pb2

    number = operation.outputs[0].type.tensorType.dataType
    return FLOATS.get(number) or MIL_pb2.DataType.Name(number).lower()


def _weights(operation: Any, makers: dict[str, Any]) -> Any:
    """The constant that an operation takes its weights from."""
    if operation.type not in HOLDERS:
        return None
    (binding,) = operation.inputs[HOLDERS[operation.type]].arguments
    maker = makers.get(binding.name)
    constant = maker is not None and (maker.type == "const" or maker.type.startswith("constexpr_"))
    return maker if constant else None


def _form(maker: Any, makers: dict[str, Any]) -> str:
    if maker.type == "constexpr_lut_to_dense":
        return f"pal{_bits(maker)}"
    if maker.type == "constexpr_affine_dequantize":
        return "int8"
    if maker.type == "constexpr_blockwise_shift_scale":
        return _blocks(maker)
    if maker.type == "constexpr_sparse_to_dense":
        source = maker.inputs["nonzero_data"].arguments if "nonzero_data" in maker.inputs else ()
        palettes = [makers[binding.name] for binding in source if binding.name in makers]
        return f"sparse_pal{_bits(palettes[0])}" if palettes else "sparse"
    return _type(maker)


def _bits(look_up: Any) -> int:
    table = shape(parameter(look_up, "lut").type)
    # From iOS 18 on a table has an axis for each of the matrix's, and a last one for vectors.
    return round(math.log2(table[0] if len(table) == 1 else table[-2]))


def _blocks(maker: Any) -> str:
    from coremltools.proto import MIL_pb2

    data, scale = (parameter(maker, name) for name in ("data", "scale"))
    bits = MIL_pb2.DataType.Name(data.type.tensorType.dataType).lower()
    scaled = [
        size // scales for size, scales in zip(shape(data.type), shape(scale.type), strict=True) if scales > 1
    ]
    return f"{bits} per {max(scaled)}" if len(scaled) > 1 else bits
