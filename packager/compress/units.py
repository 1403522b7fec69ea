"""Which channels and neurons of a model are one unit: removed together, because sums and reshapes tie them.

Every output of a weight layer gets a label of its own, and the labels are carried through the graph. Where
two labels meet, in the same place of a sum or on the same input of a later layer, they name one unit. Layers
that only move numbers (concatenate, flatten, reshape, repeat, slice) are run on the labels themselves, so
that no architecture is written down here. The idea is that of dependency graphs: Fang et al. (2023),
"DepGraph: Towards Any Structural Pruning", arXiv:2301.12900.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from tf_keras import layers

from packager.types import IntArray

# Labels: of padding, which no removal changes; and of what must stay.
NOTHING, FIXED = 0, 1
SUMS = (layers.Add, layers.Subtract, layers.Multiply, layers.Average, layers.Maximum, layers.Minimum)
ELEMENTWISE = (layers.Activation, layers.ReLU, layers.LeakyReLU, layers.ELU, layers.PReLU, layers.Dropout)


@dataclass(frozen=True)
class Units:
    """By weight layer, the unit on each position of its kernel's outputs and inputs; 1 is never removed.

    A depthwise convolution makes no units: it hands on those that it reads.
    """

    made: Mapping[str, IntArray]
    read: Mapping[str, IntArray]


def find_units(model: Any) -> Units:
    """Label a functional model, each of whose layers is called once.

    Layers of unknown kinds that do more than move numbers keep all that they read.
    """
    return _Labelling().run(model)


class _Labelling:
    """Labels of every tensor, per case, and which labels turned out to be one unit."""

    def __init__(self) -> None:
        self.parent = [NOTHING, FIXED]
        self.known: dict[str, IntArray] = {}
        self.made: dict[str, IntArray] = {}
        self.read: dict[str, IntArray] = {}

    def run(self, model: Any) -> Units:
        for layer in model.layers:
            node = layer.inbound_nodes[0]
            if node.is_input:
                self._keep_outputs(node, lambda shape: np.full(shape, FIXED))
            else:
                self._visit(layer, node)
        for tensor in tf.nest.flatten(model.outputs):
            self._fix(self.known[str(id(tensor))])
        return Units(self._resolved(self.made), self._resolved(self.read))

    def _visit(self, layer: Any, node: Any) -> None:
        inputs = [self.known[str(id(tensor))] for tensor in node.keras_inputs]
        if isinstance(layer, layers.DepthwiseConv2D):
            labels = self._read_by(layer, inputs[0])
            self._keep_outputs(node, lambda shape: np.broadcast_to(labels, shape))
        elif isinstance(layer, layers.Dense | layers.Conv2D):
            self._read_by(layer, inputs[0])
            labels = self.made[layer.name] = self._new(int(layer.kernel.shape[-1]))
            self._keep_outputs(node, lambda shape: np.broadcast_to(labels, shape))
        elif isinstance(layer, SUMS):
            summed = self._united(inputs)
            self._keep_outputs(node, lambda _shape: summed)
        elif isinstance(layer, ELEMENTWISE):
            self._keep_outputs(node, lambda _shape: inputs[0])
        else:
            self._move(layer, node, inputs)

    def _move(self, layer: Any, node: Any, inputs: list[IntArray]) -> None:
        """Labels after a layer that only moves numbers; else everything that it reads is kept."""
        free = any((labels > FIXED).any() for labels in inputs)
        moved = self._moved(layer, node) if free and not layer.weights else None
        if moved is None:
            for labels in inputs:
                self._fix(labels)
            self._keep_outputs(node, lambda shape: np.full(shape, FIXED))
            return
        for tensor, labels in zip(tf.nest.flatten(node.outputs), moved, strict=True):
            self.known[str(id(tensor))] = labels

    def _moved(self, layer: Any, node: Any) -> list[IntArray] | None:
        """A layer only moves numbers where renaming what it reads renames what it gives, and nothing else."""
        names = np.arange(len(self.parent))
        renamed = np.concatenate([names[:2], np.random.default_rng(0).permutation(names[2:])])
        plain, other = self._called(layer, node, names), self._called(layer, node, renamed)
        labels = []
        for first, second in zip(plain, other, strict=True):
            whole = np.round(first).astype(int)
            if (whole != first).any() or whole.min(initial=0) < 0 or whole.max(initial=0) >= len(names):
                return None
            if (renamed[whole] != second).any():
                return None
            labels.append(whole)
        return labels

    def _called(self, layer: Any, node: Any, names: IntArray) -> list[Any]:
        arguments: dict[str, list[Any]] = {}
        for tensor in node.keras_inputs:
            key = str(id(tensor))
            arguments.setdefault(key, []).append(tf.constant(names[self.known[key]][None], tf.float32))
        args, kwargs = node.map_arguments(arguments)
        return [value.numpy()[0] for value in tf.nest.flatten(layer(*args, **kwargs))]

    def _read_by(self, layer: Any, labels: IntArray) -> IntArray:
        """One label per input of a kernel: what stands on the same input at several places is one unit."""
        rows = labels.reshape(-1, labels.shape[-1])
        merged = self._united(list(rows))
        self.read[layer.name] = merged
        return merged

    def _new(self, count: int) -> IntArray:
        first = len(self.parent)
        self.parent.extend(range(first, first + count))
        return np.arange(first, first + count)

    def _united(self, many: list[IntArray]) -> IntArray:
        """Labels of a sum: equal places become one unit; padding takes the other's label."""
        one, *others = np.broadcast_arrays(*many)
        result = one.copy()
        for other in others:
            both = (result != NOTHING) & (other != NOTHING)
            for pair in np.unique(np.stack([result[both], other[both]], axis=-1), axis=0).tolist():
                self._unite(*pair)
            result = np.where(result == NOTHING, other, result)
        return result

    def _unite(self, first: int, second: int) -> None:
        first, second = sorted((self._root(first), self._root(second)))
        self.parent[second] = first

    def _root(self, label: int) -> int:
        while self.parent[label] != label:
            label = self.parent[label]
        return label

    def _fix(self, labels: IntArray) -> None:
        for label in np.unique(labels[labels != NOTHING]).tolist():
            self._unite(FIXED, label)

    def _keep_outputs(self, node: Any, labels: Callable[[tuple[int, ...]], IntArray]) -> None:
        for tensor in tf.nest.flatten(node.outputs):
            # A length that only running tells is one here: its places are alike.
            self.known[str(id(tensor))] = labels(tuple(length or 1 for length in tensor.shape[1:]))

    def _resolved(self, by_layer: Mapping[str, IntArray]) -> dict[str, IntArray]:
        roots = np.array([self._root(label) for label in range(len(self.parent))])
        return {name: roots[labels] for name, labels in by_layer.items()}
