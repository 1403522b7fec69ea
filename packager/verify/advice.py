"""Which change of a recipe would most likely bring it inside a limit, judged by what the recipe does."""

from collections.abc import Iterator, Mapping

from packager.recipes import Recipe, Step

# What a format stores weights as, and the next finer and the next smaller way.
FINER = {
    "tflite": {"w4": "w8a8", "mixed": "w8a8", "w8a8": "fp16", "dynamic": "fp16", "w8a16": "fp16"},
    "coreml": {
        "pal2": "pal4",
        "sparse_pal4": "sparse",
        "int4": "int8",
        "pal4": "pal6",
        "pal6": "pal8",
        "pal8": "fp16",
        "int8": "fp16",
    },
    "onnx": {"w8a8": "fp32"},
    "micro": {},
}
SMALLER = {
    "tflite": {"fp32": "fp16", "fp16": "w8a8", "w8a16": "w8a8"},
    "coreml": {
        "fp32": "fp16",
        "fp16": "pal6",
        "pal8": "pal6",
        "int8": "pal6",
        "pal6": "pal4",
        "sparse": "sparse_pal4",
        "int4": "pal4",
    },
    "onnx": {"fp32": "w8a8"},
    "micro": {},
}
OPTION = {"tflite": "quantization", "coreml": "weights", "onnx": "quantization", "micro": "quantization"}
DEFAULT = {"tflite": "fp32", "coreml": "fp16", "onnx": "fp32", "micro": "w8a8"}
COARSEST = {"pal2", "w4", "int4"}
# From which on a step is the likeliest culprit: shares of weights, channels, energy; numbers of values.
HARSH_SPARSITY, HARSH_REMOVAL, HARSH_ENERGY, FEW_CLUSTERS = 0.75, 0.4, 0.8, 16
SPARSE_ENOUGH = 0.5


def for_skill(
    recipe: Recipe,
    *,
    limit: float,
    student_loss_percent: float | None = None,
    worst_output: str | None = None,
) -> str:
    """What to change where too much skill is lost.

    Args:
        recipe: what was done.
        limit: of the loss, in percent.
        student_loss_percent: of the student before any step, where there is one.
        worst_output: the output that loses most, where known.
    """
    where = f" It loses most on {worst_output}." if worst_output else ""
    if student_loss_percent is not None and student_loss_percent > limit:
        return (
            f"The student lost {student_loss_percent:.2f} % before any step: enlarge it (student.channels, "
            f"student.hidden) or distil it for longer (distil.epochs).{where}"
        )
    return next(_skill_changes(recipe)) + where


def for_size(recipe: Recipe) -> str:
    """What to change where a bundle is too large."""
    return next(_size_changes(recipe))


def for_memory(recipe: Recipe) -> str:
    """What to change where TFLite Micro needs too much memory beside the model."""
    if _step(recipe, "prune_structure"):
        return "Remove more channels (prune_structure.remove): activations over the history set the arena."
    return (
        "Lower student.channels, or add the step prune_structure: activations over the history set the arena."
    )


def stored_as(recipe: Recipe) -> str:
    """How the artifact's weights are stored."""
    target = recipe.export.format
    return str(recipe.export.options.get(OPTION[target], DEFAULT[target]))


def _skill_changes(recipe: Recipe) -> Iterator[str]:
    """Changes, the most likely help first; never empty."""
    target, stored = recipe.export.format, stored_as(recipe)
    finer = FINER[target].get(stored)
    if stored in COARSEST and finer:
        yield f"Store the weights as {finer} instead of {stored} (export.{OPTION[target]})."
    yield from filter(None, (_harsh(step) for step in recipe.steps))
    if untaught := _untaught(recipe):
        yield (
            f"Nothing was learned after step {untaught.name}: give it epochs, or let a later step "
            "with epochs follow."
        )
    if stored == "w8a8" and not _step(recipe, "quantize_aware"):
        yield "Add the step quantize_aware, which lets the student learn with int8 rounding."
    if finer:
        yield f"Store the weights as {finer} instead of {stored} (export.{OPTION[target]})."
    if recipe.source == "student":
        yield "Distil for more epochs (distil.epochs), or enlarge the student (student.channels)."
    yield "Store more of the model in float."


def _size_changes(recipe: Recipe) -> Iterator[str]:
    target, stored = recipe.export.format, stored_as(recipe)
    if smaller := SMALLER[target].get(stored):
        yield f"Store the weights as {smaller} instead of {stored} (export.{OPTION[target]})."
    if recipe.source != "student":
        yield "Distil a student (source: student); the teacher is made for servers."
    pruned = _step(recipe, "prune_weights")
    if pruned is None and stored not in ("sparse_pal4", "pal2"):
        yield "Add the step prune_weights: zeros cost next to nothing on the wire."
    if pruned and _number(pruned.options, "sparsity", SPARSE_ENOUGH) < HARSH_SPARSITY:
        yield "Prune more weights (prune_weights.sparsity)."
    if not _step(recipe, "cluster") and target == "tflite":
        yield "Add the step cluster: few distinct values compress well."
    yield "Make the student smaller (student.channels, student.context, student.hidden), or prune_structure."


def _harsh(step: Step) -> str | None:
    """What to take back of a step that does much at once."""
    options = step.options
    if step.name == "prune_weights" and (share := _number(options, "sparsity", 0.0)) >= HARSH_SPARSITY:
        return f"Prune fewer weights: prune_weights.sparsity is {share:g}."
    if step.name == "prune_structure" and (share := _number(options, "remove", 0.0)) >= HARSH_REMOVAL:
        return f"Remove fewer channels: prune_structure.remove is {share:g}."
    if step.name == "factorize" and (energy := _number(options, "energy", 1.0)) <= HARSH_ENERGY:
        return f"Keep more of the matrices: factorize.energy is {energy:g}."
    if step.name == "cluster" and (count := _number(options, "clusters", 256)) < FEW_CLUSTERS:
        return f"Share fewer weights: cluster.clusters is {count:g}."
    return None


def _untaught(recipe: Recipe) -> Step | None:
    """The last step that moved weights, if neither it nor a step after it trains."""
    if not recipe.steps:
        return None
    last = recipe.steps[-1]
    return last if _number(last.options, "epochs", 1) == 0 else None


def _step(recipe: Recipe, name: str) -> Step | None:
    return next((step for step in recipe.steps if step.name == name), None)


def _number(options: Mapping[str, object], name: str, default: float) -> float:
    value = options.get(name, default)
    return float(value) if isinstance(value, int | float) else default
