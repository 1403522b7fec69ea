import json
import subprocess
import sys

import numpy as np
import pytest

from bench.personal import comfort_errors
from weatherapp.core.personal import comfort
from weatherapp.core.personal.comfort import ComfortState, average_vote, feels_like, utci_of_vote, vote
from weatherapp.core.personal.errors import ReportInvalid, StateInvalid
from weatherapp.core.personal.radiation import (
    diffuse_share,
    global_radiation,
    mean_radiant_temperature,
    sky_emissivity,
)
from weatherapp.core.personal.universal_index import universal_index


def index(temperature=20.0, dew_point=10.0, wind=2.0, cloud=1.0, sun=-1.0):
    values = (np.array([value]) for value in (temperature, dew_point, wind, cloud, sun))
    return float(comfort.utci(*values)[0])


def votes(offset, slope, indices, state=None):
    """The state of somebody who votes without whim."""
    state = state or comfort.start()
    for value in indices:
        felt = np.clip(round(offset + slope * float(average_vote(value))), -3, 3)
        state = vote(state, utci=float(value), vote=int(felt))
    return state


# Made with the compiled function of pythermalcomfort 4.8.1, which these equal to the last bit; the first two
# are in its documentation, rounded. Columns: air, radiant temperature, wind, humidity in %, index.
COMPILED = [
    (25.0, 25.0, 1.0, 50.0, 24.61212626034633),
    (40.0, 25.0, 1.0, 50.0, 40.43875444054922),
    (-30.0, -45.0, 12.0, 80.0, -62.25086817686452),
    (0.0, -8.0, 0.5, 95.0, -1.5299080204823592),
    (33.5, 61.0, 3.7, 61.0, 39.86067672049385),
    (12.0, 40.0, 16.5, 20.0, -8.15161390775389),
]


@pytest.mark.parametrize(("tdb", "tr", "v", "rh", "index"), COMPILED)
def test_the_index_is_that_of_the_package(tdb, tr, v, rh, index):
    assert universal_index()(tdb=tdb, tr=tr, v=v, rh=rh, round_output=False).utci == pytest.approx(
        index, abs=1e-9
    )


def test_the_index_is_of_this_weather():
    radiant = mean_radiant_temperature(*(np.array([v]) for v in (20.0, 10.0, 1.0, -1.0)))
    humidity = 100 * 6.1094 * np.exp(17.625 * 10 / 253.04) / (6.1094 * np.exp(17.625 * 20 / 263.04))
    expected = universal_index()(tdb=20.0, tr=radiant[0], v=2.0, rh=humidity, round_output=False).utci
    assert index() == pytest.approx(float(expected), abs=1e-6)


def test_the_index_needs_no_compiler():
    """A compiler would let the first person of a new process wait for half a minute."""
    code = (
        "import sys, numpy as np\n"
        "from weatherapp.core.personal import comfort\n"
        "value = comfort.utci(*(np.array([v]) for v in (20.0, 10.0, 2.0, 0.5, 0.5)))\n"
        "print(np.isfinite(value).all(), 'numba' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.split() == ["True", "False"]


def test_without_the_package_the_index_says_what_is_missing(monkeypatch):
    monkeypatch.setattr("weatherapp.core.personal.universal_index.PACKAGE", "no_such_package")
    with pytest.raises(ModuleNotFoundError, match=r"no_such_package.*not installed.*requirements-web\.txt"):
        universal_index.__wrapped__()


def test_sun_warms_wind_cools_and_damp_heat_is_worse():
    assert index(cloud=0, sun=0.8) > index(cloud=1, sun=0.8) + 4
    assert index(cloud=0, sun=-0.5) < index(cloud=1, sun=-0.5)  # a clear night radiates
    assert (
        index(temperature=0.0, dew_point=-5, wind=10.0) < index(temperature=0.0, dew_point=-5, wind=1.0) - 8
    )
    assert index(temperature=33.0, dew_point=26.0) > index(temperature=33.0, dew_point=10.0) + 2


def test_calm_air_counts_as_the_walk_of_the_reference_person():
    assert index(wind=0.0) == index(wind=0.5)


@pytest.mark.parametrize(
    "outside",
    [
        {"temperature": 51.0},
        {"temperature": -51.0, "dew_point": -55.0},
        {"wind": 17.5},
        {"wind": -1.0},
        {"temperature": 45.0, "dew_point": 36.0},
        {"temperature": np.nan},
        {"cloud": np.nan},
    ],
)
def test_outside_its_limits_there_is_no_index(outside):
    assert np.isnan(index(**outside))


def test_no_hours_have_no_index():
    empty = np.empty(0)
    assert comfort.utci(empty, empty, empty, empty, empty).shape == (0,)


def test_radiation_is_of_the_right_size():
    """Published figures: about 1000 W/m² under a high sun, a quarter of it under overcast."""
    clear, overcast, night = global_radiation(np.array([1.0, 1.0, -0.1]), np.array([0.0, 1.0, 0.0]))
    assert clear == pytest.approx(1037, abs=2)
    assert overcast == pytest.approx(0.25 * clear)
    assert night == 0
    share = diffuse_share(np.array([1000.0, 200.0]), np.array([0.95, 0.8]))
    assert share[0] < 0.3
    assert share[1] > 0.9
    emissivity = sky_emissivity(np.array([20.0, 20.0]), np.array([10.0, 10.0]), np.array([0.0, 1.0]))
    assert 0.75 < emissivity[0] < 0.87
    assert emissivity[1] > 0.95


def test_mean_radiant_temperature_by_night_and_day():
    night, noon, low_sun = mean_radiant_temperature(
        np.full(3, 20.0), np.full(3, 10.0), np.zeros(3), np.array([-0.5, 0.9, 0.2])
    )
    assert 8 < night < 18  # the sky is colder than the air
    assert 45 < noon < 65
    assert low_sun > night + 10


def test_an_average_person_feels_the_index_itself():
    values = np.array([-25.0, -5, 4, 17.5, 25, 33, 45])
    felt = feels_like(comfort.start(), values)
    np.testing.assert_allclose(felt.value, values)
    assert (felt.spread > 3).all()
    np.testing.assert_allclose(utci_of_vote(average_vote(values)), values)


def test_somebody_who_is_often_cold_feels_colder():
    state = votes(-1.0, 1.0, np.linspace(-5, 35, 20))
    felt = feels_like(state, np.array([10.0, 20.0]))
    assert (felt.value < np.array([10.0, 20.0]) - 5).all()
    assert comfort.comfort_temperature(state) == pytest.approx(26, abs=2)


def test_the_slope_is_learned_too():
    keen = votes(0.0, 1.6, np.tile([-5.0, 5, 17.5, 28, 33], 8))
    assert keen.mean[1] > 1.25
    assert feels_like(keen, np.array([30.0])).value[0] > 31


def test_more_votes_mean_less_doubt():
    spreads = [
        float(feels_like(votes(0, 1, np.tile([5.0, 15, 25, 32], n)), np.array([18.0])).spread[0])
        for n in (0, 1, 5, 10)
    ]
    assert spreads == sorted(spreads, reverse=True)
    assert spreads[-1] < spreads[0] / 3


def test_one_odd_vote_moves_little():
    state = votes(0, 1, np.tile([5.0, 15, 25, 32], 5))
    odd = vote(state, utci=17.5, vote=3)
    assert abs(comfort.comfort_temperature(odd) - comfort.comfort_temperature(state)) < 1.5


def test_a_vote_at_the_end_of_the_scale_says_nothing_against_more():
    hot = votes(1.5, 1.2, np.tile([20.0, 28.0, 33.0], 5))
    assert vote(hot, utci=45.0, vote=3).mean == hot.mean
    assert vote(hot, utci=45.0, vote=3).votes == hot.votes + 1


@pytest.mark.parametrize(("whim", "limit"), [(0.5, 1.0), (0.7, 1.2)])
def test_twenty_votes_find_the_comfort_temperature(whim, limit):
    before = np.median(comfort_errors(people=150, votes=0, whim=whim, seed=3))
    after = np.median(comfort_errors(people=150, votes=20, whim=whim, seed=3))
    assert before > 4
    assert after < limit


@pytest.mark.parametrize(("value", "said"), [(20.0, 4), (20.0, -4), (float("nan"), 0), (80.0, 0)])
def test_votes_that_are_none_are_refused(value, said):
    with pytest.raises(ReportInvalid, match="−3 … 3"):
        vote(comfort.start(), utci=value, vote=said)


def test_the_state_survives_json():
    state = votes(0.5, 1.1, [0.0, 10, 20, 30])
    assert ComfortState.from_dict(json.loads(json.dumps(state.to_dict()))) == state


@pytest.mark.parametrize(
    "change",
    [
        {"mean": [0.0]},
        {"mean": [float("inf"), 1.0]},
        {"covariance": [1.0, 2.0, 2.0, 1.0]},
        {"covariance": "sure"},
        {"votes": -1},
        {"votes": None},
    ],
)
def test_nonsense_is_no_state(change):
    with pytest.raises(StateInvalid):
        ComfortState.from_dict({**comfort.start().to_dict(), **change})
    with pytest.raises(StateInvalid, match="KeyError"):
        ComfortState.from_dict({})


def test_hours_get_quantiles_that_are_in_order(make_hours):
    hours = make_hours(temperature=np.linspace(-8, 36, 48)[:, None] + np.linspace(-4, 4, 7))
    anybody = comfort.hours_utci(hours)
    assert anybody.shape == (48, 7)
    assert (np.diff(anybody, axis=1) >= 0).all()
    somebody = comfort.hours_utci(hours, votes(-1, 1, np.linspace(0, 35, 20)))
    assert (somebody < anybody).all()
    assert hours.with_feels_like(somebody).feels_like is not None
