"""The measure of the personal corrections: how devices are cut, and what is counted."""

import numpy as np
import pytest

from bench import personal
from packager.dataset.windows import Windows

RUNS_A_DAY = 24 // personal.STRIDE
CASES = {(case.variable, case.name): case for case in personal.CASES}


def make_windows(stations, hours):
    return Windows(inputs={}, targets={}, station=np.asarray(stations), init_hour=np.asarray(hours))


def test_devices_are_whole_stretches_of_one_station():
    month = np.arange(30 * RUNS_A_DAY) * personal.STRIDE
    stations = [0] * len(month) + [1] * len(month)
    hours = np.concatenate([month, month])
    pieces = personal.split_devices(make_windows(stations, hours))
    # Two days are left of each month: too few for a device.
    assert [len(piece) for piece in pieces] == [28 * RUNS_A_DAY] * 2
    hours[40:120] += 1  # begins between two runs: a stretch of its own, and two that are too short
    assert [len(piece) for piece in personal.split_devices(make_windows(stations, hours))] == [80, 112]


def simulated(case):
    runs = 20 * RUNS_A_DAY
    rng = np.random.default_rng(1)
    hours = 400_000 + np.arange(runs) * personal.STRIDE
    observed = 10 + rng.normal(0, 1, (runs, 12))
    forecast = np.full((runs, 12), 10.0)
    return personal.simulate(case, hours, -87.0, forecast, observed, seed=2)


def test_the_first_run_is_not_corrected_and_later_ones_lose_the_bias():
    public, corrected = simulated(CASES["temperature", "+4 K"])
    np.testing.assert_array_equal(public[0], corrected[0])
    assert public.mean() == pytest.approx(4, abs=0.1)
    assert corrected[-20:].mean() < 1.3


def test_without_a_bias_both_are_scored_against_what_came():
    public, corrected = simulated(CASES["temperature", "none"])
    assert corrected.mean() <= public.mean() * 1.02


def test_unknown_observations_are_not_scored():
    case = CASES["temperature", "+2 K"]
    observed = np.full((8, 12), np.nan)
    hours = 400_000 + np.arange(8) * personal.STRIDE
    public, corrected = personal.simulate(case, hours, 0.0, np.zeros((8, 12)), observed, seed=0)
    assert np.isnan(public).all()
    assert np.isnan(corrected).all()


def test_a_bias_at_night_is_there_at_night():
    local = CASES["temperature", "-4 K at night"].local
    midnight, noon = local(np.array([480_000 - 480_000 % 24, 480_012 - 480_000 % 24]), 0.0, np.zeros(2))
    assert (midnight, noon) == (-4, 0)


def test_goals_are_told_as_they_are(capsys):
    gain, harm = CASES["temperature", "+4 K"], CASES["temperature", "none"]
    assert personal._verdict(gain, -30.0, 0.0)
    assert not personal._verdict(gain, -29.9, 0.0)
    assert personal._verdict(harm, 0.0, 2.0)
    assert not personal._verdict(harm, 0.0, 2.1)
    assert [line.split(":")[0].strip() for line in capsys.readouterr().out.splitlines()] == [
        "reached",
        "MISSED",
        "reached",
        "MISSED",
    ]


def test_without_a_model_it_says_what_to_do(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(personal, "VAR", tmp_path)
    assert personal.main([]) == 2
    assert "make demo" in capsys.readouterr().err
