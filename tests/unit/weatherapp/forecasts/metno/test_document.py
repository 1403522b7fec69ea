from datetime import UTC, datetime

import numpy as np
import pytest

from packager.contract import reference_contract
from tests.weather import INIT, make_outputs
from weatherapp.core.hourly import Hours
from weatherapp.forecasts.metno.document import MORE_UNITS, UNITS, Site, document

FIRST = int(INIT.timestamp()) // 3600 + 1
SITE = Site(41.995, -87.934, 200.4)


def write(outputs=None, *, complete=True, from_hour=FIRST):
    contract = reference_contract()
    values = {name: array[0].astype(float) for name, array in (outputs or make_outputs(1)).items()}
    hours = Hours(
        values,
        levels={spec.name: spec.levels for spec in contract.outputs if spec.levels},
        ceiling_thresholds=contract.output("cloud_base").thresholds,
    )
    made = document(
        hours, first_hour=FIRST, from_hour=from_hour, site=SITE, complete=complete,
        updated=datetime(2026, 7, 4, 18, 6, tzinfo=UTC),
    )  # fmt: skip
    return made, hours


def steps(made):
    return made["properties"]["timeseries"]


def test_the_feature_says_where_and_when():
    made, _ = write()
    assert made["geometry"] == {"type": "Point", "coordinates": [-87.934, 41.995, 200]}
    assert made["properties"]["meta"]["updated_at"] == "2026-07-04T18:06:00Z"
    assert steps(made)[0]["time"] == "2026-07-04T19:00:00Z"
    assert len(steps(made)) == 48


@pytest.mark.parametrize("complete", [True, False])
def test_every_value_has_a_unit_and_compact_has_no_more_than_its_own(complete):
    made, _ = write(complete=complete)
    units = made["properties"]["meta"]["units"]
    assert units == dict(sorted((UNITS | MORE_UNITS if complete else UNITS).items()))
    named = {name for step in steps(made) for part in step["data"].values() for name in part["details"]}
    # Six-hour extremes are among compact's details of no step.
    assert named <= set(units)
    assert named == set(units)


def test_what_the_next_hour_brings_stands_at_its_start():
    outputs = make_outputs(1)
    outputs["precipitation_type"][0, 9] = [0, 1, 0, 0]  # the tenth hour is wet
    made, hours = write(outputs)
    assert hours.precipitation[9] == pytest.approx(1.6)
    amounts = [step["data"]["next_1_hours"]["details"]["precipitation_amount"] for step in steps(made)[:47]]
    assert [index for index, amount in enumerate(amounts) if amount] == [8]
    assert steps(made)[8]["data"]["next_1_hours"]["summary"]["symbol_code"] == "lightrainshowers_night"
    six = [step["data"]["next_6_hours"]["details"]["precipitation_amount"] for step in steps(made)[:42]]
    assert [index for index, amount in enumerate(six) if amount] == [3, 4, 5, 6, 7, 8]


def test_the_last_steps_say_no_more_than_is_known():
    made, _ = write()
    lengths = [
        [hours for hours in (1, 6, 12) if f"next_{hours}_hours" in step["data"]] for step in steps(made)
    ]
    assert lengths[0] == lengths[35] == [1, 6, 12]
    assert lengths[36] == lengths[41] == [1, 6]
    assert lengths[42] == lengths[46] == [1]
    assert lengths[47] == []


def test_instant_values_are_in_the_documents_units():
    made, _ = write()
    details = steps(made)[0]["data"]["instant"]["details"]
    assert details["air_temperature"] == pytest.approx(20.1)
    assert details["relative_humidity"] == pytest.approx(52.2, abs=0.5)
    assert details["cloud_area_fraction"] == pytest.approx(50)
    assert details["wind_from_direction"] == pytest.approx(90)
    assert details["air_pressure_at_sea_level"] == pytest.approx(1013)


def test_extremes_of_six_hours_are_those_of_its_hours():
    made, hours = write()
    details = steps(made)[0]["data"]["next_6_hours"]["details"]
    assert details["air_temperature_min"] == pytest.approx(hours.temperature[1:7].min(), abs=0.051)
    assert details["air_temperature_max"] == pytest.approx(hours.temperature[1:7].max(), abs=0.051)


def test_the_amount_lies_between_its_limits():
    for wet in (0.0, 0.05, 0.3, 0.45, 0.95, 1.0):
        made, _ = write(make_outputs(1, wet=wet))
        details = steps(made)[0]["data"]["next_1_hours"]["details"]
        least, most = details["precipitation_amount_min"], details["precipitation_amount_max"]
        assert least <= details["precipitation_amount"] <= most
        assert details["probability_of_precipitation"] == pytest.approx(100 * wet)
        assert (most > 0) == (wet > 0.1)
        assert (least > 0) == (wet > 0.9)


def test_a_series_starts_where_it_is_asked_to_and_skips_what_is_unknown():
    outputs = make_outputs(1)
    outputs["temperature"][0, 3] = np.nan
    made, _ = write(outputs, from_hour=FIRST + 2)
    assert [step["time"][11:13] for step in steps(made)[:3]] == ["21", "23", "00"]
    assert "next_1_hours" not in steps(made)[0]["data"]
