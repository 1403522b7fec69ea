"""How much a student loses when one layer alone is compressed, for every layer, kind and level; no training.

The loss is that of training against what happened (`packager.student.losses`), on cases of the early-stopping
block, in percent of the untouched student's. What fine-tuning would win back is not in it: it ranks layers
and levels, and says little of what a whole recipe will lose.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from packager.compress.layers import channel_axis, compressible, kernel_of, rounded
from packager.compress.material import Material
from packager.dataset.windows import Windows
from packager.errors import TrainingFailed
from packager.export.palette import palette
from packager.student import load_student
from packager.student.losses import hard_loss
from packager.student.normalisation import Normalisation
from packager.types import FloatArray

PRUNED, CLUSTERED, ROUNDED = "pruned", "clustered", "rounded"
# The mildest first.
SPARSITIES = (0.25, 0.5, 0.75, 0.9)
CLUSTERS = (64, 16, 8, 4)
BITS = (8, 4, 3, 2)
CASES = 512
# Losses are sums of decimal fractions.
ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Row:
    """One layer at one level.

    Attributes:
        layer: its name.
        kind: pruned, clustered or rounded.
        level: the sparsity, the number of shared values, or the bits.
        loss_percent: by how much the loss of the whole student rises; below 0 where it falls by chance.
        bytes_saved: of the layer's float32 kernel: a mask of zeros costs a bit per weight, shared values
            an index per weight and the table, rounded ones their bits and a scale per output.
    """

    layer: str
    kind: str
    level: float
    loss_percent: float
    bytes_saved: int


@dataclass(frozen=True)
class Sensitivity:
    """The table, and what it was measured on.

    Attributes:
        rows: by layer in the model's order, then kind, then level, the mildest first.
        loss: of the untouched student.
        cases: on which losses were measured.
    """

    rows: tuple[Row, ...]
    loss: float
    cases: int

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"loss": self.loss, "cases": self.cases, "rows": [asdict(row) for row in self.rows]}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Sensitivity":
        """The inverse of `to_dict`."""
        return cls(tuple(Row(**row) for row in values["rows"]), values["loss"], values["cases"])

    @property
    def layers(self) -> list[str]:
        """Names of the layers, in the model's order."""
        return list(dict.fromkeys(row.layer for row in self.rows))

    def of(self, kind: str) -> list[Row]:
        """The rows of one kind."""
        return [row for row in self.rows if row.kind == kind]

    def sparsities(self, max_loss_percent: float) -> dict[str, float]:
        """By layer, the highest sparsity such that all layers together lose no more than this.

        A layer that bears no level is left out; so it is with the other two.
        """
        return {name: row.level for name, row in most_compressed(self.of(PRUNED), max_loss_percent).items()}

    def clusters(self, max_loss_percent: float) -> dict[str, int]:
        """By layer, the fewest shared values."""
        chosen = most_compressed(self.of(CLUSTERED), max_loss_percent)
        return {name: int(row.level) for name, row in chosen.items()}

    def bits(self, max_loss_percent: float) -> dict[str, int]:
        """By layer, the fewest bits."""
        chosen = most_compressed(self.of(ROUNDED), max_loss_percent)
        return {name: int(row.level) for name, row in chosen.items()}


def most_compressed(rows: Iterable[Row], max_loss_percent: float) -> dict[str, Row]:
    """Spend a loss where each percent saves most bytes.

    Losses of layers are added, as if they did not meet; a loss below 0 is chance, and counts as 0. The
    cheapest step per byte is taken first, from a layer's present level to any that saves more, until none
    fits.

    Args:
        rows: of one kind.
        max_loss_percent: of all layers together.

    Returns:
        By layer, its row; layers that stay as they are are left out.
    """
    by_layer: dict[str, list[Row]] = {}
    for row in rows:
        by_layer.setdefault(row.layer, []).append(row)
    chosen: dict[str, Row] = {}
    left = max_loss_percent
    while steps := [step for name in by_layer for step in _steps(by_layer[name], chosen.get(name), left)]:
        _, cost, row = min(steps, key=lambda step: step[0])
        chosen[row.layer] = row
        left -= cost
    return chosen


def analyse(
    student: Path,
    material: Material,
    *,
    sparsities: Iterable[float] = SPARSITIES,
    clusters: Iterable[int] = CLUSTERS,
    bits: Iterable[int] = BITS,
    cases: int = CASES,
) -> Sensitivity:
    """Compress one layer of a student after the other and measure each; the student on disk stays as it is.

    Args:
        student: folder of a saved student.
        material: its early-stopping cases and contract are read.
        sparsities: shares of a kernel's smallest weights that become zero.
        clusters: numbers of values that a kernel's weights share.
        bits: of a kernel's weights, one scale per output; 16 is half precision.
        cases: at most so many, spread evenly.

    Returns:
        The same table for the same student and cases.

    Raises:
        TrainingFailed: no cases, or the student's loss is not finite.
    """
    model, windows = load_student(student), _evenly(material.stopping, cases)
    loss_of = _measure(model, windows, material)
    start = loss_of() if len(windows) else float("nan")
    if not np.isfinite(start):
        raise TrainingFailed(
            f"The student's loss on {len(windows)} early-stopping cases is {start}; it must be finite. "
            "Bring a dataset with early-stopping days and targets, or train the student again."
        )
    levels = {PRUNED: tuple(sparsities), CLUSTERED: tuple(clusters), ROUNDED: tuple(bits)}
    rows = []
    for layer in compressible(model):
        variable = kernel_of(layer)
        kernel = variable.numpy()
        for kind, level, changed in _changed(kernel, channel_axis(layer), levels):
            variable.assign(changed)
            percent = round(100 * (loss_of() / start - 1), 4)
            saved = bytes_saved(kernel, kind, level, channel_axis(layer))
            rows.append(Row(layer.name, kind, level, percent, saved))
        variable.assign(kernel)
    return Sensitivity(tuple(rows), round(start, 6), len(windows))


def compressed_kernel(kernel: FloatArray, kind: str, level: float, axis: int) -> FloatArray:
    """A kernel pruned by magnitude, clustered or rounded; `axis` is that of its outputs."""
    if kind == ROUNDED:
        return rounded(kernel, int(level), axis)
    if kind == CLUSTERED:
        table, index = palette(kernel, int(level))
        return np.asarray(table[index].reshape(kernel.shape))
    order = np.argsort(np.abs(kernel), axis=None, kind="stable")
    pruned = kernel.copy()
    pruned.flat[order[: int(level * kernel.size)]] = 0.0
    return pruned


def bytes_saved(kernel: FloatArray, kind: str, level: float, axis: int) -> int:
    """Bytes of a float32 kernel that a level saves, before any entropy coding; see `Row`."""
    whole = 4 * kernel.size
    if kind == PRUNED:
        zeros = int(level * kernel.size)
        return 4 * zeros - kernel.size // 8 if zeros else 0
    if kind == CLUSTERED:
        index = np.ceil(np.log2(level)) / 8
        return int(max(0, whole - kernel.size * index - 4 * level))
    scales = 0 if level >= 16 else 4 * kernel.shape[axis]
    return int(max(0, whole - kernel.size * level / 8 - scales))


def _changed(
    kernel: FloatArray, axis: int, levels: Mapping[str, Iterable[float]]
) -> Iterator[tuple[str, float, FloatArray]]:
    for kind, steps in levels.items():
        for level in steps:
            yield kind, level, compressed_kernel(kernel, kind, level, axis)


def _steps(rows: Iterable[Row], present: Row | None, left: float) -> Iterator[tuple[float, float, Row]]:
    """Loss per byte, loss and row of every level that saves more than the present one and fits."""
    loss, saved = (max(0.0, present.loss_percent), present.bytes_saved) if present else (0.0, 0)
    for row in rows:
        cost = max(0.0, row.loss_percent) - loss
        if row.bytes_saved > saved and cost <= left + ROUNDING:
            yield cost / (row.bytes_saved - saved), cost, row


def _measure(model: Any, windows: Windows, material: Material) -> Any:
    """A function that gives the model's loss as it is; compiled once."""
    normalisation: Normalisation = material.normalisation
    inputs = {name: tf.constant(values) for name, values in windows.inputs.items()}
    targets = {name: tf.constant(values) for name, values in windows.targets.items()}
    step = tf.function(
        lambda: hard_loss(model(inputs, training=False), targets, material.contract, normalisation)
    )
    return lambda: float(step())


def _evenly(windows: Windows, cases: int) -> Windows:
    index = np.linspace(0, len(windows) - 1, min(cases, len(windows))).astype(int)
    return windows.take(index)
