"""What is searched: sizes of the student, steps with their options, and the export, as an ordinary recipe.

Values that a sampler chose become a recipe's document by `recipe_document`, a pure function: the same values
make a short trial or the full recipe, depending on the epochs. Only what a recipe may hold is ever asked
for: a step that does not suit the export is no parameter of it. How the student distils beside its length
is not searched: other labels for every trial would cost more than the trials.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from packager.recipes import Recipe
from packager.recipes.order import INTEGER, ORDER

# (lowest, highest, step) of each size.
SIZES = {"channels": (8, 64, 8), "context": (32, 128, 16), "per_lead": (2, 10, 1), "linear": (8, 32, 8)}
HIDDEN = ((32, 128, 16), (16, 96, 16), (16, 64, 16))
EXPORTS = {
    "tflite": ("quantization", ("w8", "w8a8", "fp16", "w4", "mixed")),
    "coreml": ("weights", ("pal4", "pal6", "int8", "sparse_pal4")),
}
# (lowest, highest, step) of each step's number.
REMOVE, ENERGY, SPARSITY, MIXED_LOSS = (0.1, 0.5, 0.1), (0.8, 0.98, 0.02), (0.3, 0.9, 0.05), (0.1, 1.0, 0.1)
CLUSTER_BITS, DISTIL_SHARE = (3, 6), (0.4, 0.9, 0.1)
# The layer that all outputs come from has more shared values than the others.
FINER_BITS = 2
CRITERIA = ("l1", "l2", "taylor")
# These store four bits by blocks of 32 weights: narrower layers would fill the rest with nothing.
BLOCKWISE, BLOCK = ("w4", "mixed"), 32
# A palette has so many bits; more shared values than that would be merged again.
PALETTE_BITS = {"pal4": 4, "sparse_pal4": 4, "pal6": 6}
SPARSE = ("sparse_pal4",)
Values = dict[str, Any]


class Suggests(Protocol):
    """What chooses values: a trial of Optuna, or anything like one."""

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """One of the choices."""

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1) -> int:
        """A whole number."""

    def suggest_float(self, name: str, low: float, high: float, *, step: float | None = None) -> float:
        """A number."""


def suggest(trial: Suggests, targets: Sequence[str]) -> Values:
    """Ask a sampler for everything that makes one recipe.

    Args:
        trial: chooses; every name has the same range in all trials of a study.
        targets: formats to choose from.

    Returns:
        By parameter, what was chosen; only the parameters that matter for it.
    """
    values: Values = {}
    for name, (low, high, step) in SIZES.items():
        values[name] = trial.suggest_int(name, low, high, step=step)
    values["layers"] = trial.suggest_int("layers", 1, len(HIDDEN))
    for index in range(values["layers"]):
        low, high, step = HIDDEN[index]
        values[f"hidden{index}"] = trial.suggest_int(f"hidden{index}", low, high, step=step)
    target = trial.suggest_categorical("format", list(targets)) if len(targets) > 1 else targets[0]
    option, stored = EXPORTS[target]
    values |= {"format": target, option: trial.suggest_categorical(option, list(stored))}
    values |= _suggest_steps(trial, values[option])
    return values


def _suggest_steps(trial: Suggests, stored: str) -> Values:
    values: Values = {}

    def number(name: str, bounds: tuple[float, float, float]) -> None:
        low, high, step = bounds
        # Steps of a float add up to tails such as 0.30000000000000004.
        values[name] = round(trial.suggest_float(name, low, high, step=step), 4)

    for name in possible_steps(stored):
        values[name] = name in needed_steps(stored) or trial.suggest_categorical(name, [False, True])
    if values["prune_structure"]:
        number("remove", REMOVE)
        values["criterion"] = trial.suggest_categorical("criterion", list(CRITERIA))
    if values["factorize"]:
        number("energy", ENERGY)
    if values["prune_weights"]:
        number("sparsity", SPARSITY)
    if values["cluster"]:
        values["cluster_bits"] = trial.suggest_int("cluster_bits", *CLUSTER_BITS)
    if values.get("mixed_precision"):
        number("mixed_loss", MIXED_LOSS)
    if any(values[name] for name in possible_steps(stored)):
        number("distil_share", DISTIL_SHARE)
    return values


def possible_steps(stored: str) -> tuple[str, ...]:
    """The steps that suit how an export stores its weights, in their order."""
    foreign = set()
    if stored != "mixed":
        foreign.add("mixed_precision")
    if stored not in INTEGER:
        foreign.add("quantize_aware")
    return tuple(name for name in ORDER if name not in foreign)


def needed_steps(stored: str) -> tuple[str, ...]:
    """The steps without which an export makes no sense."""
    if stored == "mixed":
        return ("mixed_precision",)
    return ("prune_weights",) if stored in SPARSE else ()


def recipe_document(
    values: Mapping[str, Any],
    *,
    name: str,
    summary: str,
    epochs: int,
    extra: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """The recipe that chosen values stand for.

    Args:
        values: from `suggest` or `values_of`.
        name: of the recipe.
        summary: of the recipe, at least ten characters.
        epochs: of all training together: distillation, and fine-tuning after every step.
        extra: by step, options beside those that are searched, such as a sparsity for each layer.

    Returns:
        A document that `packager.recipes.parse_recipe` takes.
    """
    target = values["format"]
    option = EXPORTS[target][0]
    steps = _options(values, values[option])
    share = values.get("distil_share", 1.0) if steps else 1.0
    distil = max(1, round(epochs * share))
    each = max(1, round((epochs - distil) / len(steps))) if steps else 0
    return {
        "name": name,
        "summary": summary,
        "source": "student",
        "student": student_sizes(values),
        "distil": {"epochs": distil},
        "steps": [
            {step: options | {"epochs": each} | dict((extra or {}).get(step, {}))}
            for step, options in steps.items()
        ],
        "export": {"format": target, option: values[option]},
    }


def student_sizes(values: Mapping[str, Any]) -> dict[str, Any]:
    """The student's sizes; widths that are stored by blocks fill their last block."""
    blockwise = values.get("quantization") in BLOCKWISE

    def width(size: int) -> int:
        return -(-size // BLOCK) * BLOCK if blockwise else size

    return {
        "channels": width(values["channels"]),
        "context": width(values["context"]),
        "per_lead": values["per_lead"],
        "linear": values["linear"],
        "hidden": [width(values[f"hidden{index}"]) for index in range(values["layers"])],
    }


def _options(values: Mapping[str, Any], stored: str) -> dict[str, dict[str, Any]]:
    """By step that is taken, its searched options; in the order in which steps are done."""
    from packager.student.lead_decoder import PROJECTION

    bits = min(values.get("cluster_bits", 0), PALETTE_BITS.get(stored, CLUSTER_BITS[1]))
    known: dict[str, dict[str, Any]] = {
        "prune_structure": {"criterion": values.get("criterion"), "remove": values.get("remove")},
        "factorize": {"energy": values.get("energy")},
        "prune_weights": {"sparsity": values.get("sparsity")},
        "cluster": {
            "clusters": 2**bits,
            "preserve_sparsity": bool(values["prune_weights"]),
            "per_layer": {PROJECTION: 2 ** (bits + FINER_BITS)},
        },
        "mixed_precision": {"max_loss_percent": values.get("mixed_loss")},
        "quantize_aware": {},
    }
    return {name: known[name] for name in possible_steps(stored) if values[name]}


def values_of(recipe: Recipe, sizes: Mapping[str, Any]) -> Values | None:
    """The values that come nearest to a recipe; the inverse of `recipe_document`.

    Args:
        recipe: any.
        sizes: of the student, where the recipe says nothing.

    Returns:
        Values inside the space's ranges, or None where the recipe is made in a way that is not searched.
    """
    target = recipe.export.format
    if recipe.source != "student" or target not in EXPORTS:
        return None
    option, known = EXPORTS[target]
    stored = str(recipe.export.options.get(option))
    done = {step.name: step.options for step in recipe.steps if step.name != "finetune"}
    fits = stored in known and set(needed_steps(stored)) <= set(done) <= set(possible_steps(stored))
    if not fits:
        return None
    values = _size_values(dict(sizes) | dict(recipe.student)) | {"format": target, option: stored}
    values |= {name: name in done for name in possible_steps(stored)}
    return values | _step_values(done)


def _size_values(sizes: Mapping[str, Any]) -> Values:
    hidden = list(sizes["hidden"])[: len(HIDDEN)]
    values: Values = {name: int(nearest(sizes[name], bounds)) for name, bounds in SIZES.items()}
    values["layers"] = len(hidden)
    for index, width in enumerate(hidden):
        values[f"hidden{index}"] = int(nearest(width, HIDDEN[index]))
    return values


def _step_values(done: Mapping[str, Mapping[str, Any]]) -> Values:
    values: Values = {}
    if "prune_structure" in done:
        values["remove"] = nearest(done["prune_structure"].get("remove", 0.3), REMOVE)
        values["criterion"] = done["prune_structure"].get("criterion", CRITERIA[0])
    if "factorize" in done:
        values["energy"] = nearest(done["factorize"].get("energy", 0.9), ENERGY)
    if "prune_weights" in done:
        values["sparsity"] = nearest(done["prune_weights"].get("sparsity", 0.5), SPARSITY)
    if "cluster" in done:
        bits = int(done["cluster"].get("clusters", 16)).bit_length() - 1
        values["cluster_bits"] = min(max(bits, CLUSTER_BITS[0]), CLUSTER_BITS[1])
    if "mixed_precision" in done:
        values["mixed_loss"] = nearest(done["mixed_precision"].get("max_loss_percent", 0.5), MIXED_LOSS)
    return values | ({"distil_share": 0.7} if done else {})


def nearest(value: float, bounds: tuple[float, float, float]) -> float:
    """The value on a range's grid (lowest, highest, step) that comes nearest."""
    low, high, step = bounds
    return round(low + round((min(max(value, low), high) - low) / step) * step, 4)
