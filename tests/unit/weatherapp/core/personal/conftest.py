"""Hours to test the personal logic with: every output can be set, the rest is a mild dry day."""

from datetime import datetime

import numpy as np
import pytest

from weatherapp.core.hourly import Hours
from weatherapp.core.personal.hours import HOUR, from_hours

LEVELS = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
CEILINGS = (150.0, 300.0, 900.0, 3000.0)
CHICAGO = (41.9, -87.6)
# 06:00 in Chicago on a Saturday in summer.
START = int(datetime.fromisoformat("2026-07-04T11:00:00+00:00").timestamp())

MILD = {
    "temperature": 18 + np.linspace(-3, 3, 7),
    "dew_point": 8.0,
    "pressure_msl": 1015.0,
    "wind": [-2.0, 0.0],
    "wind_speed": np.linspace(1, 4, 7),
    "cloud_cover": np.linspace(0, 0.6, 7),
    "cloud_base": [0, 0, 0, 0, 0, 1.0],
    "precipitation_type": [0.98, 0.02, 0, 0],
    "precipitation": np.linspace(0.2, 3.2, 7),
}


def make_public(count=48, **changes):
    """`Hours` as a run gives them; a change is broadcast from the right."""
    outputs = {}
    for name, value in {**MILD, **changes}.items():
        width = np.shape(MILD[name])
        outputs[name] = np.array(np.broadcast_to(np.asarray(value, float), (count, *width)))
    levels = dict.fromkeys(("temperature", "wind_speed", "cloud_cover", "precipitation"), LEVELS)
    return Hours(outputs, levels=levels, ceiling_thresholds=CEILINGS)


@pytest.fixture
def public_hours():
    return make_public


@pytest.fixture
def make_hours():
    def make(count=48, *, start=START, place=CHICAGO, **changes):
        """`PersonalHours` whose first hour is valid one hour after `start`."""
        times = start + HOUR * np.arange(1, count + 1)
        return from_hours(make_public(count, **changes), times, *place)

    return make


@pytest.fixture
def start():
    return START
