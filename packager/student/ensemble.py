"""An ensemble as one model: the mean of the members' quantiles, medians and probabilities."""

from typing import Any

import tf_keras
from tf_keras import layers

from packager.contract import Contract
from packager.student.lead_decoder import LeadDecoderConfig, build_lead_decoder
from packager.student.normalisation import Normalisation


def build_ensemble(
    contract: Contract, normalisation: Normalisation, members: list[LeadDecoderConfig]
) -> tf_keras.Model:
    """Build an untrained ensemble; its weights are those of the members, one member after the other.

    Averaging quantiles level by level keeps them ordered and the spread honest (Lichtendahl et al. 2013,
    doi:10.1287/mnsc.1120.1667).
    """
    inputs = {spec.name: layers.Input(spec.shape[1:], name=spec.name) for spec in contract.inputs}
    parts: list[Any] = []
    for index, config in enumerate(members):
        part = build_lead_decoder(contract, normalisation, config)
        parts.append(tf_keras.Model(part.inputs, part.outputs, name=f"member{index}"))
    flat = [inputs[name] for name in _input_order(contract)]
    predictions = [dict(zip(_output_order(contract), part(flat), strict=True)) for part in parts]
    outputs = {
        spec.name: layers.Average(name=spec.name)([p[spec.name] for p in predictions])
        if len(parts) > 1
        else layers.Activation("linear", name=spec.name)(predictions[0][spec.name])
        for spec in contract.outputs
    }
    return tf_keras.Model(inputs, outputs, name="ensemble")


def _input_order(contract: Contract) -> list[str]:
    # A Keras model flattens a dict of tensors by sorted key.
    return sorted(spec.name for spec in contract.inputs)


def _output_order(contract: Contract) -> list[str]:
    return sorted(spec.name for spec in contract.outputs)
