"""The last pass of a conversion: every weight matrix of the body in the form that the recipe asks for."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from coremltools.converters.mil import Builder
from coremltools.converters.mil.mil import types
from coremltools.converters.mil.mil.passes.graph_pass import AbstractGraphPass
from coremltools.converters.mil.mil.passes.pass_registry import PASS_REGISTRY, register_pass

from packager.errors import ConversionFailed
from packager.export.weightforms import Form, Matrix, store

# Below this a look-up table or a scale costs more than it saves.
SMALLEST = 256
NAME = "skyfold::store_weights"
COARSE = ("pal6", "pal4", "pal2", "sparse_pal4", "int4")
# By operation: the parameter with its weights, and the axes of its output and input channels.
HOLDERS = {"conv": ("weight", 0, 1), "linear": ("weight", 0, 1), "matmul": ("y", -1, -2)}

Chooses = Callable[[Any], bool]


def pipeline(weights: str, target: str, chooses: Chooses) -> Any:
    """The converter's own passes and then this one.

    Args:
        weights: a form of `packager.export.weightforms`.
        target: one of its targets.
        chooses: which operations have their weights stored so.
    """
    import coremltools as ct

    if NAME not in PASS_REGISTRY:
        register_pass("skyfold", name="store_weights")(_StoreWeights)
    passes = ct.PassPipeline()
    passes.append_pass(NAME)
    passes.set_options(NAME, {"weights": weights, "target": target, "chooses": chooses})
    return passes


class _StoreWeights(AbstractGraphPass):  # type: ignore[misc] # coremltools has no types
    # Set from the pipeline's options, which must have names that exist.
    weights, target = "", ""
    chooses: Any = None

    def apply(self, program: Any) -> None:
        (block,) = program.functions.values()
        found = list(_matrices(block, self.chooses))
        if not found:
            raise ConversionFailed(
                f"No weights to store as {self.weights}: no layer's name starts with `body_`. "
                "Name the body's layers."
            )
        # Operations are in the order of computing, and all numbers of all outputs come from the last matrix:
        # sixteen values for all of them lose several percent of skill.
        fine = "pal8" if self.weights in COARSE else self.weights
        stored = [self._store(block, matrix, self.weights) for matrix in found[:-1]]
        stored.append(self._store(block, found[-1], fine))
        if self.weights == "sparse" and not any(stored):
            raise ConversionFailed(
                "No weight matrix has enough zeros to leave out. Add the step prune_weights to the recipe, "
                "or export with weights fp16."
            )

    def _store(self, block: Any, found: tuple[Any, int, int], weights: str) -> bool:
        """Replace a constant; gives whether it paid."""
        constant, outputs, inputs = found
        matrix = Matrix(_half(constant), outputs, inputs, self.target)
        form = store(matrix, weights) if matrix.values.size >= SMALLEST else None
        if form is not None:
            _replace(block, constant, form)
        return form is not None


def _matrices(block: Any, chooses: Chooses) -> Iterator[tuple[Any, int, int]]:
    """The constants that hold weights, each once, with the axes of output and input channels."""
    seen: set[str] = set()
    for operation in block.operations:
        if operation.op_type not in HOLDERS or not chooses(operation):
            continue
        parameter, outputs, inputs = HOLDERS[operation.op_type]
        constant = operation.inputs[parameter].op
        if constant is None or constant.op_type != "const" or constant.name in seen:
            continue
        seen.add(constant.name)
        rank = np.ndim(constant.outputs[0].val)
        if operation.op_type == "matmul" and operation.transpose_y.val:
            outputs, inputs = inputs, outputs
        yield constant, outputs % rank, inputs % rank


def _half(constant: Any) -> Any:
    values = np.asarray(constant.outputs[0].val, np.float16)
    if not np.isfinite(values).all():
        raise ConversionFailed(
            f"Weights {constant.name} do not fit half precision: the largest is beyond 65,504. "
            "Train the student again with a lower learning rate."
        )
    return values


def _replace(block: Any, constant: Any, form: Form) -> None:
    parameters = {
        name: value.astype(types.nptype_from_builtin(types.string_to_builtin(form.types[name])))
        if name in form.types
        else value
        for name, value in form.parameters.items()
    }
    with block:
        build = getattr(Builder, form.operation)
        stored = build(**parameters, before_op=constant, name=f"{constant.name}_stored")
        if isinstance(stored, (list, tuple)):
            mask, kept = stored
            stored = Builder.constexpr_sparse_to_dense(
                nonzero_data=kept, mask=mask, before_op=constant, name=f"{constant.name}_dense"
            )
    block.replace_uses_of_var_after_op(
        anchor_op=constant, old_var=constant.outputs[0], new_var=stored, no_check_var_types=True
    )
    block.remove_ops([constant])
