"""The regression that a teacher member starts from is the ridge solution, found another way."""

import numpy as np
import pytest
import tf_keras

from packager.contract import reference_contract
from packager.student.lead_decoder import PROJECTION, LeadDecoderConfig, build_lead_decoder
from packager.student.normalisation import measure_normalisation
from packager.teacher.regression import PENALTY, fit_regression
from tests.students import weather

CONTRACT = reference_contract()
CASES = 80
INPUTS = weather(CASES)
NORMALISATION = measure_normalisation(INPUTS, CONTRACT)
COLUMNS = {"temperature": 0, "dew_point": 1, "pressure_msl": 2, "wind_u": 3, "wind_v": 4}


def targets():
    random = np.random.default_rng(4)
    shape = (CASES, CONTRACT.lead_hours)
    values = {
        "temperature": random.normal(10, 5, shape),
        "dew_point": random.normal(3, 5, shape),
        "pressure_msl": random.normal(1012, 6, shape),
        "wind": random.normal(0, 4, (*shape, 2)),
    }
    # Cases that do not report every lead teach that target nothing.
    values["dew_point"][:30, 7] = np.nan
    return {name: value.astype(np.float32) for name, value in values.items()}


@pytest.fixture(scope="module")
def model():
    config = LeadDecoderConfig(channels=8, context=16, per_lead=2, linear=4, hidden=(16,), regression=True)
    return build_lead_decoder(CONTRACT, NORMALISATION, config)


@pytest.fixture(scope="module")
def probed(model):
    """Features and anchors of every case, from the model's own layers."""
    probe = tf_keras.Model(
        model.inputs,
        {
            "features": model.get_layer("head_regression_features").output,
            "anchors": model.get_layer("tail_anchors_per_lead").output,
        },
    )
    ordered = [INPUTS[tensor.name.split(":")[0]] for tensor in model.inputs]
    outputs = probe(ordered)
    return np.asarray(outputs["features"], np.float64), outputs["anchors"].numpy()


def normal(name, values):
    centre, width = NORMALISATION.output_scale(name)
    return (values.astype(np.float64) - centre) / width


def wanted(anchors, target):
    happened = targets()
    if target.startswith("wind"):
        values = normal("wind", happened["wind"])[..., COLUMNS[target] - 3]
    else:
        values = normal(target, happened[target])
    return values - anchors[..., COLUMNS[target]]


@pytest.mark.parametrize("target", COLUMNS)
def test_the_weights_are_the_ridge_solution(model, probed, target):
    fit_regression(model, INPUTS, targets(), NORMALISATION)
    kernel, bias = model.get_layer("body_regression").get_weights()
    features, anchors = probed
    y = wanted(anchors, target)
    whole = ~np.isnan(y).any(axis=1)
    assert whole.sum() == (50 if target == "dew_point" else 80)
    x = np.concatenate([features, np.ones((CASES, 1))], axis=1)[whole]
    # Ridge as ordinary least squares on rows of penalty: no normal equations.
    rows = np.concatenate([x, np.sqrt(PENALTY) * np.eye(x.shape[1])])
    solution = np.linalg.lstsq(rows, np.concatenate([y[whole], np.zeros((x.shape[1], y.shape[1]))]))[0]
    found = np.concatenate([kernel, bias[None]]).reshape(x.shape[1], CONTRACT.lead_hours, 5)
    np.testing.assert_allclose(found[..., COLUMNS[target]], solution, atol=2e-4)


def test_an_untrained_member_starts_as_that_regression(model, probed):
    fit_regression(model, INPUTS, targets(), NORMALISATION)
    for layer in model.layers:
        if layer.name == PROJECTION:
            layer.set_weights([0 * weight for weight in layer.get_weights()])
    kernel, bias = model.get_layer("body_regression").get_weights()
    features, anchors = probed
    change = (features @ kernel + bias).reshape(CASES, CONTRACT.lead_hours, 5)
    centre, width = NORMALISATION.output_scale("dew_point")
    expected = (anchors[..., COLUMNS["dew_point"]] + change[..., 1]) * width + centre
    np.testing.assert_allclose(model(INPUTS)["dew_point"], expected, atol=1e-3)
