from datetime import timedelta

import numpy as np
import pytest

from packager.contract import contract_with_guidance, reference_contract
from tests.weather import INIT
from weatherapp.core.solar import clock_features
from weatherapp.forecasts.errors import NothingToForecast, RunRefused
from weatherapp.forecasts.inputs import build_inputs
from weatherapp.observations.models import Guidance, Observation, Station

pytestmark = pytest.mark.django_db


@pytest.fixture
def station():
    return Station.objects.create(
        code="x", name="X", latitude=45.0, longitude=5.0, elevation=120.0, source="test"
    )


def report(station, hours_before, *, series=0, feed="test", **values):
    Observation.objects.create(
        station=station,
        valid_time=INIT - timedelta(hours=hours_before),
        series=series,
        feed=feed,
        received=INIT,
        **values,
    )


def build():
    return build_inputs(init_time=INIT, contract=reference_contract())


def test_reports_land_at_their_hour_and_channel(station):
    report(station, 0, temperature=20.0, visibility=9000.0)
    report(station, 47, temperature=10.0, wind_v=-2.5)
    report(station, 48, temperature=99.0)
    tensors = build().tensors
    assert {name: value.shape for name, value in tensors.items()} == {
        "history": (1, 48, 9),
        "history_mask": (1, 48, 9),
        "site": (1, 3),
        "clock": (1, 4),
    }
    assert all(value.dtype == np.float32 for value in tensors.values())
    assert tensors["history"][0, 47].tolist() == [20, 0, 0, 0, 0, 0, 0, 0, 9000]
    assert tensors["history_mask"][0, 47].tolist() == [1, 0, 0, 0, 0, 0, 0, 0, 1]
    assert tensors["history"][0, 0].tolist() == [10, 0, 0, 0, -2.5, 0, 0, 0, 0]
    assert tensors["history_mask"].sum() == 4
    assert tensors["site"].tolist() == [[45, 5, 120]]
    assert np.allclose(tensors["clock"], clock_features(INIT.timestamp() / 3600, 45.0, 5.0))


def test_a_zero_that_was_reported_is_not_missing(station):
    report(station, 0, temperature=0.0)
    assert build().tensors["history_mask"][0, 47, 0] == 1


def test_hours_of_another_series_are_missing(station):
    report(station, 0, temperature=20.0, series=2)
    report(station, 1, temperature=19.0, series=2)
    report(station, 2, temperature=-5.0, series=1)
    mask = build().tensors["history_mask"][0, :, 0]
    assert mask[45:].tolist() == [0, 1, 1]


def test_a_late_last_hour_does_not_hide_the_series_before(station):
    report(station, 1, temperature=19.0, series=2)
    assert build().tensors["history_mask"][0, 46, 0] == 1


def test_silent_and_inactive_stations_are_not_forecast(station):
    silent = Station.objects.create(code="silent", latitude=1, longitude=1, elevation=0)
    off = Station.objects.create(code="off", latitude=1, longitude=1, elevation=0, active=False)
    report(station, 3, temperature=20.0)
    report(silent, 3, pressure_msl=1000.0)
    report(off, 3, temperature=20.0)
    assert [found.code for found in build().stations] == ["x"]


def test_a_replay_is_known_by_its_feed(station):
    report(station, 0, temperature=20.0)
    assert build().replay is False
    report(station, 1, temperature=20.0, feed="replay")
    assert build().replay is True


def test_no_reports_at_all_says_what_to_do(station):
    with pytest.raises(NothingToForecast, match=r"manage\.py ingest"):
        build()


def guide(station, lead, *, init_ago=3, available_ago=1, **values):
    Guidance.objects.create(
        station=station,
        source="gfs",
        init_time=INIT - timedelta(hours=init_ago),
        available_time=INIT - timedelta(hours=available_ago),
        valid_time=INIT + timedelta(hours=lead),
        **values,
    )


def test_guidance_known_at_the_init_time_lands_at_its_lead_and_channel(station):
    report(station, 0, temperature=20.0)
    guide(station, 1, temperature=18.0, cloud_cover=0.5)
    guide(station, 1, init_ago=1, available_ago=0, temperature=19.0)
    guide(station, 48, precipitation=2.0)
    guide(station, 2, available_ago=-1, temperature=99.0)  # nobody could know it yet
    tensors = build_inputs(init_time=INIT, contract=contract_with_guidance()).tensors
    assert tensors["guidance"].shape == tensors["guidance_mask"].shape == (1, 48, 7)
    assert tensors["guidance"][0, 0].tolist() == [19, 0, 0, 0, 0, 0, 0]
    assert tensors["guidance_mask"][0, 0].tolist() == [1, 0, 0, 0, 0, 0, 0]
    assert tensors["guidance"][0, 47].tolist() == [0, 0, 0, 0, 0, 2, 0]
    assert tensors["guidance_mask"].sum() == 2


def test_without_any_guidance_the_mask_says_so(station):
    report(station, 0, temperature=20.0)
    tensors = build_inputs(init_time=INIT, contract=contract_with_guidance()).tensors
    assert tensors["guidance_mask"].sum() == 0
    assert "guidance" not in build().tensors


def test_a_contract_with_inputs_that_are_not_served_is_refused(monkeypatch):
    monkeypatch.setattr("weatherapp.forecasts.inputs.SERVED", {"history", "history_mask", "site"})
    with pytest.raises(RunRefused, match="asks for clock"):
        build()
