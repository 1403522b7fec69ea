"""Layers of the float head and tail. They hold constants, not weights."""

from typing import Any

import numpy as np
import tensorflow as tf
from tf_keras import layers

from packager.contract import Contract, Output
from packager.student.normalisation import Normalisation

HOURS_PER_DAY = 24
# Logit of cloud cover between a clear and a covered sky of the guidance.
CLOUD_LOGIT = 4.4


class NormaliseHistory(layers.Layer):
    """(hour, channel) values and mask → (hour, 1, 2 × channel): normalised, 0 where missing; the mask.

    For history and, with leads for hours, for guidance.
    """

    def __init__(self, normalisation: Normalisation, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        offsets = normalisation.log_offsets()
        self.offsets = np.where(offsets > 0, offsets, 1.0).astype(np.float32)
        self.is_log = (offsets > 0).astype(np.float32)
        self.upper = normalisation.upper_limits()
        self.mean = np.array(normalisation.mean, np.float32)
        self.inverse_std = (1.0 / np.array(normalisation.std)).astype(np.float32)

    def call(self, inputs: Any) -> Any:
        values, mask = inputs
        values = tf.minimum(values, self.upper)
        logs = tf.math.log(tf.maximum(values, 0.0) + self.offsets)
        values = values * (1.0 - self.is_log) + logs * self.is_log
        # Multiplying after centring keeps pressure's small changes: 1013.2 − 1013.0 loses nothing.
        values = (values - self.mean) * self.inverse_std * mask
        return tf.expand_dims(tf.concat([values, mask], axis=-1), axis=2)


class NormaliseSite(layers.Layer):
    """Latitude, longitude (degrees) and elevation (m) to about −1..1.

    By fixed numbers, not by statistics, so that no station is special.
    """

    def call(self, site: Any) -> Any:
        return (site - np.array([40.0, -95.0, 500.0], np.float32)) * np.array([0.1, 0.04, 0.001], np.float32)


class ValuesOnly(layers.Layer):
    """(hour, 1, 2 × channel) → (hour × channel,): the values without the mask.

    What a station never reports names the network that it belongs to, and a linear layer would learn its
    weather by that name.
    """

    def call(self, history: Any) -> Any:
        hours, width = history.shape[1], history.shape[3]
        return tf.reshape(history[:, :, 0, : width // 2], (-1, hours * (width // 2)))


class LeadFeatures(layers.Layer):
    """Clock and site → (lead, 1, 11): solar phase at the valid time, season, site, the lead itself."""

    def __init__(self, lead_hours: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.leads = lead_hours
        lead = np.arange(1, lead_hours + 1)
        angle = 2 * np.pi * lead / HOURS_PER_DAY
        # sin(s + a) and cos(s + a) from sin s and cos s: one (2, lead × 2) matrix rotates the clock to every
        # valid time.
        rotation = np.stack(
            [np.stack([np.cos(angle), -np.sin(angle)], -1), np.stack([np.sin(angle), np.cos(angle)], -1)]
        )
        self.rotation = rotation.reshape(2, -1).astype(np.float32)
        scaled = lead / lead_hours
        own = np.stack(
            [scaled, np.exp(-lead / 3), np.exp(-lead / 12), (lead > HOURS_PER_DAY).astype(float)], -1
        )
        self.own = own[None].astype(np.float32)

    def call(self, inputs: Any) -> Any:
        clock, site = inputs
        season, solar = clock[:, :2], clock[:, 2:4]
        phase = tf.reshape(tf.matmul(solar, self.rotation), (-1, self.leads, 2))
        same = tf.expand_dims(tf.concat([season, site], axis=-1), axis=1)
        same = same * np.ones((1, self.leads, 1), np.float32)
        own = self.own + 0.0 * phase[:, :, :1]
        return tf.expand_dims(tf.concat([phase, same, own], axis=-1), axis=2)


class SameHourYesterday(layers.Layer):
    """(hour, 1, feature) → (lead, 1, 5 × feature): what was observed at the same hour of the day.

    The observations 23, 24, 25 and 48 h before the valid time, and the latest. Leads past a day take the same
    hours of the last days that were observed.
    """

    def __init__(self, lead_hours: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.leads = lead_hours

    def call(self, history: Any) -> Any:
        hours = history.shape[1]
        first = hours - HOURS_PER_DAY
        following = tf.concat([history[:, first + 1 :], history[:, first : first + 1]], axis=1)
        days = [
            following,
            history[:, first:],
            history[:, first - 1 : hours - 1],
            history[:, first - HOURS_PER_DAY : first],
        ]
        day = tf.concat(days, axis=-1)
        repeated = tf.concat([day] * -(-self.leads // HOURS_PER_DAY), axis=1)[:, : self.leads]
        latest = history[:, -1:] * np.ones((1, self.leads, 1, 1), np.float32)
        return tf.concat([repeated, latest], axis=-1)


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
        leads = anchors["dew_point"].shape[1]
        change = tf.reshape(flat, (-1, leads, len(self.TARGETS)))
        wind = anchors["wind"] + change[:, :, 3:5]
        return anchors | {
            "temperature": anchors["temperature"] + change[:, :, 0:1],
            "dew_point": anchors["dew_point"] + change[:, :, 1],
            "pressure_msl": anchors["pressure_msl"] + change[:, :, 2],
            "wind": wind,
        }


class ContextPerLead(layers.Layer):
    """(feature,) → (1, 1, feature), to be added to every lead."""

    def call(self, context: Any) -> Any:
        return tf.expand_dims(tf.expand_dims(context, 1), 1)


class Anchors(layers.Layer):
    """What differences are added to, normalised: (lead,) for each output that has one.

    Temperature, dew point and wind start from the same hour yesterday, pressure from the latest observation.
    Where that is missing the anchor is the mean, and the body, which sees the mask, gives the whole value.
    """

    def __init__(self, contract: Contract, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.leads = contract.lead_hours
        self.channel = {name: i for i, name in enumerate(contract.input("history").channel_names)}

    def call(self, history: Any) -> dict[str, Any]:
        days = -(-self.leads // HOURS_PER_DAY)
        recent = history[:, -HOURS_PER_DAY:, 0, :]
        yesterday = tf.concat([recent] * days, axis=1)[:, : self.leads]
        latest = recent[:, -1:] * np.ones((1, self.leads, 1), np.float32)
        pick = self.channel
        wind = yesterday[:, :, pick["wind_u"] : pick["wind_v"] + 1]
        return {
            "temperature": yesterday[:, :, pick["temperature"] : pick["temperature"] + 1],
            "dew_point": yesterday[:, :, pick["dew_point"]],
            "pressure_msl": latest[:, :, pick["pressure_msl"]],
            "wind": wind,
            "wind_speed": tf.sqrt(tf.reduce_sum(wind * wind, axis=-1, keepdims=True) + 1e-6),
        }


class GuidanceAnchors(layers.Layer):
    """Let differences start from the guidance where there is some, from the other anchors elsewhere.

    Cloud cover, which has no other anchor, starts between a tenth and nine tenths: a model says 0 or 1 too
    often.
    """

    def __init__(self, normalisation: Normalisation, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.channel = {name: index for index, name in enumerate(normalisation.channels)}
        cloud = self.channel["cloud_cover"]
        self.cloud_centre, self.cloud_width = normalisation.mean[cloud], normalisation.std[cloud]

    def call(self, inputs: Any) -> dict[str, Any]:
        anchors, guidance = inputs
        values, known = tf.split(guidance[:, :, 0, :], 2, axis=-1)
        moved: dict[str, Any] = dict(anchors)
        for name in ("dew_point", "pressure_msl"):
            index = self.channel[name]
            moved[name] = _instead(anchors[name], values[:, :, index], known[:, :, index])
        first = self.channel["temperature"]
        one = slice(first, first + 1)
        moved["temperature"] = _instead(anchors["temperature"], values[:, :, one], known[:, :, one])
        pair = slice(self.channel["wind_u"], self.channel["wind_v"] + 1)
        wind, wind_known = values[:, :, pair], known[:, :, pair]
        speed = tf.sqrt(tf.reduce_sum(wind * wind, axis=-1, keepdims=True) + 1e-6)
        moved["wind"] = _instead(anchors["wind"], wind, wind_known)
        moved["wind_speed"] = _instead(anchors["wind_speed"], speed, wind_known[:, :, :1])
        return moved | {"cloud_cover": self._cloud(values, known)}

    def _cloud(self, values: Any, known: Any) -> Any:
        """(lead, 1) start of the logit of cloud cover: half covered where nothing is known."""
        index = self.channel["cloud_cover"]
        one = slice(index, index + 1)
        share = values[:, :, one] * self.cloud_width + self.cloud_centre
        return (share - 0.5) * CLOUD_LOGIT * known[:, :, one]


def _instead(anchor: Any, value: Any, known: Any) -> Any:
    # A sum, not a choice: the mask is 0 or 1, and converters know sums best.
    return value * known + anchor * (1.0 - known)


class SplitChannels(layers.Layer):
    """(..., sum of widths) → a list of (..., width)."""

    def __init__(self, widths: list[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.widths = widths

    def call(self, values: Any) -> Any:
        return tf.split(values, self.widths, axis=-1)


class OrderedQuantiles(layers.Layer):
    """(lead, level) free numbers → (lead, level) non-decreasing: the middle, and steps away from it."""

    def __init__(self, levels: tuple[float, ...], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        middle = int(np.argmin(np.abs(np.array(levels) - 0.5)))
        self.middle = middle
        count = len(levels)
        steps = np.zeros((count, count), np.float32)
        for level in range(count):
            steps[middle + 1 : level + 1, level] = 1.0
            steps[level:middle, level] = -1.0
        self.steps = steps
        self.centre = np.zeros((count, count), np.float32)
        self.centre[middle] = 1.0

    def call(self, raw: Any) -> Any:
        return tf.matmul(raw, self.centre) + tf.matmul(tf.nn.softplus(raw - 1.0), self.steps)


class Denormalise(layers.Layer):
    """Normalised numbers (and their anchor) → physical units inside the contract's valid range."""

    def __init__(self, spec: Output, scale: tuple[float, float], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.spec = spec
        self.centre, self.width = scale

    def call(self, inputs: Any) -> Any:
        values = inputs[0] + inputs[1] if len(inputs) > 1 else inputs[0]
        name = self.spec.name
        if name == "cloud_cover":
            return tf.sigmoid(values)
        if name == "precipitation":
            # Amounts span decades: equal steps in the logarithm.
            return tf.exp(tf.clip_by_value(values, -4.0, 5.0))
        values = values * self.width + self.centre
        return tf.maximum(values, 0.0) if self.spec.valid_range[0] == 0 else values
