"""Layers of the float head and tail. They hold constants, not weights."""

from typing import Any

import numpy as np
import tensorflow as tf
from tf_keras import layers

from packager.student.normalisation import Normalisation

HOURS_PER_DAY = 24


class NormaliseHistory(layers.Layer):
    """(hour, channel) values and mask → normalised values, 0 where missing; (hour, 1, 2 × channel) of both.

    For history and, with leads for hours, for guidance. Products with small matrices instead of a vector for
    each channel: a phone adds and multiplies vectors row by row, and takes longer for it.
    """

    def __init__(self, normalisation: Normalisation, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        offsets, upper = normalisation.log_offsets(), normalisation.upper_limits()
        width = 1.0 / np.array(normalisation.std)
        is_log = offsets > 0
        # Logarithmic channels alone: clipped to 0..6, then log(1 + value ÷ offset).
        self.clip = np.diag(6.0 / upper)[:, is_log].astype(np.float32)
        self.unclip = np.diag((upper / offsets.clip(min=1e-9) / 6.0)[is_log]).astype(np.float32)
        self.linear = np.diag(np.where(is_log, 0.0, width)).astype(np.float32)
        self.logarithmic = np.diag(width)[is_log].astype(np.float32)
        shift = np.log(np.where(is_log, offsets, 1.0)) - np.array(normalisation.mean)
        self.shift = (shift * width).astype(np.float32)

    def call(self, inputs: Any) -> Any:
        values, mask = inputs
        ratio = tf.matmul(tf.nn.relu6(tf.matmul(values, self.clip)), self.unclip)
        logs = tf.matmul(tf.math.log(ratio + 1.0), self.logarithmic)
        values = (tf.matmul(values, self.linear) + self.shift + logs) * mask
        return values, tf.expand_dims(tf.concat([values, mask], axis=-1), axis=2)


class NormaliseSite(layers.Layer):
    """Latitude, longitude (degrees) and elevation (m) to about −1..1.

    By fixed numbers, not by statistics, so that no station is special.
    """

    def call(self, site: Any) -> Any:
        return (site - np.array([40.0, -95.0, 500.0], np.float32)) * np.array([0.1, 0.04, 0.001], np.float32)


class LeadFeatures(layers.Layer):
    """Clock → (lead, 1, 6): the solar phase at the valid time, and four functions of the lead itself."""

    def __init__(self, lead_hours: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.leads = lead_hours
        lead = np.arange(1, lead_hours + 1)
        angle = 2 * np.pi * lead / HOURS_PER_DAY
        # sin(s + a) and cos(s + a) from sin s and cos s, the second half of the clock; what is the same for
        # all cases is added to it: one product for all leads.
        matrix = np.zeros((4, lead_hours, 6), np.float32)
        matrix[2, :, :2] = np.stack([np.cos(angle), -np.sin(angle)], -1)
        matrix[3, :, :2] = np.stack([np.sin(angle), np.cos(angle)], -1)
        own = np.zeros((lead_hours, 6), np.float32)
        own[:, 2:] = np.stack(
            [lead / lead_hours, np.exp(-lead / 3), np.exp(-lead / 12), lead > HOURS_PER_DAY], -1
        )
        self.matrix, self.own = matrix.reshape(4, -1), own.reshape(-1)

    def call(self, clock: Any) -> Any:
        return tf.reshape(tf.matmul(clock, self.matrix) + self.own, (-1, self.leads, 1, 6))


class Hours(layers.Layer):
    """(hour, 1, feature) → the hours from `first` up to `last`, counted as Python's slices are."""

    def __init__(self, first: int | None, last: int | None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.first, self.last = first, last

    def call(self, history: Any) -> Any:
        return history[:, self.first : self.last]


class EveryDay(layers.Layer):
    """(hour of a day, …) → (lead, …): leads past a day take the same hours of the day again."""

    def __init__(self, lead_hours: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.leads = lead_hours

    def call(self, day: Any) -> Any:
        days = -(-self.leads // HOURS_PER_DAY)
        repeated = tf.concat([day] * days, axis=1) if days > 1 else day
        return repeated if self.leads == days * HOURS_PER_DAY else repeated[:, : self.leads]


class GuidanceFeatures(layers.Layer):
    """(lead, 1, 2 × channel) normalised guidance and mask → (lead, 1, 4 × channel).

    Each lead's own guidance and mask; its mean with two leads on either side, because a single hour of a
    model is noisy; and that mean at the first lead for all leads: beside the latest observation, which is a
    feature too, it tells the error that the guidance begins with. A missing neighbour counts as average.
    """

    REACH = 2

    def call(self, guidance: Any) -> Any:
        leads, width = guidance.shape[1], guidance.shape[3]
        values = guidance[:, :, :, : width // 2]
        ends = [[values[:, at : at + 1]] * self.REACH for at in (0, leads - 1)]
        wide = tf.concat([*ends[0], values, *ends[1]], axis=1)
        count = 2 * self.REACH + 1
        mean = sum(wide[:, step : step + leads] for step in range(count)) * (1.0 / count)
        first = mean[:, :1] * np.ones((1, leads, 1, 1), np.float32)
        return tf.concat([guidance, mean, first], axis=-1)


class RegressionFeatures(layers.Layer):
    """History, site and clock → (feature,): all but the mask, linear, and some recent hours times the clock.

    What a station never reports names the network that it belongs to; without the mask the regression cannot
    learn that. The products let a linear model say that a warm anomaly at dawn decays in another way than
    one at noon.
    """

    RECENT = (1, 4, 7, 13, 25)

    def call(self, inputs: Any) -> Any:
        history, site, clock = inputs
        hours, width = history.shape[1], history.shape[3]
        recent = tf.concat([history[:, hours - back, 0, : width // 2] for back in self.RECENT], axis=-1)
        products = [recent * clock[:, index : index + 1] for index in range(clock.shape[-1])]
        flat = tf.reshape(history[..., : width // 2], (-1, hours * width // 2))
        return tf.concat([flat, site, clock, *products], axis=-1)


class AddRegression(layers.Layer):
    """Add the regression's (lead × 5,) differences to the anchors that it has targets for."""

    TARGETS = ("temperature", "dew_point", "pressure_msl", "wind_u", "wind_v")

    def call(self, inputs: Any) -> Any:
        anchors, flat = inputs
        change = tf.reshape(flat, (-1, anchors.shape[1], len(self.TARGETS)))
        return anchors + tf.concat([change, 0.0 * change[:, :, :1]], axis=-1)
