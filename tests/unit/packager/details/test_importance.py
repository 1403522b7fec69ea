"""Permutation importance: a part matters as much as the forecasts change without it, for any model alike."""

import numpy as np
import pytest

from packager.contract import contract_with_guidance, reference_contract
from packager.dataset.windows import Windows
from packager.details.importance import Part, input_parts, permutation_importance, shuffled
from tests.students import weather

CONTRACT = reference_contract()
CASES, LEADS = 60, CONTRACT.lead_hours
TEMPERATURE = CONTRACT.input("history").channel_names.index("temperature")


def last_temperature(inputs):
    """A model that uses one channel only: dew point is the latest temperature where it was reported."""
    latest = inputs["history"][:, -1, TEMPERATURE] * inputs["history_mask"][:, -1, TEMPERATURE]
    silent = {spec.name: np.full((len(latest), *spec.shape[1:]), np.nan) for spec in CONTRACT.outputs}
    return silent | {"dew_point": np.repeat(latest[:, None], LEADS, axis=1)}


def cases(error=1.0):
    """Cases in which that model is wrong by so much in every hour."""
    inputs = weather(CASES)
    empty = np.full((CASES, LEADS), np.nan)
    targets = {spec.name: empty for spec in CONTRACT.outputs}
    targets["wind"] = np.full((CASES, LEADS, 2), np.nan)
    targets["dew_point"] = last_temperature(inputs)["dew_point"] + error
    return Windows(inputs, targets, np.zeros(CASES, int), np.arange(CASES))


def test_a_channel_and_its_mask_are_one_part_and_other_inputs_are_whole():
    parts = {part.name: part for part in input_parts(CONTRACT)}
    assert len(parts) == len(CONTRACT.input("history").channel_names) + 2
    assert parts["history temperature"] == Part(
        "history temperature", ("history", "history_mask"), TEMPERATURE
    )
    assert parts["site"] == Part("site", ("site",))
    assert parts["clock"].channel is None


def test_guidance_has_parts_of_its_own():
    names = [part.name for part in input_parts(contract_with_guidance())]
    assert "guidance temperature" in names
    assert not any("mask" in name for name in names)


def test_shuffling_moves_one_channel_with_its_mask_and_leaves_the_caller_s_arrays_alone():
    inputs = weather(5)
    before = {name: values.copy() for name, values in inputs.items()}
    order = np.array([4, 3, 2, 1, 0])
    changed = shuffled(inputs, Part("x", ("history", "history_mask"), 2), order)
    for name in ("history", "history_mask"):
        np.testing.assert_array_equal(changed[name][..., 2], inputs[name][::-1, :, 2])
        others = [0, 1, *range(3, 9)]
        np.testing.assert_array_equal(changed[name][..., others], inputs[name][..., others])
    assert changed["site"] is inputs["site"]
    for name, values in before.items():
        np.testing.assert_array_equal(inputs[name], values)


def test_only_what_a_model_uses_is_important():
    found = permutation_importance(last_temperature, cases(), CONTRACT)
    temperature = found.pop("history temperature")
    assert temperature["percent"] > 100
    assert temperature["outputs"] == {"dew_point": temperature["percent"]}
    assert temperature["spread"] > 0
    assert {values["percent"] for values in found.values()} == {0.0}


def test_the_rise_is_that_of_the_mean_error():
    windows = cases(error=2.0)
    order = np.random.default_rng([7, 0]).permutation(CASES)
    own = last_temperature(windows.inputs)["dew_point"]
    wanted = 100 * (np.abs(own[order] - windows.targets["dew_point"]).mean() / 2.0 - 1)
    found = permutation_importance(last_temperature, windows, CONTRACT, repeats=1)
    assert found["history temperature"]["percent"] == pytest.approx(wanted, abs=0.01)
    assert found["history temperature"]["spread"] == 0.0


def test_the_same_seed_gives_the_same_figures_and_another_one_others():
    first, again = (permutation_importance(last_temperature, cases(), CONTRACT) for _ in range(2))
    other = permutation_importance(last_temperature, cases(), CONTRACT, seed=8)
    assert first == again
    assert first["history temperature"] != other["history temperature"]


def test_a_model_is_asked_once_for_all_parts():
    asked = []

    def model(inputs):
        asked.append(len(inputs["site"]))
        return last_temperature(inputs)

    permutation_importance(model, cases(), CONTRACT, repeats=2)
    assert asked == [CASES * (1 + 2 * len(input_parts(CONTRACT)))]


def test_where_nothing_was_reported_nothing_is_said():
    windows = cases()
    windows.targets["dew_point"] = np.full((CASES, LEADS), np.nan)
    found = permutation_importance(last_temperature, windows, CONTRACT)
    assert found["site"] == {"percent": None, "spread": None, "outputs": {}}
