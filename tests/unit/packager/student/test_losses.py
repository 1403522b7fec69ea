"""The training loss: figures by hand, and nothing learned from what was not reported."""

import numpy as np
import pytest
import tensorflow as tf

from packager.contract import reference_contract
from packager.student.losses import WEIGHTS, hard_loss
from packager.student.normalisation import measure_normalisation
from tests.students import weather

CONTRACT = reference_contract()
NORMALISATION = measure_normalisation(weather(200), CONTRACT)
CASES, LEADS = 3, CONTRACT.lead_hours
TOTAL_WEIGHT = sum(WEIGHTS.get(spec.name, 1.0) for spec in CONTRACT.outputs)
REPORTED = CASES * LEADS


def forecasts(seed=1):
    random = np.random.default_rng(seed)
    outputs = {}
    for spec in CONTRACT.outputs:
        values = random.normal(5, 2, (CASES, *spec.shape[1:]))
        if spec.kind == "quantiles":
            values = np.sort(values, axis=-1)
        if spec.kind == "probabilities":
            values = np.exp(values) / np.exp(values).sum(axis=-1, keepdims=True)
        outputs[spec.name] = values.astype(np.float32)
    return outputs


def nothing_reported():
    return {
        spec.name: np.full((CASES, LEADS, *([2] if spec.kind == "vector_median" else [])), np.nan, np.float32)
        for spec in CONTRACT.outputs
    }


def loss(outputs, targets):
    return float(hard_loss(outputs, targets, CONTRACT, NORMALISATION))


def share_of(name, value, width=1.0):
    """The loss when one output alone has a mean of `value`; an extra one in the count tames empty batches."""
    return WEIGHTS.get(name, 1.0) * value * REPORTED / (REPORTED + 1) / width / TOTAL_WEIGHT


def width(name):
    return NORMALISATION.output_scale(name)[1]


def test_where_nothing_was_reported_nothing_is_lost():
    assert loss(forecasts(), nothing_reported()) == 0.0


def test_a_median_loses_its_absolute_error_in_widths():
    targets, outputs = nothing_reported(), forecasts()
    targets["pressure_msl"] = outputs["pressure_msl"] - 3.0
    expected = share_of("pressure_msl", 3.0, width("pressure_msl"))
    assert loss(outputs, targets) == pytest.approx(expected, rel=1e-4)


def test_quantiles_lose_twice_the_pinball_loss_in_widths():
    targets, outputs = nothing_reported(), forecasts()
    outputs["temperature"][:] = 10.0
    targets["temperature"] = np.full((CASES, LEADS), 14.0, np.float32)
    levels = np.array(CONTRACT.output("temperature").levels)
    expected = share_of("temperature", 2 * 4.0 * levels.mean(), width("temperature"))
    assert loss(outputs, targets) == pytest.approx(expected, rel=1e-5)


def test_classes_lose_the_logarithm_of_the_chance_they_gave():
    targets, outputs = nothing_reported(), forecasts()
    outputs["precipitation_type"][:] = [0.7, 0.2, 0.05, 0.05]
    targets["precipitation_type"] = np.ones((CASES, LEADS), np.float32)
    assert loss(outputs, targets) == pytest.approx(share_of("precipitation_type", -np.log(0.2)), rel=1e-4)


def test_amounts_are_asked_for_in_wet_hours_only():
    targets, outputs = nothing_reported(), forecasts()
    targets["precipitation"] = np.zeros((CASES, LEADS), np.float32)
    assert loss(outputs, targets) == 0.0
    targets["precipitation"][0, 0] = 2.0
    assert loss(outputs, targets) > 0


@pytest.mark.parametrize("spec", CONTRACT.outputs, ids=lambda spec: spec.name)
def test_a_forecast_of_what_was_not_reported_changes_neither_loss_nor_slope(spec):
    targets, outputs = nothing_reported(), forecasts()
    shape = targets[spec.name].shape
    targets[spec.name] = np.ones(shape, np.float32)
    targets[spec.name][1:] = np.nan
    before = loss(outputs, targets)
    changed = outputs | {spec.name: outputs[spec.name].copy()}
    changed[spec.name][1:] *= 0.5
    assert loss(changed, targets) == before > 0
    variable = tf.Variable(outputs[spec.name])
    with tf.GradientTape() as tape:
        value = hard_loss(outputs | {spec.name: variable}, targets, CONTRACT, NORMALISATION)
    slope = tape.gradient(value, variable).numpy()
    assert np.isfinite(slope).all()
    assert np.abs(slope[0]).max() > 0
    assert np.abs(slope[1:]).max() == 0
