"""The body of a model cut out as a model of its own, and put back.

The Model Optimization Toolkit copies a whole model layer by layer from configurations, which the float layers
of head and tail do not have.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import tf_keras

from packager.errors import ConversionFailed

BODY = "body_"


@dataclass(frozen=True)
class Body:
    """A model in three parts.

    Attributes:
        before: from the inputs to the tensors that enter the body, then those that pass it by.
        model: the body, from the tensors that enter it to those that leave it.
        behind: from what leaves the body and what passes it by to the outputs.
        entering: how many tensors enter the body.
        names: of the inputs, and of the outputs.
    """

    before: tf_keras.Model
    model: tf_keras.Model
    behind: tf_keras.Model
    entering: int
    names: tuple[tuple[str, ...], tuple[str, ...]]

    def around(self, body: tf_keras.Model) -> "Whole":
        """The whole model with another body of the same inputs and outputs."""
        return Whole(self, body)


class Whole:
    """A model again: dict of inputs to dict of outputs; its weights are the body's."""

    def __init__(self, parts: Body, body: tf_keras.Model) -> None:
        self.parts, self.body = parts, body

    def __call__(self, inputs: dict[str, Any], *, training: bool = False) -> dict[str, Any]:
        """Outputs by name."""
        names, outputs = self.parts.names
        known = _listed(self.parts.before([inputs[name] for name in names]))
        entering, passing = known[: self.parts.entering], known[self.parts.entering :]
        left = _listed(self.body(entering, training=training))
        return dict(zip(outputs, _listed(self.parts.behind([*left, *passing])), strict=True))

    @property
    def trainable_weights(self) -> list[Any]:
        """What training moves."""
        return list(self.body.trainable_weights)

    @property
    def weights(self) -> list[Any]:
        """All variables."""
        return list(self.body.weights)


def body_of(model: tf_keras.Model) -> Body:
    """Cut a functional model at the borders of the layers whose names start with `body_`.

    Raises:
        ConversionFailed: a layer of the body reads what a layer of the tail made: there is no such cut.
    """
    body = _layers(model)
    behind = _behind(model, body)
    made = {id(tensor) for layer in body for tensor in _outputs(layer)}
    late = {id(tensor) for layer in behind for tensor in _outputs(layer)}
    entering = _unique(t for layer in body for t in _inputs(layer) if id(t) not in made)
    if any(id(tensor) in late for tensor in entering):
        raise ConversionFailed("The body reads what the tail made; it cannot be given to a tool alone.")
    read = _unique(t for layer in behind for t in _inputs(layer) if id(t) not in late)
    leaving = [tensor for tensor in read if id(tensor) in made]
    passing = [tensor for tensor in read if id(tensor) not in made]
    inputs, outputs = dict(model.input), dict(model.output)
    return Body(
        before=tf_keras.Model(list(inputs.values()), [*entering, *passing], name="before"),
        model=tf_keras.Model(entering, leaving, name="body"),
        behind=tf_keras.Model([*leaving, *passing], list(outputs.values()), name="behind"),
        entering=len(entering),
        names=(tuple(inputs), tuple(outputs)),
    )


def _layers(model: tf_keras.Model) -> list[Any]:
    """The body's layers, but for layers of our own that only prepare what enters it."""
    made: set[int] = set()
    found = []
    # A functional model lists its layers so that each stands behind those it reads.
    for layer in model.layers:
        stock = type(layer).__module__.startswith("tf_keras.")
        if layer.name.startswith(BODY) and (stock or any(id(tensor) in made for tensor in _inputs(layer))):
            made |= {id(tensor) for tensor in _outputs(layer)}
            found.append(layer)
    return found


def _behind(model: tf_keras.Model, body: list[Any]) -> list[Any]:
    """Layers outside the body that read, at whatever remove, what the body made."""
    after: set[int] = set()
    found = []
    for layer in model.layers:
        in_body = layer in body
        if in_body or any(id(tensor) in after for tensor in _inputs(layer)):
            after |= {id(tensor) for tensor in _outputs(layer)}
            found += [] if in_body else [layer]
    return found


def _inputs(layer: Any) -> list[Any]:
    """Tensors that a layer reads; none for an input."""
    return [] if isinstance(layer, tf_keras.layers.InputLayer) else _flat(layer.input)


def _outputs(layer: Any) -> list[Any]:
    return _flat(layer.output)


def _flat(tensors: Any) -> list[Any]:
    if isinstance(tensors, dict):
        return [tensor for value in tensors.values() for tensor in _flat(value)]
    if isinstance(tensors, (list, tuple)):
        return [tensor for value in tensors for tensor in _flat(value)]
    return [tensors]


def _unique(tensors: Iterable[Any]) -> list[Any]:
    return list({id(tensor): tensor for tensor in tensors}.values())


def _listed(values: Any) -> list[Any]:
    return list(values) if isinstance(values, (list, tuple)) else [values]
