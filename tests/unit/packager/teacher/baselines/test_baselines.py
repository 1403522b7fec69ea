"""Baselines by hand, on weather that repeats itself every day."""

from dataclasses import replace

import numpy as np
import pytest

from packager.contract import contract_with_guidance, reference_contract
from packager.dataset import make_windows
from packager.dataset.records import NO_CEILING, Station
from packager.teacher.baselines import Climatology, Ridge, guidance, persistence, same_hour_yesterday
from packager.verify.skill import score_forecasts
from tests.unit.packager.dataset.small import START, make_dataset, set_value

CONTRACT = reference_contract()
GUIDED = contract_with_guidance()
LEADS = np.arange(1, CONTRACT.lead_hours + 1)
CHANNELS = CONTRACT.input("history").channel_names
SOUTH = Station("s", "South", 30.0, 0.0, 0.0, "test", "actual")
NORTH = Station("n", "North", 60.0, 0.0, 0.0, "test", "actual")
# Its neighbour in latitude is North.
NEW = Station("x", "New", 58.0, 0.0, 0.0, "test", "actual")


def daily(hours=400, stations=None):
    """Weather with a period of exactly a day."""
    dataset = make_dataset(hours, stations=stations)
    phase = 2 * np.pi * (dataset.hour % 24) / 24
    set_value(dataset, slice(None), "temperature", 10 + 8 * np.sin(phase))
    set_value(dataset, slice(None), "dew_point", 2 + np.sin(phase))
    set_value(dataset, slice(None), "wind_u", 3 * np.cos(phase))
    set_value(dataset, slice(None), "wind_v", np.full(len(phase), -4.0))
    set_value(dataset, slice(None), "precipitation", np.where(dataset.hour % 24 < 6, 2.0, 0.0))
    dataset.precipitation_type[:] = dataset.hour % 24 < 6
    set_value(dataset, slice(None), "cloud_base", np.where(dataset.hour % 24 < 12, 500.0, NO_CEILING))
    return dataset


@pytest.fixture
def windows():
    return make_windows(make_dataset(), CONTRACT, stride=1, split="train")


def observed(windows, name, hours_ago):
    return windows.inputs["history"][:, CONTRACT.history_hours - 1 - hours_ago, CHANNELS.index(name)]


def test_persistence_repeats_the_latest_hour(windows):
    outputs = persistence(windows.inputs, CONTRACT)
    latest = observed(windows, "temperature", 0)
    np.testing.assert_array_equal(
        outputs["temperature"], np.broadcast_to(latest[:, None, None], (105, 48, 7))
    )
    np.testing.assert_array_equal(outputs["dew_point"][:, 40], observed(windows, "dew_point", 0))
    speed = np.hypot(observed(windows, "wind_u", 0), observed(windows, "wind_v", 0))
    np.testing.assert_allclose(outputs["wind_speed"][:, 5, 3], speed, rtol=1e-6)
    assert set(np.unique(outputs["cloud_base"])) == {0.0, 1.0}
    np.testing.assert_array_equal(outputs["cloud_base"].sum(axis=-1), 1)


def test_same_hour_yesterday_repeats_the_day(windows):
    outputs = same_hour_yesterday(windows.inputs, CONTRACT)
    for lead in (1, 13, 24):
        expected = observed(windows, "temperature", 24 - lead)
        np.testing.assert_array_equal(outputs["temperature"][:, lead - 1, 0], expected)
        np.testing.assert_array_equal(outputs["temperature"][:, lead + 23, 6], expected)


@pytest.mark.parametrize("baseline", [persistence, same_hour_yesterday])
def test_what_repeats_cannot_say_is_left_out(windows, baseline):
    assert set(baseline(windows.inputs, CONTRACT)) == {
        "temperature", "dew_point", "pressure_msl", "wind", "wind_speed", "cloud_cover", "cloud_base"
    }  # fmt: skip


def test_a_missing_observation_makes_no_forecast(windows):
    inputs = {name: values.copy() for name, values in windows.inputs.items()}
    inputs["history_mask"][:, -1, CHANNELS.index("temperature")] = 0
    inputs["history_mask"][:, -1, CHANNELS.index("cloud_base")] = 0
    assert np.isnan(persistence(inputs, CONTRACT)["temperature"]).all()
    assert np.isnan(persistence(inputs, CONTRACT)["cloud_base"]).all()
    yesterday = same_hour_yesterday(inputs, CONTRACT)["temperature"]
    assert np.isnan(yesterday[:, [23, 47]]).all()
    assert np.isfinite(np.delete(yesterday, [23, 47], axis=1)).all()


def test_same_hour_yesterday_is_perfect_where_every_day_is_the_same():
    windows = make_windows(daily(), CONTRACT, stride=7, split="train")
    outputs = same_hour_yesterday(windows.inputs, CONTRACT)
    scores = score_forecasts(outputs, windows.targets, CONTRACT, split="train")
    for name in ("temperature", "dew_point", "wind", "wind_speed", "cloud_base"):
        assert scores.get(name) == pytest.approx(0, abs=1e-5), name


def test_climatology_knows_every_hour_of_a_place_it_saw():
    dataset = daily(24 * 50)
    table = Climatology.fit(dataset, np.ones(len(dataset), bool), CONTRACT)
    windows = make_windows(dataset, CONTRACT, stride=11, split="train")
    outputs = table.forecast(windows, CONTRACT)
    assert set(outputs) == {spec.name for spec in CONTRACT.outputs}
    for spec in CONTRACT.outputs:
        assert outputs[spec.name].shape == (len(windows), *spec.shape[1:])
    valid = (windows.init_hour[:, None] + LEADS) % 24
    np.testing.assert_allclose(
        outputs["temperature"][..., 3], 10 + 8 * np.sin(2 * np.pi * valid / 24), atol=1e-5
    )
    np.testing.assert_array_equal(outputs["precipitation_type"][..., 1], valid < 6)
    np.testing.assert_array_equal(outputs["cloud_base"][..., 2], valid < 12)
    np.testing.assert_array_equal(outputs["cloud_base"][..., 5], valid >= 12)
    # The amount given that the hour is wet: dry hours take the wet ones of other hours.
    np.testing.assert_array_equal(outputs["precipitation"], 2.0)


def test_climatology_looks_at_its_rows_only():
    dataset = daily(24 * 50)
    hidden = dataset.hour >= START + 24 * 45
    set_value(dataset, hidden, "temperature", 99.0)
    table = Climatology.fit(dataset, ~hidden, CONTRACT)
    assert np.nanmax(table.tables["temperature"]) < 19


def test_an_unknown_place_takes_the_place_nearest_in_latitude():
    dataset = daily(24 * 50, stations=(SOUTH, NEW, NORTH))
    set_value(dataset, dataset.station == 2, "temperature", -20.0)
    table = Climatology.fit(dataset, dataset.station != 1, CONTRACT)
    assert table.analogue["temperature"].tolist() == [0, 2, 2]
    # South is the one held out of the three.
    for split, station, cold in (("train", 1, True), ("unseen_station", 0, False)):
        windows = make_windows(dataset, CONTRACT, stride=24, split=split)
        outputs = table.forecast(windows, CONTRACT)["temperature"][windows.station == station]
        assert len(outputs)
        assert ((outputs == -20) if cold else (outputs > 0)).all()


def test_ridge_finds_a_linear_law():
    # A damped oscillation is linear in its own past, and differs between the windows.
    dataset = daily(24 * 60)
    hour = dataset.hour - START
    wave = 10 + 6 * np.sin(2 * np.pi * hour / 37.0) + 3 * np.cos(2 * np.pi * hour / 61.0)
    set_value(dataset, slice(None), "temperature", wave)
    windows = make_windows(dataset, CONTRACT, stride=1, split="train")
    fitted = Ridge.fit(windows.take(slice(0, None, 2)), CONTRACT)
    unseen = windows.take(slice(1, None, 2))
    scores = score_forecasts(fitted.forecast(unseen, CONTRACT), unseen.targets, CONTRACT, split="train")
    assert scores.get("temperature_mae") < 0.3
    repeated = same_hour_yesterday(unseen.inputs, CONTRACT)
    assert score_forecasts(repeated, unseen.targets, CONTRACT, split="train").get("temperature_mae") > 3


def test_ridge_gives_valid_probabilities_and_ordered_quantiles():
    windows = make_windows(make_dataset(24 * 20), CONTRACT, stride=1, split="train")
    outputs = Ridge.fit(windows, CONTRACT).forecast(windows, CONTRACT)
    assert set(outputs) == {spec.name for spec in CONTRACT.outputs} - {"precipitation"}
    for spec in CONTRACT.outputs:
        if spec.name not in outputs:
            continue
        values = outputs[spec.name]
        assert values.shape == (len(windows), *spec.shape[1:]), spec.name
        if spec.kind == "quantiles":
            assert (np.diff(values, axis=-1) >= 0).all()
            assert values.min() >= spec.valid_range[0]
        if spec.kind == "probabilities":
            assert values.min() > 0
            np.testing.assert_allclose(values.sum(axis=-1), 1, rtol=1e-5)


def test_ridge_forecasts_a_case_alone_as_among_others():
    dataset = make_dataset(24 * 20)
    set_value(dataset, slice(100, 130), "cloud_cover", np.nan)
    set_value(dataset, slice(300, 303), "dew_point", np.nan)
    windows = make_windows(dataset, CONTRACT, stride=1, split="train")
    ridge = Ridge.fit(windows, CONTRACT)
    case = int(np.argmin(windows.inputs["history_mask"].sum(axis=(1, 2))))
    together, alone = (ridge.forecast(part, CONTRACT) for part in (windows, windows.take([case])))
    for name, values in alone.items():
        np.testing.assert_allclose(values[0], together[name][case], rtol=1e-3, atol=1e-3, err_msg=name)


def guided_windows(count=300):
    """Windows of a daily cycle with a guidance that knows tomorrow but for a bias of 2 K, and noise in it."""
    dataset = daily(24 * 60)
    windows = make_windows(dataset, CONTRACT, stride=3, split="train").take(slice(0, count))
    rng = np.random.default_rng(4)
    shift = rng.normal(0, 5, (len(windows), 48)).astype(np.float32)
    targets = windows.targets | {"temperature": windows.targets["temperature"] + shift}
    known = np.stack(
        [
            targets["temperature"] + 2, targets["dew_point"], targets["pressure_msl"],
            targets["wind"][..., 0], targets["wind"][..., 1],
            targets["precipitation"], targets["cloud_cover"],
        ],
        axis=-1,
    ).astype(np.float32)  # fmt: skip
    inputs = windows.inputs | {"guidance": known, "guidance_mask": np.ones_like(known)}
    return replace(windows, inputs=inputs, targets=targets)


def test_guidance_as_it_comes_is_one_value_for_all_quantiles():
    windows = guided_windows()
    windows.inputs["guidance_mask"][:, 20, 0] = 0
    outputs = guidance(windows.inputs, GUIDED)
    assert set(outputs) == {spec.name for spec in GUIDED.outputs} - {"cloud_base"}
    for name, values in outputs.items():
        assert values.shape == (len(windows), *GUIDED.output(name).shape[1:])
    np.testing.assert_allclose(
        np.delete(outputs["temperature"] - windows.targets["temperature"][..., None], 20, axis=1),
        2,
        atol=1e-4,
    )
    assert np.isnan(outputs["temperature"][:, 20]).all()
    speed = np.hypot(*np.moveaxis(windows.inputs["guidance"][..., 3:5], -1, 0))
    np.testing.assert_allclose(outputs["wind_speed"][..., 6], speed, rtol=1e-6)


def test_guidance_tells_what_falls_by_the_rule_that_labels_observations():
    windows = guided_windows(4)
    known, mask = windows.inputs["guidance"], windows.inputs["guidance_mask"]
    known[:, :, 5] = [[0.0, 0.04, 0.2, 0.2] * 12] * 4
    known[:, :, 0], known[:, :, 1] = 15.0, 12.0
    known[:, 3::4, 0], known[:, 3::4, 1] = -8.0, -9.0
    mask[0, 8, 5], mask[0, 2, 1] = 0, 0
    kind = guidance(windows.inputs, GUIDED)["precipitation_type"]
    certain = np.eye(4)[[0, 0, 1, 2] * 12]
    np.testing.assert_array_equal(kind[1], certain)
    # Without an amount nothing is known; without a dew point, not what a wet hour brings.
    assert np.flatnonzero(np.isnan(kind[0]).any(axis=-1)).tolist() == [2, 8]


def test_ridge_learns_the_bias_of_the_guidance():
    windows = guided_windows()
    train, unseen = windows.take(slice(0, None, 2)), windows.take(slice(1, None, 2))
    scores = {
        name: score_forecasts(outputs, unseen.targets, GUIDED, split="train").get("temperature_mae")
        for name, outputs in (
            ("guidance", guidance(unseen.inputs, GUIDED)),
            ("with", Ridge.fit(train, GUIDED).forecast(unseen, GUIDED)),
            ("without", Ridge.fit(train, CONTRACT).forecast(unseen, CONTRACT)),
        )
    }
    assert scores["guidance"] == pytest.approx(2, abs=1e-3)
    assert scores["with"] < 1.5
    assert scores["without"] > 3


def test_ridge_leaves_out_what_no_window_reports_at_all_leads():
    windows = make_windows(make_dataset(24 * 20), CONTRACT, stride=1, split="train")
    windows.targets["cloud_cover"][:, 7] = np.nan
    outputs = Ridge.fit(windows, CONTRACT).forecast(windows, CONTRACT)
    assert set(outputs) == {spec.name for spec in CONTRACT.outputs} - {"precipitation", "cloud_cover"}
