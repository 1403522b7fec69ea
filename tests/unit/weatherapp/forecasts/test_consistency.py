"""Code, type, probability and amounts agree with each other as they are written, whatever the model says."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.weatherapp.forecasts.memory_run import CONTRACT, ask, memory_run
from tests.weather import STATIONS

SNOW = {71, 73, 75, 85, 86}
FREEZING = {56, 57, 66, 67}
KNOWN = {*range(4), 45, 48, 51, 53, 55, 61, 63, 65, 80, 81, 82, *SNOW, *FREEZING}
NAMES = (
    "weather_code", "precipitation", "rain", "snowfall", "precipitation_type", "precipitation_probability",
    "rain_probability", "snowfall_probability", "freezing_rain_probability", "temperature_2m", "dew_point_2m",
    "relative_humidity_2m", "cloud_cover",
)  # fmt: skip
DAYS = (
    "weather_code", "precipitation_sum", "rain_sum", "snowfall_sum", "precipitation_hours",
    "precipitation_probability_max", "temperature_2m_max", "temperature_2m_min", "temperature_2m_mean",
)  # fmt: skip
FILLS = {
    "temperature": (-12, 14), "dew_point": (-15, 15), "pressure_msl": (950, 1050), "wind": (-15, 15),
    "wind_speed": (0, 20), "cloud_cover": (-0.01, 1.01), "precipitation": (0, 0.8),
}  # fmt: skip


def random_outputs(seed, hours, gaps):
    """What no model would say, but any might."""
    draw = np.random.default_rng(seed)
    outputs = {}
    for spec in CONTRACT.outputs:
        shape = (len(STATIONS), hours, *spec.shape[2:])
        if spec.kind == "probabilities":
            values = draw.dirichlet([0.4] * spec.width, shape[:2])
        else:
            values = draw.uniform(*FILLS[spec.name], shape)
        values = np.sort(values, axis=-1) if spec.levels else values
        values[draw.random(shape[:2]) < gaps] = np.nan
        outputs[spec.name] = values.astype(np.float32)
    return outputs


def check_moment(row, least):
    """What holds for a moment; `least` is the smallest amount that may be written."""
    code, amount, rain, snow = (row[name] for name in ("weather_code", "precipitation", "rain", "snowfall"))
    if amount is None:
        assert rain is snow is row["precipitation_type"] is row["precipitation_probability"] is None
        return
    wet = amount > 0
    assert (row["precipitation_probability"] >= 40) == wet
    assert (rain > 0 or snow > 0) == wet
    assert row["precipitation_type"] in ({1, 3, 5} if wet else {0})
    assert (snow > 0) == (row["precipitation_type"] == 5)
    assert not wet or amount >= least
    parts = sum(row[f"{kind}_probability"] for kind in ("rain", "snowfall", "freezing_rain"))
    assert parts == pytest.approx(row["precipitation_probability"], abs=2)
    if row["temperature_2m"] > 4:
        assert snow == row["snowfall_probability"] == 0
    if row["temperature_2m"] > 0:
        assert row["freezing_rain_probability"] == 0
    if code is None:
        assert not wet
        assert row["cloud_cover"] is None
        return
    assert code in KNOWN
    assert (code > 48) == wet
    assert (code in SNOW) == (snow > 0)
    assert (code in FREEZING) == (row["precipitation_type"] == 3)


def rows(section):
    return [dict(zip(section, values, strict=True)) for values in zip(*section.values(), strict=True)]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([0.0, 0.2]), st.booleans())
def test_every_section_agrees_with_itself(seed, gaps, inch):
    run = memory_run(
        outputs=random_outputs(seed, CONTRACT.lead_hours, 0.0),
        past=random_outputs(seed + 1, CONTRACT.history_hours, gaps),
    )
    unit = {"precipitation_unit": "inch"} if inch else {}
    body = ask(
        run, hourly=",".join(NAMES), minutely_15=",".join(NAMES), current=",".join(NAMES), past_days="2",
        daily=",".join(DAYS), forecast_days="3", elevation="700", **unit,
    )  # fmt: skip
    for row in rows(body["hourly"]):
        check_moment(row, 0.004 if inch else 0.1)
    for row in [*rows(body["minutely_15"]), body["current"]]:
        check_moment(row, 0.001 if inch else 0.02)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32))
def test_days_agree_with_themselves_and_with_their_hours(seed):
    run = memory_run(
        outputs=random_outputs(seed, CONTRACT.lead_hours, 0.0),
        past=random_outputs(seed + 1, CONTRACT.history_hours, 0.0),
    )
    body = ask(run, hourly=",".join(NAMES), daily=",".join(DAYS), past_days="1", forecast_days="4")
    hours = rows(body["hourly"])
    known = 0
    for index, day in enumerate(rows(body["daily"])):
        own = [row for row in hours[24 * index : 24 * index + 24] if row["precipitation"] is not None]
        if day["precipitation_sum"] is None:
            assert len(own) < 24
            continue
        known += 1
        wet = day["precipitation_sum"] > 0
        assert wet == (day["precipitation_hours"] > 0) == (day["weather_code"] > 48)
        assert wet == (day["precipitation_probability_max"] >= 40)
        assert wet == (day["rain_sum"] > 0 or day["snowfall_sum"] > 0)
        assert day["weather_code"] == max(row["weather_code"] for row in own)
        assert day["precipitation_sum"] == pytest.approx(sum(row["precipitation"] for row in own), abs=0.006)
        assert day["snowfall_sum"] == pytest.approx(sum(row["snowfall"] for row in own), abs=0.13)
        assert day["temperature_2m_max"] == max(row["temperature_2m"] for row in own)
        assert day["temperature_2m_min"] <= day["temperature_2m_mean"] <= day["temperature_2m_max"]
    assert known == 3  # yesterday, today and tomorrow
