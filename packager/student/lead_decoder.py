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

from packager.contract import Contract, Output
from packager.student.layers import (
    AddRegression,
    Anchors,
    ContextPerLead,
    Denormalise,
    GuidanceAnchors,
    GuidanceFeatures,
    LeadFeatures,
    NormaliseHistory,
    NormaliseSite,
    OrderedQuantiles,
    RegressionFeatures,
    SameHourYesterday,
    SplitChannels,
    ValuesOnly,
)
from packager.student.normalisation import Normalisation

# The layer that projects all outputs at once while a model trains.
FUSED = "body_out"


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
    contract: Contract, normalisation: Normalisation, config: LeadDecoderConfig, *, fused: bool = False
) -> tf_keras.Model:
    """Build an untrained lead decoder.

    Args:
        contract: inputs and outputs.
        normalisation: centre and width of each channel.
        config: sizes.
        fused: one projection for all outputs, for training: a third faster. `split_projections` undoes it.

    Returns:
        A functional model from a dict of the contract's inputs to a dict of its outputs, physical units on
        both sides.
    """
    tf_keras.utils.set_random_seed(config.seed)
    inputs = {spec.name: layers.Input(spec.shape[1:], name=spec.name) for spec in contract.inputs}
    history = NormaliseHistory(normalisation, name="head_history")(
        [inputs["history"], inputs["history_mask"]]
    )
    site = NormaliseSite(name="head_site")(inputs["site"])
    context = _encoder(history, site, inputs["clock"], config)
    anchors = Anchors(contract, name="tail_anchors")(history)
    features, own, shared = _lead_features(context, history, site, inputs["clock"], contract, config)
    guidance = _guidance(inputs, contract, normalisation)
    features = features if guidance is None else _with_guidance(features, guidance)
    if config.regression:
        change = _regression(history, site, inputs["clock"], contract)
        anchors = AddRegression(name="tail_add_regression")([anchors, change])
        # A width of -1 stays unknown where the batch is unknown, and the converter needs it.
        shape = (contract.lead_hours, 1, len(AddRegression.TARGETS))
        per_lead = layers.Reshape(shape, name="body_regression_shape")(change)
        features = layers.Concatenate(name="body_features_and_regression")([features, per_lead])
    if guidance is not None:
        own_scale = normalisation.of(contract.input("guidance").channel_names)
        anchors = GuidanceAnchors(own_scale, name="tail_guidance_anchors")([anchors, guidance])
    decoded = _decoder((features, own, shared), config)
    raw = _fused_projection(decoded, contract) if fused else _projections(decoded, contract)
    outputs = {
        spec.name: _output(spec, raw[spec.name], anchors, normalisation, contract.lead_hours)
        for spec in contract.outputs
    }
    return tf_keras.Model(inputs, outputs, name="lead_decoder")


def split_projections(
    fused: tf_keras.Model, contract: Contract, normalisation: Normalisation, config: LeadDecoderConfig
) -> tf_keras.Model:
    """The same model with a projection of its own for each output, as it is saved and exported."""
    model = build_lead_decoder(contract, normalisation, config)
    kernel, bias = fused.get_layer(FUSED).get_weights()
    first = 0
    for spec in contract.outputs:
        part = slice(first, first + spec.width)
        model.get_layer(f"body_out_{spec.name}").set_weights([kernel[..., part], bias[part]])
        first += spec.width
    for layer in fused.layers:
        if layer.get_weights() and layer.name != FUSED:
            model.get_layer(layer.name).set_weights(layer.get_weights())
    return model


def _encoder(history: Any, site: Any, clock: Any, config: LeadDecoderConfig) -> Any:
    """History (hour, 1, channel) → context (width,): convolutions that halve the time axis four times.

    Beside them a linear summary of all values: what a regression would use, which convolutions learn
    slowly.
    """
    x = _convolution(history, "body_conv0", config, stride=2)
    for index in (1, 2, 3):
        y = _convolution(x, f"body_conv{index}", config)
        x = layers.Add(name=f"body_add{index}")([x, y])
        x = layers.AveragePooling2D((2, 1), name=f"body_pool{index}")(x)
    flat = layers.Flatten(name="body_flatten")(x)
    values = ValuesOnly(name="body_values")(history)
    linear = _dense(values, config.linear, "body_linear", config, use_bias=False)
    everything = layers.Concatenate(name="body_gather")([flat, linear, site, clock])
    context = _dense(everything, config.context, "body_context", config, activation="relu")
    context = _dropout(context, config, "body_context_dropout")
    return layers.Concatenate(name="body_context_and_linear")([context, linear])


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


def _convolution(x: Any, name: str, config: LeadDecoderConfig, *, stride: int = 1) -> Any:
    """Three hours wide, or squeezed on both sides where it was factorized (Tucker), or depthwise (CP)."""
    options: dict[str, Any] = {"strides": (stride, 1), "padding": "same"}
    ranks = config.ranks.get(name)
    if not ranks:
        return layers.Conv2D(config.channels, (3, 1), activation="relu", name=name, **options)(x)
    x = layers.Conv2D(ranks[0], 1, use_bias=False, name=f"{name}_thin0")(x)
    if len(ranks) == 1:
        # TensorFlow's depthwise kernel takes equal strides only; across a width of one they change nothing.
        core = layers.DepthwiseConv2D(
            (3, 1), strides=stride, padding="same", use_bias=False, name=f"{name}_thin1"
        )
    else:
        core = layers.Conv2D(ranks[1], (3, 1), use_bias=False, name=f"{name}_thin1", **options)
    return layers.Conv2D(config.channels, 1, activation="relu", name=name)(core(x))


def _lead_features(
    context: Any, history: Any, site: Any, clock: Any, contract: Contract, config: LeadDecoderConfig
) -> Any:
    """What is known of each lead: (lead, 1, feature), and what all leads share: (1, 1, feature)."""
    leads = contract.lead_hours
    own = _dense(context, leads * config.per_lead, "body_per_lead", config)
    own = layers.Reshape((leads, 1, config.per_lead), name="body_per_lead_shape")(own)
    known = LeadFeatures(leads, name="head_leads")([clock, site])
    yesterday = SameHourYesterday(leads, name="head_yesterday")(history)
    shared = _dense(context, config.hidden[0], "body_context_to_hidden", config)
    features = layers.Concatenate(name="body_features")([own, known, yesterday])
    return features, own, ContextPerLead(name="body_broadcast")(shared)


def _guidance(inputs: dict[str, Any], contract: Contract, normalisation: Normalisation) -> Any:
    """(lead, 1, 2 × channel) normalised guidance and its mask; None where the contract has none."""
    if not contract.has_guidance:
        return None
    own = normalisation.of(contract.input("guidance").channel_names)
    return NormaliseHistory(own, name="head_guidance")([inputs["guidance"], inputs["guidance_mask"]])


def _with_guidance(features: Any, guidance: Any) -> Any:
    per_lead = GuidanceFeatures(name="head_guidance_features")(guidance)
    return layers.Concatenate(name="body_features_and_guidance")([features, per_lead])


def _regression(history: Any, site: Any, clock: Any, contract: Contract) -> Any:
    features = RegressionFeatures(name="head_regression_features")([history, site, clock])
    width = contract.lead_hours * len(AddRegression.TARGETS)
    return layers.Dense(width, kernel_initializer="zeros", trainable=False, name="body_regression")(features)


def _decoder(features: tuple[Any, Any, Any], config: LeadDecoderConfig) -> Any:
    per_lead, own, shared = features
    x = _pointwise(per_lead, config.hidden[0], "body_decode0", config)
    x = layers.Add(name="body_decode0_add")([x, shared])
    x = _dropout(layers.ReLU(name="body_decode0_relu")(x), config, "body_decode0_dropout")
    for index, width in enumerate(config.hidden[1:], start=1):
        y = _pointwise(x, width, f"body_decode{index}", config, activation="relu")
        x = layers.Add(name=f"body_decode{index}_add")([x, y]) if width == x.shape[-1] else y
    x = _dropout(x, config, "body_decoded_dropout")
    return layers.Concatenate(name="body_decoded")([x, own])


def _projections(decoded: Any, contract: Contract) -> dict[str, Any]:
    """A projection for each output of the contract, hence an int8 scale for each."""
    return {
        spec.name: layers.Conv2D(spec.width, 1, kernel_initializer=_small(), name=f"body_out_{spec.name}")(
            decoded
        )
        for spec in contract.outputs
    }


def _fused_projection(decoded: Any, contract: Contract) -> dict[str, Any]:
    widths = [spec.width for spec in contract.outputs]
    raw = layers.Conv2D(sum(widths), 1, kernel_initializer=_small(), name=FUSED)(decoded)
    parts = SplitChannels(widths, name="tail_split")(raw)
    return {spec.name: part for spec, part in zip(contract.outputs, parts, strict=True)}


def _output(spec: Output, raw: Any, anchors: dict[str, Any], normalisation: Normalisation, leads: int) -> Any:
    """One output of the contract, in physical units, from its projection."""
    shape = (leads, spec.width) if len(spec.shape) > 2 else (leads,)
    raw = layers.Reshape(shape, name=f"tail_shape_{spec.name}")(raw)
    if spec.kind == "probabilities":
        return layers.Softmax(name=spec.name)(raw)
    scale = normalisation.output_scale(spec.name)
    if spec.kind == "quantiles":
        raw = OrderedQuantiles(spec.levels, name=f"tail_order_{spec.name}")(raw)
    anchor = anchors.get(spec.name)
    return Denormalise(spec, scale, name=spec.name)([raw, anchor] if anchor is not None else [raw])


def _dropout(x: Any, config: LeadDecoderConfig, name: str) -> Any:
    return layers.Dropout(config.dropout, name=name)(x) if config.dropout else x


def _small() -> Any:
    return tf_keras.initializers.RandomNormal(stddev=0.02)


def parameter_count(model: tf_keras.Model) -> int:
    """Trainable parameters of a model."""
    return int(sum(np.prod(weight.shape) for weight in model.trainable_weights))
