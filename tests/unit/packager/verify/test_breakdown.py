"""Losses by group are ratios to the reference on the same hours."""

import numpy as np
import pytest

from packager.verify.breakdown import (
    Paired,
    break_down,
    by_bucket,
    by_season,
    by_station,
    loss_by_output,
    loss_percent,
    pair_scores,
    worst_group,
)
from packager.verify.skill import score_forecasts, skill_loss_percent
from tests.unit.packager.verify.pairs import CONTRACT, LEADS, hour_of, pair, windows
from tests.unit.packager.verify.test_skill import forecasts, truth


def test_the_loss_over_everything_is_the_loss_that_gates_read():
    targets = truth()
    targets["dew_point"][0] = np.nan
    worse, better = forecasts(targets, error=1.3), forecasts(targets)
    worse["wind"][2] += 3.0
    scores = [score_forecasts(o, targets, CONTRACT, split="unseen_station") for o in (worse, better)]
    found = loss_percent(pair_scores(worse, better, targets, CONTRACT))
    assert found == pytest.approx(skill_loss_percent(*scores, CONTRACT), abs=1e-3)


def test_an_output_that_is_never_reported_counts_nowhere():
    targets = truth()
    targets["precipitation"][:] = 0
    found = pair_scores(forecasts(targets, 2.0), forecasts(targets), targets, CONTRACT)
    assert "precipitation" not in found.own
    assert "precipitation" not in loss_by_output(found)
    assert set(found.own) == {spec.name for spec in CONTRACT.outputs} - {"precipitation"}


def test_losses_by_output_average_to_the_loss():
    one, other = pair(1.5, outputs=("temperature",)), pair(0.9, outputs=("wind",))
    both = Paired({**one.own, **other.own}, {**one.reference, **other.reference})
    assert loss_by_output(both) == pytest.approx({"temperature": 50.0, "wind": -10.0})
    assert loss_percent(both) == pytest.approx(20.0)
    assert loss_percent(both, outputs=("wind",)) == pytest.approx(-10.0)
    assert loss_percent(both, np.zeros((1, LEADS), bool)) is None


def test_each_station_has_its_own_loss():
    place = windows([4, 4, 4, 7, 7, 7, 7, 7], range(8))
    ratio = np.where(place.station == 4, 1.2, 1.0)[:, None]
    found = break_down(pair(ratio), by_station(place, [f"station {i}" for i in range(9)]))
    assert {name: (group["cases"], group["loss_percent"]) for name, group in found.items()} == {
        "station 4": (3, pytest.approx(20.0)),
        "station 7": (5, pytest.approx(0.0)),
    }
    assert found["station 4"]["scores"] == {"temperature": 2.4, "wind": 2.4}
    assert found["station 4"]["reference"] == {"temperature": 2.0, "wind": 2.0}
    assert worst_group(found) == ("station 4", pytest.approx(20.0))
    assert worst_group({}) is None


def test_leads_are_in_the_bucket_that_holds_them_and_in_no_other():
    ratio = np.ones((1, LEADS))
    ratio[:, :6] = 1.5
    found = break_down(pair(ratio), by_bucket(LEADS))
    assert {name: group["loss_percent"] for name, group in found.items()} == pytest.approx(
        {"1-6": 50.0, "7-12": 0.0, "13-24": 0.0, "25-48": 0.0}
    )
    assert sum(chosen.sum() for chosen in by_bucket(LEADS).values()) == LEADS


@pytest.mark.parametrize(
    ("date", "north", "south"),
    [
        ("2021-12-01", "winter", "summer"),
        ("2022-02-28", "winter", "summer"),
        ("2022-03-01", "spring", "autumn"),
        ("2022-07-15", "summer", "winter"),
        ("2022-11-30", "autumn", "spring"),
    ],
)
def test_seasons_are_those_of_the_place(date, north, south):
    for latitude, season in ((40.0, north), (-40.0, south)):
        groups = by_season(windows([0], [hour_of(date)], latitude))
        assert [name for name, chosen in groups.items() if chosen.all()] == [season]


def test_hours_that_one_of_both_cannot_be_scored_on_count_in_neither():
    targets = truth()
    outputs = forecasts(targets, 3.0)
    outputs["dew_point"][:2] = np.nan
    reference = forecasts(targets)
    reference["dew_point"][0] += 100.0
    found = pair_scores(outputs, reference, targets, CONTRACT)
    assert loss_by_output(found)["dew_point"] == pytest.approx(200.0, abs=1e-2)
