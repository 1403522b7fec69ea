"""Put a side file into the graph: a converted model takes and gives the contract's tensors itself.

The same conversions as `packager.teacher.foreign.fitting` makes in numpy, in the operations of whichever
library traces the graph.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from packager.contract import Contract, Output
from packager.errors import ConversionFailed
from packager.teacher.foreign.side_file import InputMapping, TeacherContract, by_place, own_name


@dataclass(frozen=True, slots=True)
class Operations:
    """What a graph needs beside + and ×, on tensors of one library.

    Attributes:
        take: (tensor, indexes) → these channels of the last axis.
        clip: (tensor, low, high).
        total: sum over the last axis, which stays as 1.
        constant: a float32 tensor of some numbers.
    """

    take: Callable[[Any, tuple[int, ...]], Any]
    clip: Callable[[Any, float, float], Any]
    total: Callable[[Any], Any]
    constant: Callable[[list[float]], Any]


def check_convertible(side: TeacherContract, crossing: Mapping[str, float]) -> None:
    """Refuse what a graph cannot do, and a device would miss.

    Raises:
        ConversionFailed: the model wants NaN where a value is missing, or its quantiles had to be sorted.
    """
    if side.missing_is_nan:
        raise ConversionFailed(
            "The model wants NaN for what was not reported, which no phone's kernels carry through. Let the "
            "model "
            "take 0 and the mask, and say so in the side file."
        )
    if crossed := [name for name, share in crossing.items() if share > 0]:
        raise ConversionFailed(
            f"The quantiles of {', '.join(crossed)} cross in some cases, and a device does not sort them. "
            "Order them "
            "inside the model (a first quantile and positive steps), or distil a student from it."
        )


def fitted(
    call: Callable[[dict[str, Any]], Mapping[str, Any]],
    names: list[str],
    side: TeacherContract,
    contract: Contract,
    operations: Operations,
) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """A function from the contract's inputs to its outputs, around a model by its own names.

    Args:
        call: the model.
        names: of its inputs, in order.
        side: how they map.
        contract: gives the masks.
        operations: of the library that traces it.
    """

    def function(tensors: Mapping[str, Any]) -> dict[str, Any]:
        given = {
            own_name(item.place, names): _model_input(item, tensors, contract, operations)
            for item in side.inputs
        }
        found = by_place(call(given))
        return {
            item.spec.name: _tidied(
                item.spec, _scaled(found[item.place], [item.conversion], operations), operations
            )
            for item in side.outputs
        }

    return function


def _model_input(
    item: InputMapping, tensors: Mapping[str, Any], contract: Contract, operations: Operations
) -> Any:
    channels = tuple(range(len(contract.input(item.name).channels)))

    def chosen(tensor: Any) -> Any:
        return tensor if item.channels == channels else operations.take(tensor, item.channels)

    values = _scaled(chosen(tensors[item.name]), list(item.conversions), operations)
    if any(c.offset for c in item.conversions) and contract.has_input(f"{item.name}_mask"):
        # What was not reported is 0 in the model's units, too.
        values = values * chosen(tensors[f"{item.name}_mask"])
    return values


def _scaled(tensor: Any, conversions: list[Any], operations: Operations) -> Any:
    factors, offsets = [c.factor for c in conversions], [c.offset for c in conversions]
    if any(factor != 1.0 for factor in factors):
        tensor = tensor * operations.constant(factors)
    return tensor + operations.constant(offsets) if any(offsets) else tensor


def _tidied(spec: Output, tensor: Any, operations: Operations) -> Any:
    tensor = operations.clip(tensor, *spec.valid_range)
    return tensor / operations.total(tensor) if spec.kind == "probabilities" else tensor
