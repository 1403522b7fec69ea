import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from packager.dataset.records import VARIABLES
from packager.dataset.reference import load_reference
from weatherapp.core.personal.bias import (
    HOUR,
    MODELS,
    BiasState,
    Verdict,
    correct_hours,
    correction,
    start,
    update,
)
from weatherapp.core.personal.errors import ReportInvalid, StateInvalid
from weatherapp.core.weather_code import RAIN, SNOW

T0 = 1_767_225_600  # 2026-01-01T00Z
DAY = 24


def learn(offsets, *, variable="temperature", forecast=10.0, state=None, first=T0, step=HOUR):
    """The state and the verdicts after reports that differ from the forecast by `offsets`."""
    state, verdicts = state or start(variable), []
    for number, offset in enumerate(offsets):
        told = {"forecast": forecast, "observed": forecast + offset, "time": first + number * step}
        state, verdict = update(state, **told)
        verdicts.append(verdict)
    return state, verdicts


def now(state, lead=1.0):
    return float(correction(state, lead_hours=np.array([lead]), age_hours=0.0)[0])


def weather(seed, hours, spread=2.0):
    """Passing errors as forecasts have them: gone within hours."""
    rng, error, errors = np.random.default_rng(seed), 0.0, []
    for _ in range(hours):
        error = 0.8 * error + rng.normal(0, spread * 0.6)
        errors.append(error)
    return np.array(errors)


@pytest.mark.parametrize("variable", list(MODELS))
def test_nothing_is_corrected_before_the_first_report(variable):
    leads = np.arange(1.0, 49.0)
    neutral = 1.0 if MODELS[variable].ratio else 0.0
    np.testing.assert_array_equal(correction(start(variable), lead_hours=leads, age_hours=0), neutral)


@pytest.mark.parametrize("bias", [-3.0, 3.0])
def test_a_lasting_difference_is_learned_within_two_weeks(bias):
    passing = weather(1, 14 * DAY)
    state, _ = learn(bias + passing - passing.mean())
    day_ahead = correction(state, lead_hours=np.arange(1.0, 25.0), age_hours=0)
    assert day_ahead.mean() == pytest.approx(bias, abs=0.5)
    assert state.reports > 13 * DAY


def test_a_difference_at_night_only_is_corrected_at_night_only():
    hours = np.arange(14 * DAY)
    night = (hours % DAY < 6) | (hours % DAY >= 20)
    state, _ = learn(np.where(night, -4.0, 0.0) + weather(2, len(hours)))
    day_ahead = correction(state, lead_hours=np.arange(1.0, 25.0), age_hours=0)
    valid = (hours[-1] + np.arange(1, 25)) % DAY
    assert day_ahead[(valid == 1) | (valid == 2)].mean() < -2.5
    assert abs(day_ahead[(valid >= 11) & (valid <= 15)].mean()) < 0.8


def test_weather_without_a_local_difference_teaches_little():
    for seed in range(8):
        state, _ = learn(weather(seed, 14 * DAY))
        assert abs(now(state)) < 0.8, seed


def test_a_sheltered_place_gets_a_factor_of_the_wind():
    state, rng = start("wind_speed"), np.random.default_rng(4)
    for hour in range(10 * DAY):
        forecast = float(rng.uniform(1, 9))
        observed = max(0.5 * forecast + float(rng.normal(0, 0.5)), 0.0)
        state, _ = update(state, forecast=forecast, observed=observed, time=T0 + hour * HOUR)
    assert now(state) == pytest.approx(0.5, abs=0.08)


def test_corrections_are_capped():
    state, verdicts = learn([12.0] * (20 * DAY))
    assert verdicts[-1].accepted
    assert now(state) == MODELS["temperature"].limits[1]
    wind, _ = learn([-9.9] * (30 * DAY), variable="wind_speed")
    assert now(wind) == MODELS["wind_speed"].limits[0]


def test_corrections_fade_with_lead_and_with_age():
    state, _ = learn([3.0] * (10 * DAY), variable="pressure_msl", forecast=1000.0)
    by_lead = correction(state, lead_hours=np.arange(1.0, 49.0), age_hours=0)
    assert np.all(np.diff(by_lead) < 0)
    by_age = [
        float(correction(state, lead_hours=np.ones(1), age_hours=days * DAY)[0]) for days in (0, 30, 90, 400)
    ]
    assert by_age == sorted(by_age, reverse=True)
    assert by_age[2] == pytest.approx(by_age[0] / 2, rel=0.02)  # its half-life
    assert by_age[-1] < 0.2


def test_hours_before_now_are_corrected_like_now():
    state, _ = learn([3.0] * (10 * DAY), variable="pressure_msl", forecast=1000.0)
    assert now(state, lead=-5.0) == now(state, lead=0.0)


def test_one_wild_report_is_not_learned_and_a_less_wild_one_less():
    state, _ = learn(weather(5, 5 * DAY))
    before = now(state)
    after, verdicts = learn([20.0], state=state, first=T0 + 5 * DAY * HOUR)
    assert verdicts == [Verdict(accepted=False, reason="suspect")]
    assert now(after) == pytest.approx(before, abs=0.01)
    pulled, verdicts = learn([7.0], state=state, first=T0 + 5 * DAY * HOUR)
    assert verdicts == [Verdict(accepted=True, reason="less")]
    assert abs(now(pulled) - before) < 0.5


def test_a_jump_is_learned_once_a_day_of_reports_agrees():
    """A barometer that was moved 30 floors down."""
    state, _ = learn([0.0] * (5 * DAY), variable="pressure_msl", forecast=1000.0)
    moved, verdicts = learn(
        [14.0] * (2 * DAY),
        variable="pressure_msl",
        forecast=1000.0,
        state=state,
        first=T0 + 5 * DAY * HOUR,
    )
    words = [verdict.reason for verdict in verdicts]
    assert words[: DAY - 1] == ["suspect"] * (DAY - 1)
    assert words.count("jump") == 1
    assert now(moved) == pytest.approx(14.0, abs=1.5)


def test_a_front_of_some_hours_is_no_jump():
    calm = weather(6, 5 * DAY)
    state, _ = learn(calm)
    front, verdicts = learn([-14.0] * 8 + [0.0] * 10, state=state, first=T0 + 5 * DAY * HOUR)
    assert "jump" not in {verdict.reason for verdict in verdicts}
    assert abs(now(front)) < 1.0
    assert front.suspects == ()


def test_suspects_that_contradict_each_other_stay_suspects():
    state, _ = learn([0.0] * (5 * DAY), variable="pressure_msl", forecast=1000.0)
    wild = [25.0 if number % 6 < 3 else -25.0 for number in range(2 * DAY)]
    first = T0 + 5 * DAY * HOUR
    after, verdicts = learn(wild, variable="pressure_msl", forecast=1000.0, state=state, first=first)
    assert {verdict.reason for verdict in verdicts} == {"suspect"}
    assert now(after) == pytest.approx(now(state), abs=0.1)


def test_many_reports_in_an_hour_weigh_no_more_than_one():
    often, _ = learn([3.0] * 60, step=60)
    once, _ = learn([3.0], step=HOUR)
    assert now(often) <= now(once) + 0.4


def test_a_thumb_weighs_less_than_a_station():
    station, _ = update(start("temperature"), forecast=10, observed=14, time=T0)
    thumb, _ = update(start("temperature"), forecast=10, observed=14, time=T0, noise=4.0)
    assert thumb.mean[0] < station.mean[0]


@pytest.mark.parametrize(
    ("observed", "reason"), [(61.0, "implausible"), (-91.0, "implausible"), (36.0, "implausible")]
)
def test_the_impossible_is_never_learned(observed, reason):
    state, verdict = update(start("temperature"), forecast=10.0, observed=observed, time=T0)
    assert verdict == Verdict(accepted=False, reason=reason)
    assert state == start("temperature")


def test_reports_out_of_order_are_refused():
    state, _ = learn([1.0, 1.0])
    same, verdict = update(state, forecast=10.0, observed=11.0, time=T0 + HOUR)
    assert verdict == Verdict(accepted=False, reason="late")
    assert same == state


@pytest.mark.parametrize(
    "told",
    [
        {"forecast": float("nan"), "observed": 1.0},
        {"forecast": 1.0, "observed": float("inf")},
        {"forecast": 1.0, "observed": 1.0, "noise": 0.0},
        {"forecast": 1.0, "observed": 1.0, "noise": float("nan")},
    ],
)
def test_numbers_that_are_none_are_refused(told):
    with pytest.raises(ReportInvalid, match="finite"):
        update(start("temperature"), time=T0, **told)


@pytest.mark.parametrize("age", [-1.0, float("nan")])
def test_an_age_that_is_none_is_refused(age):
    with pytest.raises(ReportInvalid, match="give 0 or more"):
        correction(start("temperature"), lead_hours=np.ones(1), age_hours=age)


def test_the_state_survives_json():
    state, _ = learn([*([1.0] * 30), 24.0])
    assert state.suspects
    read = BiasState.from_dict(json.loads(json.dumps(state.to_dict())))
    assert read == state
    assert now(read) == now(state)


@pytest.mark.parametrize(
    "change",
    [
        {"variable": "luck"},
        {"mean": [0.0]},
        {"mean": "warm"},
        {"mean": [float("nan"), 0.0, 0.0]},
        {"covariance": [0.0]},
        {"covariance": [-1.0, 0, 0, 0, 1, 0, 0, 0, 1]},
        {"reports": -1},
        {"updated": "today"},
        {"suspects": [[1]]},
        {"suspects": [[number, 9.0] for number in range(50)]},
    ],
)
def test_nonsense_is_no_state(change):
    with pytest.raises(StateInvalid):
        BiasState.from_dict({**start("temperature").to_dict(), **change})
    with pytest.raises(StateInvalid, match="KeyError"):
        BiasState.from_dict({})


@given(
    offsets=st.lists(st.floats(-60, 60), max_size=40),
    steps=st.lists(st.integers(-HOUR, 40 * DAY * HOUR), min_size=40, max_size=40),
    lead=st.floats(0, 400),
)
@settings(max_examples=60, deadline=None)
def test_whatever_comes_the_state_stays_sane(offsets, steps, lead):
    state, time = start("temperature"), T0
    for offset, step in zip(offsets, steps, strict=False):
        time += step
        state, _ = update(state, forecast=5.0, observed=5.0 + offset, time=time)
    assert BiasState.from_dict(state.to_dict()) == state
    low, high = MODELS["temperature"].limits
    assert low <= now(state, lead) <= high


def test_corrected_hours_agree_with_themselves(public_hours):
    public = public_hours(
        4, temperature=np.linspace(0.5, 1.5, 7), dew_point=0.0, precipitation_type=[0.1, 0.1, 0.8, 0]
    )
    wanted = {
        "temperature": np.full(4, 6.0),
        "pressure_msl": np.full(4, -2.0),
        "wind_speed": np.full(4, 0.5),
    }
    corrected = correct_hours(public, wanted)
    np.testing.assert_allclose(corrected.temperature, public.temperature + 6)
    np.testing.assert_allclose(corrected.pressure_msl, 1013)
    np.testing.assert_allclose(corrected.wind_speed, public.wind_speed / 2)
    np.testing.assert_allclose(corrected.wind_direction, public.wind_direction)
    # What was snow at 1 °C is rain at 7 °C.
    assert (public.decision.type == SNOW).all()
    assert (corrected.decision.type == RAIN).all()
    assert (corrected.dew_point <= corrected.temperature).all()


def test_hours_without_corrections_stay_as_they_are(public_hours):
    public = public_hours(4)
    same = correct_hours(public, {})
    assert same.outputs.keys() == public.outputs.keys()
    for name, values in public.outputs.items():
        np.testing.assert_array_equal(same.outputs[name], values)


@pytest.fixture(scope="module")
def neighbours():
    """(hour,) temperatures of LaGuardia, and of its two neighbours as a forecast for it; hours since 1970."""
    dataset = load_reference()
    column = VARIABLES.index("temperature")
    series = {}
    for index, station in enumerate(dataset.stations):
        if station.id in {"nyc-LGA", "nyc-EWR", "nyc-JFK"}:
            rows = dataset.station == index
            series[station.id] = dict(
                zip(dataset.hour[rows].tolist(), dataset.values[rows, column].tolist(), strict=True)
            )
    hours = sorted(set.intersection(*(set(one) for one in series.values())))[: 120 * DAY]
    columns = {name: np.array([values[hour] for hour in hours]) for name, values in series.items()}
    return np.array(hours), columns["nyc-LGA"], (columns["nyc-EWR"] + columns["nyc-JFK"]) / 2


def replay(neighbours, local):
    """(day,) MAE before and after correction a day ahead, over four months in devices of 28 days."""
    hours, observed, forecast = neighbours
    there = observed + local(hours)
    before, after = [], []
    for first in range(0, len(hours) - 28 * DAY, 28 * DAY):
        state = start("temperature")
        for row in range(first, first + 28 * DAY, DAY):
            day = slice(row, row + DAY)
            age = 0.0 if state.updated is None else hours[row] - 1 - state.updated / HOUR
            shift = correction(state, lead_hours=np.arange(1.0, 25.0), age_hours=age)
            before.append(np.abs(there[day] - forecast[day]))
            after.append(np.abs(there[day] - forecast[day] - shift))
            for hour, told, said in zip(hours[day].tolist(), there[day], forecast[day], strict=True):
                if np.isfinite(told) and np.isfinite(said):
                    state, _ = update(state, forecast=float(said), observed=float(told), time=hour * HOUR)
    shape = (-1, 28, DAY)
    return np.nanmean(np.reshape(before, shape), (0, 2)), np.nanmean(np.reshape(after, shape), (0, 2))


@pytest.mark.parametrize("bias", [-3.0, 2.0, 4.0])
def test_on_real_weather_a_local_bias_costs_a_third_less_within_two_weeks(neighbours, bias):
    before, after = replay(neighbours, lambda hours: np.full(len(hours), bias))
    assert after[7:14].mean() <= 0.7 * before[7:14].mean()


def test_on_real_weather_nothing_gets_worse_without_a_local_bias(neighbours):
    hours, observed, forecast = neighbours
    # Take out what the neighbours are warmer or colder by, month by month: then there is nothing to learn.
    month = np.arange(len(hours)) // (28 * DAY)
    for one in np.unique(month):
        forecast = np.where(
            month == one, forecast + np.nanmean((observed - forecast)[month == one]), forecast
        )
    before, after = replay((hours, observed, forecast), lambda hours: np.zeros(len(hours)))
    assert after.mean() <= 1.02 * before.mean()


def test_states_are_values():
    state = start("temperature")
    with pytest.raises(AttributeError):
        state.reports = 3
    assert replace(state, reports=3) != state


def test_what_is_in_doubt_is_held_back():
    """After one report the doubt is larger than what was seen; later it is not."""
    state, _ = learn([1.0])
    assert state.mean[0] > 0.2
    assert now(state) == 0.0
    sure, _ = learn([1.0] * (30 * DAY))
    assert 0.4 < now(sure) < 1.0


def test_a_report_far_off_pulls_no_more_than_one_at_the_limit():
    state, _ = learn([0.0] * (5 * DAY))
    later = T0 + 6 * DAY * HOUR
    pulls = [learn([offset], state=state, first=later)[0].mean[0] for offset in (5.0, 7.0, 9.0)]
    assert pulls[2] < pulls[0] * 1.4  # 1.8 if the pull grew with the distance
