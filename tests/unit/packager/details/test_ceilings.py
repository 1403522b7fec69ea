"""Reliability of ceilings: classes add up to "below a height", and what is unknown counts nowhere."""

import numpy as np
import pytest

from packager.contract import reference_contract
from packager.details.ceilings import ceiling_reliability

CONTRACT = reference_contract()
CLASSES = len(CONTRACT.output("cloud_base").classes)


def found(probabilities, observed):
    outputs = {"cloud_base": np.asarray(probabilities, float)[:, None, :]}
    return ceiling_reliability(outputs, {"cloud_base": np.asarray(observed, float)[:, None]}, CONTRACT)


def test_each_height_has_the_sum_of_the_classes_below_it():
    said = [[0.1, 0.2, 0.3, 0.1, 0.1, 0.2]]
    reliability = found(said, [1])
    assert list(reliability) == [
        *(f"ceiling below {height} m" for height in (150, 300, 900, 3000)), "no ceiling",
    ]  # fmt: skip
    bins = {name: data["bins"][0] for name, data in reliability.items()}
    assert [bins[name]["forecast"] for name in bins] == pytest.approx([0.1, 0.3, 0.6, 0.7, 0.2])
    assert [bins[name]["observed"] for name in bins] == [0, 1, 1, 1, 0]


def test_a_sky_without_a_ceiling_is_an_event_of_its_own():
    reliability = found(np.eye(CLASSES)[[5, 5, 0]], [5, 5, 0])
    assert [held["hours"] for held in reliability["no ceiling"]["bins"]] == [1, 2]
    assert [held["observed"] for held in reliability["no ceiling"]["bins"]] == [0.0, 1.0]


def test_hours_without_a_report_count_nowhere():
    said = np.full((2, CLASSES), 1 / CLASSES)
    assert found(said, [np.nan, 2])["no ceiling"]["hours"] == 1
    assert found(said, [np.nan, np.nan]) == {}
