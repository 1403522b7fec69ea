from datetime import timedelta

import numpy as np
import pytest

from tests.weather import INIT, STATIONS, make_outputs, make_run
from weatherapp.forecasts.models import Verification
from weatherapp.observations.models import Observation, Station

TRUTH = {
    "temperature": 21.0,
    "dew_point": 9.0,
    "pressure_msl": 1010.0,
    "wind_u": 0.0,
    "wind_v": 4.0,
    "precipitation": 0.0,
    "cloud_cover": 0.5,
    "cloud_base": 20_000.0,
    "visibility": 16_000.0,
}


@pytest.fixture
def stations(db):
    """The rows of the stations that `make_run` forecasts."""
    return [
        Station.objects.create(
            code=station.code,
            name=station.name,
            latitude=station.latitude,
            longitude=station.longitude,
            elevation=station.elevation,
            source="test",
        )
        for station in STATIONS
    ]


@pytest.fixture
def observe(stations):
    """Let every station report the truth, or something else, for hours relative to `INIT`."""

    def report(first, last, *, series=0, only=None, **values):
        rows = [
            Observation(
                station=station,
                valid_time=INIT + timedelta(hours=hour),
                feed="test",
                received=INIT,
                series=series,
                **{**TRUTH, **values},
            )
            for station in stations
            if only is None or station.code == only
            for hour in range(first, last + 1)
        ]
        Observation.objects.bulk_create(
            rows,
            update_conflicts=True,
            unique_fields=("station", "valid_time"),
            update_fields=(*TRUTH, "series"),
        )

    return report


@pytest.fixture
def run(observe):
    """A run of three stations, and their reports two days before and after it."""
    observe(-47, 48)
    return make_run(outputs=constant(temperature=20.0))


def constant(stations=3, **values):
    """Outputs that say the same for every lead; a number stands in every quantile."""
    outputs = make_outputs(stations)
    for name, value in values.items():
        outputs[name][:] = value
    return {name: np.asarray(array, np.float32) for name, array in outputs.items()}


def verification_of(run):
    return Verification.objects.get(release=run.release, init_time=run.init_time)
