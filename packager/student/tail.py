"""The float tail: anchors, from which differences count, and the way from raw numbers to physical units.

Everything linear of an output is one matrix: the order of its quantiles, its anchor, its width and its
centre. A phone then runs one small product for each output instead of a dozen operations.
"""

from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tf_keras import layers

from packager.contract import Contract, Output
from packager.student.layers import HOURS_PER_DAY
from packager.student.normalisation import Normalisation
from packager.types import FloatArray

# Columns of the anchors; all normalised.
ANCHORS = ("temperature", "dew_point", "pressure_msl", "wind_u", "wind_v", "wind_speed")
# The anchor of each number of an output.
ANCHORS_OF = {
    "temperature": ("temperature",),
    "dew_point": ("dew_point",),
    "pressure_msl": ("pressure_msl",),
    "wind": ("wind_u", "wind_v"),
    "wind_speed": ("wind_speed",),
    "cloud_cover": ("cloud_cover",),
}
# Outputs whose numbers are a logit or a logarithm.
LOGARITHMIC = ("cloud_cover", "precipitation")
# The first width of a step between quantiles, of a channel's standard deviation.
STEP = 0.25
# Logit of cloud cover between a clear and a covered sky of the guidance.
CLOUD_LOGIT = 4.4


class Anchors(layers.Layer):
    """History → (hour of a day, 6): what differences are added to, normalised, in the order of `ANCHORS`.

    Temperature, dew point and wind start from the same hour yesterday, pressure from the latest observation.
    Where that is missing the anchor is the mean, and the body, which sees the mask, gives the whole value.
    """

    def __init__(self, contract: Contract, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        names = contract.input("history").channel_names
        width = 2 * len(names)
        self.yesterday = np.zeros((width, len(ANCHORS) - 1), np.float32)
        self.latest = np.zeros_like(self.yesterday)
        self.squares = np.zeros((len(ANCHORS) - 1, 1), np.float32)
        for column, name in enumerate(ANCHORS[:-1]):
            chosen = self.latest if name == "pressure_msl" else self.yesterday
            chosen[names.index(name), column] = 1.0
            self.squares[column] = name.startswith("wind_")

    def call(self, history: Any) -> Any:
        day = tf.reshape(history[:, -HOURS_PER_DAY:], (-1, HOURS_PER_DAY, history.shape[3]))
        same = tf.matmul(day, self.yesterday) + tf.matmul(day[:, -1:], self.latest)
        speed = tf.sqrt(tf.matmul(same * same, self.squares) + 1e-6)
        return tf.concat([same, speed], axis=-1)


class GuidanceAnchors(layers.Layer):
    """(lead, 6) anchors and guidance → (lead, 7): differences start from the guidance where there is some.

    Cloud cover, which has no other anchor, becomes the seventh: it starts between a tenth and nine tenths,
    because a model says 0 or 1 too often.
    """

    def __init__(self, normalisation: Normalisation, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.channel = {name: index for index, name in enumerate(normalisation.channels)}
        cloud = self.channel["cloud_cover"]
        self.cloud_centre, self.cloud_width = normalisation.mean[cloud], normalisation.std[cloud]

    def call(self, inputs: Any) -> Any:
        anchors, guidance = inputs
        values, known = tf.split(guidance[:, :, 0, :], 2, axis=-1)

        def one(array: Any, name: str) -> Any:
            return array[:, :, self.channel[name] : self.channel[name] + 1]

        u, v = one(values, "wind_u"), one(values, "wind_v")
        speed = tf.sqrt(u * u + v * v + 1e-6)
        given = tf.concat([*(one(values, name) for name in ANCHORS[:-1]), speed], axis=-1)
        mask = tf.concat([*(one(known, name) for name in ANCHORS[:-1]), one(known, "wind_u")], axis=-1)
        # A sum, not a choice: the mask is 0 or 1, and converters know sums best.
        moved = given * mask + anchors * (1.0 - mask)
        share = one(values, "cloud_cover") * self.cloud_width + self.cloud_centre
        cloud = (share - 0.5) * CLOUD_LOGIT * one(known, "cloud_cover")
        return tf.concat([moved, cloud], axis=-1)


class Numbers(layers.Layer):
    """Raw numbers (lead, number) and anchors (lead, anchor) → (lead, number) of all outputs but classes.

    Raw numbers come in two groups: what stands by itself (the middle of quantiles, a mean), and the steps
    from it, `STEP` times exp(x) below 0 and 1 + x above: positive, so that quantiles are ordered by
    construction. Cloud cover comes as its logit and precipitation as its logarithm; everything else is in its
    units.
    """

    def __init__(self, contract: Contract, normalisation: Normalisation, anchors: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        specs = [spec for spec in contract.outputs if spec.kind != "probabilities"]
        levels = np.concatenate([_levels_from_middle(spec) for spec in specs])
        # Where each number's raw one is: all middles, then all steps.
        self.place = np.argsort(np.argsort(levels != 0, kind="stable"))
        self.middles, self.numbers = int((levels == 0).sum()), len(levels)
        matrix = np.zeros((self.numbers + anchors, self.numbers))
        offset = np.zeros(self.numbers)
        for spec in specs:
            columns = columns_of(contract, spec)
            linear, anchored, first = _linear(spec, normalisation, anchors)
            matrix[np.ix_(self.place[columns], np.arange(self.numbers)[columns])] = linear
            matrix[self.numbers :, columns] = anchored
            # The 1 of each step.
            offset[columns] = first + linear[levels[columns] != 0].sum(axis=0)
        self.matrix, self.offset = matrix.astype(np.float32), offset.astype(np.float32)

    def call(self, inputs: Any) -> Any:
        raw, anchors = inputs
        middles, steps = raw[..., : self.middles], raw[..., self.middles : self.numbers]
        return tf.matmul(tf.concat([middles, tf.nn.elu(steps), anchors], axis=-1), self.matrix) + self.offset


class Chances(layers.Layer):
    """Raw numbers (lead, number) → (lead, class) of all outputs that are classes: a softmax for each."""

    # Above this a probability is 1 to the last digit, and its exponential still far from overflow.
    LARGEST = 40.0

    def __init__(self, contract: Contract, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        specs = [spec for spec in contract.outputs if spec.kind == "probabilities"]
        group = np.repeat(np.arange(len(specs)), [spec.width for spec in specs])
        self.same_output = (group[:, None] == group[None, :]).astype(np.float32)

    def call(self, raw: Any) -> Any:
        weight = tf.exp(tf.clip_by_value(raw[..., -len(self.same_output) :], -self.LARGEST, self.LARGEST))
        return weight / tf.matmul(weight, self.same_output)


class PhysicalOutput(layers.Layer):
    """Its own columns of numbers or chances → one output of the contract, in its units and range."""

    def __init__(self, contract: Contract, spec: Output, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.spec = spec
        self.columns = columns_of(contract, spec)

    def call(self, values: Any) -> Any:
        values = values[..., self.columns]
        name = self.spec.name
        if name == "cloud_cover":
            return tf.sigmoid(values)
        if name == "precipitation":
            # Amounts span decades: equal steps in the logarithm.
            return tf.exp(tf.clip_by_value(values, -4.0, 5.0))
        if self.spec.kind != "probabilities" and self.spec.valid_range[0] == 0:
            values = tf.nn.relu(values)
        return tf.reshape(values, (-1, *self.spec.shape[1:])) if len(self.spec.shape) == 2 else values


def columns_of(contract: Contract, spec: Output) -> slice:
    """Where an output lies among the numbers, or, if it is classes, among the chances."""
    classes = spec.kind == "probabilities"
    alike = [other for other in contract.outputs if (other.kind == "probabilities") == classes]
    first = sum(other.width for other in alike[: alike.index(spec)])
    return slice(first, first + spec.width)


def _linear(spec: Output, normalisation: Normalisation, anchors: int) -> tuple[FloatArray, FloatArray, float]:
    """What an output adds up: matrices (width, width) of raw numbers and (anchor, width), and an offset."""
    levels = _levels_from_middle(spec)
    linear = np.eye(spec.width)
    if spec.kind == "quantiles":
        # A level is the middle and all steps between the two.
        between = (np.sign(levels[:, None]) == np.sign(levels)) & (abs(levels[:, None]) <= abs(levels))
        linear = np.where(levels[:, None] == 0, 1.0, STEP * np.sign(levels[:, None]) * between)
    anchored = np.zeros((anchors, spec.width))
    for place, anchor in enumerate(ANCHORS_OF.get(spec.name, ())):
        row = (*ANCHORS, "cloud_cover").index(anchor)
        if row < anchors:
            anchored[row, slice(None) if spec.kind == "quantiles" else place] = 1.0
    if spec.name in LOGARITHMIC:
        return linear, anchored, 0.0
    offset, width = normalisation.output_scale(spec.name)
    return linear * width, anchored * width, offset


def _levels_from_middle(spec: Output) -> NDArray[np.int64]:
    """(width,): how many levels each number of an output lies above the middle one; 0 for a single number."""
    if spec.kind != "quantiles":
        return np.zeros(spec.width, int)
    return np.arange(spec.width) - int(np.argmin(np.abs(np.array(spec.levels) - 0.5)))
