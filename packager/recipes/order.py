"""Which steps may follow which: what one step makes, a later one must not undo."""

from collections.abc import Mapping, Sequence
from typing import Any

from packager.errors import RecipeInvalid

# First what changes the graph, then which weights are zero, then which are equal, then how they are rounded.
ORDER = ("prune_structure", "factorize", "prune_weights", "cluster", "mixed_precision", "quantize_aware")
# Why a step must not stand behind another one.
UNDOES = {
    "prune_structure": "it removes channels that were pruned, clustered or rounded before",
    "factorize": "its thin matrices are new weights, without the zeros and shared values of before",
    "prune_weights": "it would move the zeros away from the shared or rounded values",
    "cluster": "it would move weights that were rounded before",
    "mixed_precision": "it measures layers that must not change afterwards but by rounding",
    "finetune": "it moves every weight, zeros and shared values too",
}
INTEGER = {"w8", "dynamic", "w8a8", "w8a16", "mixed", "int8"}


def check_steps(
    recipe: str, source: str, steps: Sequence[str], target: str, export: Mapping[str, Any]
) -> None:
    """Refuse steps in an impossible order.

    Args:
        recipe: its name, for the error.
        source: what they start from.
        steps: names in order.
        target: the export's format.
        export: the export's options.

    Raises:
        RecipeInvalid: says which step cannot stand where, and why.
    """
    if steps and source != "student":
        raise RecipeInvalid(
            f"Recipe {recipe}: steps change a student, and its source is {source}. Remove the steps, or use "
            "source student."
        )
    for index, name in enumerate(steps):
        if name != "finetune" and name in steps[:index]:
            raise RecipeInvalid(f"Recipe {recipe}: step {name} stands twice. Give it once.")
        if before := _undone(name, steps[:index]):
            raise RecipeInvalid(
                f"Recipe {recipe}: step {name} cannot come after {before}: {UNDOES[name]}. "
                f"The order is {', '.join(ORDER)}; finetune stands before prune_weights."
            )
    stored = export.get("quantization", export.get("weights"))
    if "quantize_aware" in steps and stored not in INTEGER:
        raise RecipeInvalid(
            f"Recipe {recipe}: quantize_aware trains for int8, and format {target} would store "
            f"{stored or 'floats'}. Export as {', '.join(sorted(INTEGER))}, or remove the step."
        )
    if "mixed_precision" in steps and stored != "mixed":
        raise RecipeInvalid(
            f"Recipe {recipe}: mixed_precision chooses bits for the export mixed, and format {target} would "
            f"store {stored or 'floats'}. Export tflite with quantization: mixed."
        )
    if stored == "mixed" and "mixed_precision" not in steps:
        raise RecipeInvalid(
            f"Recipe {recipe}: the export mixed needs the step mixed_precision, which chooses the bits."
        )


def _undone(name: str, before: Sequence[str]) -> str | None:
    """The first earlier step that this one would undo."""
    if name == "finetune":
        return next((step for step in before if step in ORDER[2:]), None)
    allowed = ORDER[: ORDER.index(name)]
    return next((step for step in before if step != "finetune" and step not in allowed), None)
