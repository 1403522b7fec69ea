from datetime import timedelta

import numpy as np
import pytest

from packager.contract import reference_contract
from tests.weather import CHICAGO, INIT, NEWARK, make_inputs, make_outputs, make_run
from weatherapp.forecasts import store
from weatherapp.forecasts.inputs import Reports
from weatherapp.forecasts.past import past_hours
from weatherapp.observations.models import VARIABLES

HOURS = reference_contract().history_hours
INIT_HOUR = int(INIT.timestamp()) // 3600


def reports(stations=1, **hours):
    """What stations reported: by variable, {hours before init: value}."""
    found = Reports(
        values=np.full((stations, HOURS, len(VARIABLES)), np.nan, np.float32),
        precipitation_type=np.full((stations, HOURS), np.nan, np.float32),
        series=np.zeros((stations, HOURS), np.int64),
        present=np.ones((stations, HOURS), bool),
    )
    for name, values in hours.items():
        for ago, value in values.items():
            if name == "precipitation_type":
                found.precipitation_type[:, HOURS - 1 - ago] = value
            else:
                found.values[:, HOURS - 1 - ago, VARIABLES.index(name)] = value
    return found


def past(seen, stations=(CHICAGO,), before=None, init_hour=INIT_HOUR):
    return past_hours(seen, stations, reference_contract(), init_hour=init_hour, before=before)


def test_reports_stand_at_their_hour_in_the_form_of_the_outputs():
    made = past(
        reports(
            temperature={0: 21.5},
            wind_u={3: 3.0},
            wind_v={3: -4.0},
            cloud_base={1: 20_000.0, 2: 200.0},
            cloud_cover={0: 0.25},
        )
    )
    assert {name: values.shape for name, values in made.items()} == {
        spec.name: (1, HOURS, *spec.shape[2:]) for spec in reference_contract().outputs
    }
    assert made["temperature"][0, -1].tolist() == [21.5] * 7
    assert made["cloud_cover"][0, -1].tolist() == [0.25] * 7
    assert made["wind"][0, -4].tolist() == [3, -4]
    assert made["wind_speed"][0, -4].tolist() == [5] * 7
    assert made["cloud_base"][0, -2].tolist() == [0, 0, 0, 0, 0, 1]
    assert made["cloud_base"][0, -3].tolist() == [0, 1, 0, 0, 0, 0]
    assert np.isnan(made["temperature"][0, :-1]).all()
    assert np.isnan(made["cloud_base"][0, -1]).all()
    assert all(values.dtype == np.float32 for values in made.values())


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        ({"precipitation": {0: 0.0}}, 0),
        ({"precipitation": {0: 1.0}, "temperature": {0: 15.0}, "dew_point": {0: 14.0}}, 1),
        ({"precipitation": {0: 1.0}, "temperature": {0: -8.0}, "dew_point": {0: -9.0}}, 2),
        ({"precipitation": {0: 1.0}, "precipitation_type": {0: 3}}, 3),
        ({"precipitation_type": {0: 2}}, 2),
        ({"precipitation_type": {0: 0}}, 0),
        # The code is of the moment, the amount of the hour.
        (
            {
                "precipitation": {0: 1.0},
                "precipitation_type": {0: 0},
                "temperature": {0: 15.0},
                "dew_point": {0: 14.0},
            },
            1,
        ),
        ({"precipitation": {0: 1.0}}, None),
        ({}, None),
    ],
)
def test_what_fell_is_what_was_reported_else_what_the_air_makes_of_the_amount(seen, expected):
    made = past(reports(**seen))["precipitation_type"][0, -1]
    if expected is None:
        assert np.isnan(made).all()
    else:
        assert made.tolist() == np.eye(4)[expected].tolist()


@pytest.mark.django_db
def test_what_nobody_reported_is_filled_with_the_run_befores_shortest_lead():
    earlier = past(reports(2, temperature={0: 11.0}), (CHICAGO, NEWARK), init_hour=INIT_HOUR - 2)
    run = make_run(init_time=INIT - timedelta(hours=2), stations=(CHICAGO, NEWARK), past=earlier)
    made = past(reports(1, temperature={1: 30.0}), (NEWARK,), before=store.open_run(run.folder))
    temperature = made["temperature"][0]
    forecast = make_outputs(1)["temperature"][0]
    assert temperature[-3].tolist() == [11.0] * 7  # reported to the run before
    assert temperature[-2].tolist() == [30.0] * 7  # reported since
    assert temperature[-1] == pytest.approx(forecast[1])  # never reported: lead 2
    assert np.isnan(temperature[:-3]).all()
    assert made["precipitation_type"][0, -1] == pytest.approx([0.9, 0.1, 0, 0])


@pytest.mark.django_db
def test_a_run_too_long_ago_or_of_other_stations_fills_nothing():
    far = make_run(init_time=INIT - timedelta(hours=200))
    assert np.isnan(past(reports(), before=store.open_run(far.folder))["temperature"]).all()
    other = make_run(init_time=INIT - timedelta(hours=1), stations=(NEWARK,))
    assert np.isnan(past(reports(), before=store.open_run(other.folder))["temperature"]).all()


@pytest.mark.django_db
def test_a_run_stored_without_a_past_opens_with_one_that_knows_nothing():
    run = store.open_run(make_run().folder)
    for spec in run.contract.outputs:
        assert run.past[spec.name].shape == (3, HOURS, *spec.shape[2:])
        assert np.isnan(run.past[spec.name]).all()


def test_a_past_reads_back_as_written():
    made = past(reports(temperature={0: 4.0}))
    store.write_run(
        "with-past",
        init_time=INIT,
        contract=reference_contract(),
        stations=(CHICAGO,),
        inputs=make_inputs((CHICAGO,)),
        outputs=make_outputs(1),
        past=made,
    )
    assert np.array_equal(
        store.open_run("with-past").past["temperature"], made["temperature"], equal_nan=True
    )
