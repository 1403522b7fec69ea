"""The lead decoder: a small encoder over the history, then one network shared by all leads.

A dense head over all leads spends its weights on the head and learns the diurnal cycle badly. Here every
lead is decoded by the same few weights from: a few numbers that the context gives this lead, the solar phase
at the valid time, the observations of the same hour yesterday, the latest observation, the lead, the season
and the site. Temperature, dew point and wind are predicted as differences from the same hour yesterday,
pressure from the latest observation. Where the contract has guidance, its values are among a lead's features,
and differences start from it wherever it is given.

Layer names say how they are compressed: `head_*` (physical units in, normalised out) and `tail_*` (ordered
quantiles, softmax, physical units out) stay float; `body_*` may be quantized. Quantization-aware training
rejects Conv1D, hence Conv2D over (time, 1).
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import tf_keras
from tf_keras import layers

from packager.contract import Contract
from packager.student.layers import (
    HOURS_PER_DAY,
    AddRegression,
    EveryDay,
    GuidanceFeatures,
    Hours,
    LeadFeatures,
    NormaliseHistory,
    NormaliseSite,
    RegressionFeatures,
)
from packager.student.normalisation import Normalisation
from packager.student.tail import ANCHORS, Anchors, Chances, GuidanceAnchors, Numbers, PhysicalOutput

# The layer that gives the raw numbers of all outputs. Its weights may be compressed, its results may not:
# temperatures and logits in one 8-bit range would lose half a degree.
PROJECTION = "body_out"
# Rows that a convolution over the history reads at once, and its step: no row is read twice.
WINDOW = 4


@dataclass(frozen=True, slots=True)
class LeadDecoderConfig:
    """Sizes of a lead decoder; widths in multiples of 32 suit block-wise weight formats.

    Attributes:
        channels: of the convolutions over the history.
        context: width of the dense context.
        regression: start from a fitted linear regression (`packager.teacher.regression`): large, for servers.
        linear: width of the linear summary of the history.
        per_lead: numbers that the context gives each lead.
        hidden: widths of the layers shared by all leads.
        dropout: share of the context and of the hidden numbers that training hides; a student, which learns
            from labels without noise, needs none.
        ranks: by layer, into how many numbers thin matrices squeeze its input: one for a dense layer (two
            matrices) or a convolution (pointwise, depthwise over time, pointwise), two for a convolution
            whose core is a full one; see `packager.compress.factorize`.
        seed: of the weights' initial values.
    """

    channels: int = 64
    context: int = 128
    per_lead: int = 8
    linear: int = 32
    regression: bool = False
    dropout: float = 0.0
    hidden: tuple[int, ...] = (128, 64)
    ranks: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    seed: int = 1

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        ranks = {name: list(sizes) for name, sizes in sorted(self.ranks.items())}
        return asdict(self) | {"hidden": list(self.hidden), "ranks": ranks}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "LeadDecoderConfig":
        """The inverse of `to_dict`."""
        ranks = {name: tuple(sizes) for name, sizes in values.get("ranks", {}).items()}
        return cls(**values | {"hidden": tuple(values["hidden"]), "ranks": ranks})


def build_lead_decoder(
    contract: Contract, normalisation: Normalisation, config: LeadDecoderConfig
) -> tf_keras.Model:
    """Build an untrained lead decoder.

    Args:
        contract: inputs and outputs.
        normalisation: centre and width of each channel.
        config: sizes.

    Returns:
        A functional model from a dict of the contract's inputs to a dict of its outputs, physical units on
        both sides.
    """
    tf_keras.utils.set_random_seed(config.seed)
    inputs = {spec.name: layers.Input(spec.shape[1:], name=spec.name) for spec in contract.inputs}
    values, history = NormaliseHistory(normalisation, name="head_history")(
        [inputs["history"], inputs["history_mask"]]
    )
    site = NormaliseSite(name="head_site")(inputs["site"])
    context = _encoder(values, history, site, inputs["clock"], config)
    own = _numbers_per_lead(context, contract, config)
    per_lead = [own, LeadFeatures(contract.lead_hours, name="head_leads")(inputs["clock"])]
    anchors = Anchors(contract, name="tail_anchors")(history)
    anchors = EveryDay(contract.lead_hours, name="tail_anchors_per_lead")(anchors)
    if config.regression:
        change = _regression(history, site, inputs["clock"], contract)
        anchors = AddRegression(name="tail_add_regression")([anchors, change])
        # A width of -1 stays unknown where the batch is unknown, and the converter needs it.
        shape = (contract.lead_hours, 1, len(AddRegression.TARGETS))
        per_lead.append(layers.Reshape(shape, name="body_regression_shape")(change))
    if contract.has_guidance:
        guidance, scale = _guidance(inputs, contract, normalisation)
        per_lead.append(GuidanceFeatures(name="head_guidance_features")(guidance))
        anchors = GuidanceAnchors(scale, name="tail_guidance_anchors")([anchors, guidance])
    shared = _shared(context, history, site, inputs["clock"], config)
    decoded = _decoder(per_lead, _yesterday(history, shared, contract, config), config)
    return tf_keras.Model(inputs, _outputs(decoded, anchors, contract, normalisation), name="lead_decoder")


def _encoder(values: Any, history: Any, site: Any, clock: Any, config: LeadDecoderConfig) -> Any:
    """History (hour, 1, channel) → context (width,): two convolutions, each over `WINDOW` rows at a time.

    Beside them a linear summary of all values: what a regression would use, which convolutions learn
    slowly. Of the values without their mask: what a station never reports names the network that it belongs
    to, and a linear layer would learn its weather by that name.
    """
    x = history
    for index in range(2):
        x = _convolution(x, f"body_conv{index}", config)
    flat = layers.Flatten(name="body_flatten")(x)
    values = layers.Flatten(name="body_values")(values)
    linear = _dense(values, config.linear, "body_linear", config, use_bias=False)
    everything = layers.Concatenate(name="body_gather")([flat, linear, site, clock])
    context = _dense(everything, config.context, "body_context", config, activation="relu")
    context = _dropout(context, config, "body_context_dropout")
    return layers.Concatenate(name="body_context_and_linear")([context, linear])


def _numbers_per_lead(context: Any, contract: Contract, config: LeadDecoderConfig) -> Any:
    """(lead, 1, number): what the context says to each lead alone."""
    own = _dense(context, contract.lead_hours * config.per_lead, "body_per_lead", config)
    return layers.Reshape((contract.lead_hours, 1, config.per_lead), name="body_per_lead_shape")(own)


def _shared(context: Any, history: Any, site: Any, clock: Any, config: LeadDecoderConfig) -> Any:
    """(1, 1, hidden): what all leads are told: context, site, season, the latest observation."""
    latest = Hours(-1, None, name="head_latest")(history)
    latest = layers.Flatten(name="head_latest_flat")(latest)
    told = layers.Concatenate(name="body_told")([context, site, clock, latest])
    shared = _dense(told, config.hidden[0], "body_context_to_hidden", config)
    return layers.Reshape((1, 1, config.hidden[0]), name="body_broadcast")(shared)


def _yesterday(history: Any, shared: Any, contract: Contract, config: LeadDecoderConfig) -> Any:
    """(lead, 1, hidden) of what was observed 23 to 25 h and 48 h before the valid time, and what all share.

    Leads past a day take the same hours of the last days that were observed, so that a day's work serves two.
    """
    day = Hours(-HOURS_PER_DAY, None, name="head_day")(history)
    before = Hours(-2 * HOURS_PER_DAY, -HOURS_PER_DAY, name="head_day_before")(history)
    options: dict[str, Any] = {"use_bias": False, "padding": "same"}
    x = layers.Add(name="body_days")(
        [
            layers.Conv2D(config.hidden[0], (3, 1), name="body_day", **options)(day),
            layers.Conv2D(config.hidden[0], 1, name="body_day_before", **options)(before),
        ]
    )
    x = layers.Add(name="body_days_shared")([x, shared])
    return EveryDay(contract.lead_hours, name="body_days_per_lead")(x)


def _guidance(
    inputs: dict[str, Any], contract: Contract, normalisation: Normalisation
) -> tuple[Any, Normalisation]:
    """(lead, 1, 2 × channel) normalised guidance and its mask, and how it is normalised."""
    own = normalisation.of(contract.input("guidance").channel_names)
    return NormaliseHistory(own, name="head_guidance")([inputs["guidance"], inputs["guidance_mask"]])[1], own


def _regression(history: Any, site: Any, clock: Any, contract: Contract) -> Any:
    features = RegressionFeatures(name="head_regression_features")([history, site, clock])
    width = contract.lead_hours * len(AddRegression.TARGETS)
    return layers.Dense(width, kernel_initializer="zeros", trainable=False, name="body_regression")(features)


def _decoder(per_lead: list[Any], yesterday: Any, config: LeadDecoderConfig) -> Any:
    """(lead, 1, number): two or three layers that all leads share, and each lead's own numbers again."""
    features = layers.Concatenate(name="body_features")(per_lead)
    x = _pointwise(features, config.hidden[0], "body_decode0", config)
    x = layers.Add(name="body_decode0_add")([x, yesterday])
    x = _dropout(layers.ReLU(name="body_decode0_relu")(x), config, "body_decode0_dropout")
    for index, width in enumerate(config.hidden[1:], start=1):
        y = _pointwise(x, width, f"body_decode{index}", config, activation="relu")
        x = layers.Add(name=f"body_decode{index}_add")([x, y]) if width == x.shape[-1] else y
    x = _dropout(x, config, "body_decoded_dropout")
    return layers.Concatenate(name="body_decoded")([x, per_lead[0]])


def _outputs(decoded: Any, anchors: Any, contract: Contract, normalisation: Normalisation) -> dict[str, Any]:
    """Every output of the contract, in physical units, from one projection."""
    width = sum(spec.width for spec in contract.outputs)
    small = tf_keras.initializers.RandomNormal(stddev=0.02)
    raw = layers.Conv2D(width, 1, kernel_initializer=small, name=PROJECTION)(decoded)
    raw = layers.Reshape((contract.lead_hours, width), name="tail_shape")(raw)
    count = len(ANCHORS) + contract.has_guidance
    numbers = Numbers(contract, normalisation, count, name="tail_numbers")([raw, anchors])
    chances = Chances(contract, name="tail_chances")(raw)
    return {
        spec.name: PhysicalOutput(contract, spec, name=spec.name)(
            chances if spec.kind == "probabilities" else numbers
        )
        for spec in contract.outputs
    }


def _dense(x: Any, units: int, name: str, config: LeadDecoderConfig, **options: Any) -> Any:
    """A dense layer, or two thin ones where it was factorized."""
    if name in config.ranks:
        x = layers.Dense(config.ranks[name][0], use_bias=False, name=f"{name}_thin0")(x)
    return layers.Dense(units, name=name, **options)(x)


def _pointwise(x: Any, width: int, name: str, config: LeadDecoderConfig, **options: Any) -> Any:
    """A layer that all leads share, or two thin ones where it was factorized."""
    if name in config.ranks:
        x = layers.Conv2D(config.ranks[name][0], 1, use_bias=False, name=f"{name}_thin0")(x)
    return layers.Conv2D(width, 1, name=name, **options)(x)


def _convolution(x: Any, name: str, config: LeadDecoderConfig) -> Any:
    """`WINDOW` rows at a time; squeezed on both sides where it was factorized (Tucker), or depthwise (CP)."""
    options: dict[str, Any] = {"strides": (WINDOW, 1), "padding": "same"}
    ranks = config.ranks.get(name)
    if not ranks:
        return layers.Conv2D(config.channels, (WINDOW, 1), activation="relu", name=name, **options)(x)
    x = layers.Conv2D(ranks[0], 1, use_bias=False, name=f"{name}_thin0")(x)
    if len(ranks) == 1:
        # TensorFlow's depthwise kernel takes equal strides only; across a width of one they change nothing.
        core = layers.DepthwiseConv2D(
            (WINDOW, 1), strides=WINDOW, padding="same", use_bias=False, name=f"{name}_thin1"
        )
    else:
        core = layers.Conv2D(ranks[1], (WINDOW, 1), use_bias=False, name=f"{name}_thin1", **options)
    return layers.Conv2D(config.channels, 1, activation="relu", name=name)(core(x))


def _dropout(x: Any, config: LeadDecoderConfig, name: str) -> Any:
    return layers.Dropout(config.dropout, name=name)(x) if config.dropout else x


def parameter_count(model: tf_keras.Model) -> int:
    """Trainable parameters of a model."""
    return int(sum(np.prod(weight.shape) for weight in model.trainable_weights))
