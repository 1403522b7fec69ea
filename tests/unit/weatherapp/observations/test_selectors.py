from datetime import UTC, datetime, timedelta

import pytest

from packager import contract
from weatherapp.observations import models, selectors
from weatherapp.observations.models import Guidance, Observation, Station

INIT = datetime(2026, 7, 4, 18, tzinfo=UTC)
pytestmark = pytest.mark.django_db


def hours(count):
    return timedelta(hours=count)


@pytest.fixture
def station():
    return Station.objects.create(
        code="x", name="X", latitude=45.0, longitude=5.0, elevation=120.0, source="test"
    )


def guide(station, *, init, valid, available, temperature, source="gfs"):
    return Guidance.objects.create(
        station=station,
        source=source,
        init_time=INIT + hours(init),
        valid_time=INIT + hours(valid),
        available_time=INIT + hours(available),
        temperature=temperature,
    )


def known(station, count=48):
    rows = selectors.guidance_known_at(INIT, count).values_list("valid_time", "temperature")
    return [(int((valid - INIT).total_seconds() // 3600), value) for valid, value in rows]


def test_the_guidance_columns_are_the_contracts():
    assert models.GUIDANCE_VARIABLES == contract.GUIDANCE_VARIABLES


def test_the_newest_known_run_speaks_for_each_hour(station):
    guide(station, init=-12, valid=1, available=-8, temperature=1.0)
    guide(station, init=-12, valid=2, available=-8, temperature=2.0)
    guide(station, init=-6, valid=1, available=-2, temperature=3.0)
    assert known(station) == [(1, 3.0), (2, 2.0)]


def test_guidance_that_came_after_the_run_began_is_not_seen(station):
    guide(station, init=-12, valid=1, available=-8, temperature=1.0)
    guide(station, init=-6, valid=1, available=1, temperature=3.0)
    assert known(station) == [(1, 1.0)]


def test_guidance_covers_the_leads_only(station):
    for valid in (0, 1, 48, 49):
        guide(station, init=-6, valid=valid, available=0, temperature=float(valid))
    assert known(station) == [(1, 1.0), (48, 48.0)]


def test_guidance_of_a_station_that_is_not_forecast_is_left_out(station):
    guide(station, init=-6, valid=1, available=0, temperature=1.0)
    Station.objects.update(active=False)
    assert known(station) == []


def test_reports_received_after_a_run_are_counted_within_its_history(station):
    stored = INIT + hours(0.1)
    for hour, received in ((-48, 1), (-47, 1), (-5, -5), (0, 1), (1, 1)):
        Observation.objects.create(
            station=station, valid_time=INIT + hours(hour), feed="test", received=INIT + hours(received)
        )
    assert selectors.late_since(since=stored, init_time=INIT, hours=48) == 2
