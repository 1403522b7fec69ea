"""Prune weights: set single weights of the body to zero, and teach the others to do without them.

What is zero is chosen first, in the first half of the epochs where the choice is gradual or the weights are
charged for their size; in the other epochs the choice is held.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras

from packager.compress.layers import kernel_of
from packager.compress.material import EPOCHS, LEARNING_RATE, Material
from packager.compress.regularise import weight_penalty
from packager.compress.state import read_state
from packager.compress.toolkit import (
    by_layer,
    chosen_layers,
    held_in,
    load_toolkit,
    save_learned,
    teach,
    variables_of,
    zero_masks,
)
from packager.errors import RecipeInvalid
from packager.student import load_student, read_description
from packager.student.training import Progress
from packager.types import FloatArray

SPARSITY, N_M = 0.5, "2:4"
# Masks are chosen anew this often while the sparsity grows.
UPDATES = 20
# Which options only one method has.
ONLY = {"sparsity": "magnitude", "schedule": "magnitude", "threshold": "threshold", "n_m": "n_m"}
SCHEDULES = ("polynomial", "constant")


@dataclass(frozen=True, slots=True)
class PruneOptions:
    """What is set to zero.

    Attributes:
        method: magnitude: the smallest of every matrix; threshold: those near zero; n_m: of so many
            neighbours along the input axis all but the largest few.
        sparsity: for magnitude, share of zeros in every matrix, 0..0.98; half when not given.
        schedule: for magnitude, polynomial (the share grows, fast at first) or constant (all at once, and
            chosen anew as training goes on); polynomial when not given.
        threshold: for threshold, in standard deviations of the layer's own kernel.
        n_m: for n_m, how many of how many neighbours stay; 2:4 when not given.
        l1: charged for the sum of absolute weights while training.
        l2: charged for the sum of squared weights.
        group: charged for the norms of rows and columns, see `packager.compress.regularise.group_norm`.
        per_layer: sparsity or threshold by layer, where it differs.
        layers: only layers whose names start so.
    """

    method: str = "magnitude"
    sparsity: float | None = None
    schedule: str | None = None
    threshold: float | None = None
    n_m: str | None = None
    l1: float = 0.0
    l2: float = 0.0
    group: float = 0.0
    per_layer: Mapping[str, float] | None = None
    layers: str = ""

    def __post_init__(self) -> None:
        """Refuse options that contradict each other."""
        if self.method not in ONLY.values():
            raise RecipeInvalid(
                f"prune_weights: method {self.method!r} is not known; choose magnitude, threshold or n_m."
            )
        for name, method in ONLY.items():
            if getattr(self, name) is not None and self.method != method:
                raise RecipeInvalid(
                    f"prune_weights: {name} belongs to method {method}, and the method is {self.method}. "
                    f"Remove {name}, or choose method {method}."
                )
        if self.method == "threshold" and self.threshold is None:
            raise RecipeInvalid(
                "prune_weights: method threshold needs threshold, in standard deviations of each layer's "
                "kernel; 0.5 sets about two weights of five to zero."
            )
        if self.method == "n_m" and self.per_layer:
            raise RecipeInvalid(
                "prune_weights: per_layer holds shares of zeros, and n_m has the same everywhere. "
                "Remove per_layer, or choose method magnitude."
            )
        if self.schedule not in (None, *SCHEDULES):
            raise RecipeInvalid(
                f"prune_weights: schedule {self.schedule!r} is not known; choose {' or '.join(SCHEDULES)}."
            )

    @property
    def zeros_of(self) -> tuple[int, int]:
        """For n_m: how many of how many neighbours become zero, as the toolkit counts them."""
        stay, of = (int(part) for part in (self.n_m or N_M).split(":"))
        if not 0 < stay < of:
            raise RecipeInvalid(
                f"prune_weights: n_m {self.n_m} keeps {stay} of {of} neighbours; keep at least one and fewer "
                "than all, as in 2:4."
            )
        return of - stay, of


def prune_weights(
    student: Path,
    folder: Path,
    *,
    material: Material,
    progress: Progress,
    epochs: int = EPOCHS,
    learning_rate: float = LEARNING_RATE,
    **options: Any,
) -> Mapping[str, Any]:
    """Prune a student and save it; see `packager.compress.steps` for the arguments.

    Args:
        student: folder of the student before.
        folder: where the pruned one is saved.
        material: what it learns from.
        progress: told after every epoch.
        epochs: of training, choosing and holding together; none prunes at once and learns nothing.
        learning_rate: the highest.
        options: those of `PruneOptions`.

    Returns:
        `weights` and `zeros` of the chosen layers, `sparsity` by layer, `left_dense`: layers that were not
        pruned, and the early-stopping losses.

    Raises:
        RecipeInvalid: options contradict each other, or name layers that are not there.
    """
    chosen = PruneOptions(**options)
    model, state = load_student(student), read_state(read_description(student))
    layers = chosen_layers(model, chosen.layers)
    prunable = _prunable(layers, chosen)
    penalty = weight_penalty(list(prunable.values()), l1=chosen.l1, l2=chosen.l2, group=chosen.group)
    choosing = (epochs + 1) // 2 if chosen.method == "magnitude" else epochs // 2 if penalty else 0
    run = _Run(model, material, learning_rate, penalty, held_in(model, zero_masks(model, state)))
    masks, first = _choose(run, prunable, chosen, choosing, _part(progress, 0, choosing, epochs))
    # A layer that kept all its weights is not sparse.
    masks = {name: mask for name, mask in masks.items() if not mask.all()}
    for name, mask in masks.items():
        kernel_of(layers[name]).assign(np.where(mask > 0, kernel_of(layers[name]).numpy(), 0.0))
    run = replace(run, held={**run.held, **held_in(model, masks)})
    second = run.teach(epochs - choosing, _part(progress, choosing, epochs - choosing, epochs))
    kernels = {name: kernel_of(layers[name]).numpy() * mask for name, mask in masks.items()}
    state = replace(state, sparse=tuple(sorted({*state.sparse, *masks})))
    save_learned(student, folder, state, variables_of(model), kernels)
    return _facts(layers, masks) | {"early_stopping_loss": [*first, *second]}


@dataclass(frozen=True)
class _Run:
    """A model and how it is taught; `held` are zeros that must stay."""

    model: tf_keras.Model
    material: Material
    learning_rate: float
    penalty: Callable[[], Any] | None
    held: Mapping[Any, FloatArray]

    def teach(
        self, epochs: int, progress: Progress, after_step: Callable[[int, int], None] | None = None
    ) -> list[float]:
        return teach(
            self.model,
            self.material,
            progress,
            epochs=epochs,
            learning_rate=self.learning_rate,
            held=self.held,
            after_step=after_step,
            penalty=self.penalty,
        )


def _part(progress: Progress, done: int, epochs: int, of: int) -> Progress:
    """Progress of some of the epochs as progress of all of them."""

    def told(fraction: float, message: str) -> None:
        progress((done + fraction * epochs) / max(of, 1), message)

    return told


def _prunable(layers: Mapping[str, Any], chosen: PruneOptions) -> dict[str, Any]:
    """Layers that the method can prune: n_m only those whose inputs are whole groups of neighbours."""
    if chosen.method != "n_m":
        return dict(layers)
    _, of = chosen.zeros_of
    whole = {name: layer for name, layer in layers.items() if _inputs(layer) % of == 0}
    if not whole:
        raise RecipeInvalid(
            f"prune_weights: no layer has a multiple of {of} inputs, which n_m {chosen.n_m or N_M} needs; "
            f"they have {', '.join(f'{name} {_inputs(layer)}' for name, layer in layers.items())}."
        )
    return whole


def _inputs(layer: Any) -> int:
    """Along the axis that n_m counts neighbours on; a depthwise layer sees one channel at a time."""
    depthwise = isinstance(layer, tf_keras.layers.DepthwiseConv2D)
    return 1 if depthwise else int(kernel_of(layer).shape[-2])


def _choose(
    run: _Run, layers: Mapping[str, Any], chosen: PruneOptions, epochs: int, progress: Progress
) -> tuple[dict[str, FloatArray], list[float]]:
    """Masks by layer, 1 where a weight stays, and the losses while they were chosen.

    The model holds the weights that the masks were chosen for.
    """
    if chosen.method == "threshold":
        losses = run.teach(epochs, progress)
        limits = by_layer(layers, chosen.threshold, chosen.per_layer)
        return {name: _near_zero(name, layers[name], limit) for name, limit in limits.items()}, losses
    if chosen.method == "n_m":
        losses = run.teach(epochs, progress)
        pruner = _Pruner(layers, lambda _: _constant(0.5), sparsity_m_by_n=chosen.zeros_of)
        # The toolkit chooses these neighbours once, in its first step.
        pruner.update(1)
        return pruner.masks(), losses
    return _choose_by_magnitude(run, layers, chosen, epochs, progress)


def _near_zero(name: str, layer: Any, limit: float) -> FloatArray:
    """The toolkit prunes shares and has no threshold: 1 where a weight is as large as the limit."""
    weights = kernel_of(layer).numpy()
    mask: FloatArray = (np.abs(weights) >= limit * weights.std()).astype(np.float32)
    if not mask.any():
        largest = float(np.abs(weights).max() / max(weights.std(), 1e-30))
        raise RecipeInvalid(
            f"prune_weights: threshold {limit} leaves no weight of {name}, whose largest is {largest:.2f} "
            "standard deviations. Choose a lower threshold, or give the layer its own in per_layer."
        )
    return mask


def _choose_by_magnitude(
    run: _Run, layers: Mapping[str, Any], chosen: PruneOptions, epochs: int, progress: Progress
) -> tuple[dict[str, FloatArray], list[float]]:
    default = SPARSITY if chosen.sparsity is None else chosen.sparsity
    shares = by_layer(layers, default, chosen.per_layer)
    pruned = {name: layer for name, layer in layers.items() if shares[name] > 0}
    steps = _steps(run, epochs)
    if not steps:
        pruner = _Pruner(pruned, lambda name: _constant(shares[name]))
        pruner.update(0)
        return pruner.masks(), []
    every = max(1, steps // UPDATES)
    if chosen.schedule == "constant":
        pruner = _Pruner(pruned, lambda name: _constant(shares[name], every))
        pruner.update(0)
    else:
        pruner = _Pruner(pruned, lambda name: _growing(shares[name], every, steps))
    last: list[FloatArray] = []

    def after_step(done: int, of: int) -> None:
        pruner.update(done)
        if done == of:
            last.extend(run.model.get_weights())

    losses = run.teach(epochs, progress, after_step)
    # Training leaves the average of its best epoch, which is of a time with fewer zeros.
    run.model.set_weights(last or run.model.get_weights())
    return pruner.masks(), losses


def _steps(run: _Run, epochs: int) -> int:
    """Steps of the optimiser in so many epochs."""
    if not epochs:
        return 0
    lesson = run.material.lesson(epochs=epochs)
    cases = len(next(iter(lesson.windows.inputs.values())))
    return epochs * (cases // lesson.training.batch)


def _constant(share: float, every: int = 1) -> Any:
    return load_toolkit().sparsity.keras.ConstantSparsity(share, begin_step=0, frequency=every)


def _growing(share: float, every: int, steps: int) -> Any:
    """From none to the share in the last step in which masks are chosen."""
    return load_toolkit().sparsity.keras.PolynomialDecay(
        0.0, share, begin_step=0, end_step=steps // every * every, frequency=every
    )


class _Pruner:
    """The toolkit's pruning wrappers around layers of a model, driven from our training loop.

    Their masks are chosen and applied to the layers' own kernels after each step, so that the model itself
    stays plain.
    """

    def __init__(self, layers: Mapping[str, Any], schedule: Callable[[str], Any], **options: Any) -> None:
        self.wrappers = {
            name: self._wrapper(layer, schedule(name), options) for name, layer in layers.items()
        }
        self._update = tf.function(self._update_all, autograph=False)

    @staticmethod
    def _wrapper(layer: Any, schedule: Any, options: Mapping[str, Any]) -> Any:
        # Without this the toolkit passes depthwise kernels over.
        layer.get_prunable_weights = lambda: [kernel_of(layer)]
        wrapper = load_toolkit().sparsity.keras.prune_low_magnitude(
            layer, pruning_schedule=schedule, **options
        )
        wrapper.build(layer.input_shape)
        return wrapper

    def update(self, step: int) -> None:
        """Choose the masks where the schedule says so, and set what they hide to zero."""
        for wrapper in self.wrappers.values():
            wrapper.pruning_step.assign(step)
        self._update()

    def _update_all(self) -> None:
        for wrapper in self.wrappers.values():
            with tf.control_dependencies([wrapper.pruning_obj.conditional_mask_update()]):
                wrapper.pruning_obj.weight_mask_op()

    def masks(self) -> dict[str, FloatArray]:
        """By layer, 1 where a weight stays."""
        return {name: wrapper.pruning_vars[0][1].numpy() for name, wrapper in self.wrappers.items()}


def _facts(layers: Mapping[str, Any], masks: Mapping[str, FloatArray]) -> dict[str, Any]:
    zeros = {name: int((mask == 0).sum()) for name, mask in masks.items()}
    sizes = {name: int(np.prod(kernel_of(layer).shape)) for name, layer in layers.items()}
    return {
        "weights": sum(sizes.values()),
        "zeros": sum(zeros.values()),
        "sparsity": {name: round(count / sizes[name], 4) for name, count in zeros.items()},
        "left_dense": [name for name in layers if name not in masks],
    }
