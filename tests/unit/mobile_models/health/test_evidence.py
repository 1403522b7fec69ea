"""E-values bet fairly: no gain where nothing is wrong, growth where something is."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import poisson

from mobile_models.health.evidence import (
    ODDS,
    Failures,
    Measured,
    _least_share,
    clumped_chance,
    combined,
    e_value,
    failure_bets,
    fault_likelihood,
    forgery_ruled_out,
    ratio_evidence,
    share_bets,
    shift_bets,
    stands_without_top_cell,
)
from mobile_models.health.figures import WEIGHTS, WRONGLY_WIDENED

TOLERANCE = 1.25


def weighted_odds(exposed, control, failed, odds):
    """All splits of the failures between the arms with their probabilities at these odds."""
    from math import comb

    splits = range(max(0, failed - control), min(failed, exposed) + 1)
    weights = np.array([comb(exposed, x) * comb(control, failed - x) * odds**x for x in splits], float)
    return splits, weights / weights.sum()


@given(
    exposed=st.integers(1, 40),
    control=st.integers(1, 40),
    failed=st.integers(1, 20),
    odds=st.floats(0.05, TOLERANCE),
)
@settings(max_examples=60, deadline=None)
def test_no_bet_on_failures_gains_where_the_odds_are_tolerated(exposed, control, failed, odds):
    failed = min(failed, exposed + control)
    splits, chances = weighted_odds(exposed, control, failed, odds)
    gains = [
        np.exp(failure_bets([Failures(exposed, x, control, failed - x)], tolerance=TOLERANCE)) for x in splits
    ]
    assert np.all(chances @ np.array(gains) <= 1 + 1e-9)


@given(st.integers(0, 30), st.integers(0, 300), st.integers(0, 300), st.integers(0, 30))
@settings(max_examples=60, deadline=None)
def test_bets_on_failures_are_finite_whatever_the_table(failed, more, control, control_failed):
    table = Failures(failed + more, failed, control + control_failed, control_failed)
    assert np.isfinite(failure_bets([table], tolerance=TOLERANCE)).all()


def test_what_hits_both_sides_alike_is_no_evidence():
    outage = Failures(100, 90, 9900, 8910)
    assert e_value(failure_bets([outage] * 5, tolerance=TOLERANCE)) < 1
    assert e_value(failure_bets([Failures(100, 50, 0, 0)], tolerance=TOLERANCE)) == pytest.approx(1)


def test_two_percent_against_a_tenth_is_evidence_at_five_hundred_devices():
    assert e_value(failure_bets([Failures(500, 10, 9500, 10)], tolerance=TOLERANCE)) > 10_000


def test_the_order_of_windows_does_not_matter_and_their_evidence_multiplies():
    one, other = Failures(100, 2, 1000, 1), Failures(200, 3, 900, 2)
    together = failure_bets([one, other], tolerance=TOLERANCE)
    apart = failure_bets([other], tolerance=TOLERANCE) + failure_bets([one], tolerance=TOLERANCE)
    assert together == pytest.approx(apart)


@given(st.integers(1, 60), st.floats(0.0001, 0.01))
@settings(max_examples=40, deadline=None)
def test_no_bet_on_a_share_gains_where_it_is_allowed(count, rate):
    from math import comb

    chances = [comb(count, x) * rate**x * (1 - rate) ** (count - x) for x in range(count + 1)]
    gains = [np.exp(share_bets(x, count, allowed=0.01)) for x in range(count + 1)]
    assert np.all(np.array(chances) @ np.array(gains) <= 1 + 1e-9)


def test_a_mean_that_is_tolerably_higher_gains_nothing_and_a_higher_one_does():
    rng = np.random.default_rng(3)
    gains, found = [], []
    for _ in range(1500):
        exposed, control = rng.normal(0.02, 0.2, 20), rng.normal(0.0, 0.2, 60)
        gains.append(
            np.exp(shift_bets([(measured(exposed), measured(control))], variance=0.04, tolerance=0.02))
        )
        worse = measured(exposed + 0.2)
        found.append(e_value(shift_bets([(worse, measured(control))], variance=0.04, tolerance=0.02)))
    means, errors = np.mean(gains, axis=0), np.std(gains, axis=0) / np.sqrt(len(gains))
    assert np.all(means[:4] <= 1 + 4 * errors[:4])
    assert np.median(found) > 20


def measured(values):
    return Measured(len(values), float(values.sum()), float((values**2).sum()))


def test_a_stream_without_a_fault_rarely_ever_looks_bad():
    rng = np.random.default_rng(7)
    highest = []
    for _ in range(120):
        sums, top = np.zeros(len(ODDS)), 0.0
        for _ in range(60):
            table = Failures(50, rng.binomial(50, 0.01), 950, rng.binomial(950, 0.01))
            sums += failure_bets([table], tolerance=TOLERANCE)
            top = max(top, e_value(sums))
        highest.append(top)
    assert np.mean(np.array(highest) >= 20) <= 0.05


def test_tests_that_have_not_begun_are_paid_for():
    assert combined([]) == 1
    assert combined([(1 / 17, 1700.0)]) == pytest.approx((1700 + 16) / 17)
    assert sum(WEIGHTS.values()) == pytest.approx(1)


AFFECTED = 0.02


def test_the_likelihood_of_a_fault_is_that_of_all_numbers_of_affected_devices():
    from math import comb, exp, factorial

    reports, devices = Failures(30, 2, 4000, 12), 10
    usual = 30 * _least_share(12, 4000)
    poisson = [exp(-mean) * mean**2 / factorial(2) for mean in (usual + 3 * x for x in range(devices + 1))]
    chances = [comb(devices, x) * AFFECTED**x * (1 - AFFECTED) ** (devices - x) for x in range(devices + 1)]
    expected = sum(chance * likely for chance, likely in zip(chances, poisson, strict=True)) / poisson[0]
    assert fault_likelihood(reports, devices=devices, affected=AFFECTED) == pytest.approx(expected)


def test_nothing_is_shown_by_nobody_and_no_crash_is_excused_without_a_control():
    assert fault_likelihood(Failures(0, 0, 9000, 9), devices=0, affected=AFFECTED) == 1
    assert fault_likelihood(Failures(0, 0, 9000, 9), devices=500, affected=AFFECTED) == 1
    assert fault_likelihood(Failures(1000, 0, 0, 0), devices=500, affected=AFFECTED) < 0.001
    assert fault_likelihood(Failures(1000, 1, 0, 0), devices=500, affected=AFFECTED) > 1000
    assert fault_likelihood(Failures(10**6, 10**6, 1, 0), devices=500, affected=AFFECTED) < float("inf")


def test_reports_of_the_same_devices_again_tell_no_more_of_the_fleet_than_these_devices_can():
    never = [
        fault_likelihood(Failures(n, 0, 9000, 9), devices=100, affected=AFFECTED) for n in (10**3, 10**6)
    ]
    assert min(never) > (1 - AFFECTED) ** 100 * 0.999
    assert never[0] == pytest.approx(never[1], rel=1e-3)


def test_a_fault_on_two_percent_is_ruled_out_hardly_ever_however_often_one_looks():
    """Only few affected devices among the exposed ones can hide it: they are weighed by their chance."""
    from math import comb

    rng, devices, usual, tries, wrong = np.random.default_rng(13), 500, 0.0016, 100, 0.0
    for affected in range(5):
        ruled_out = 0
        for _ in range(tries):
            crashed = np.cumsum(affected + rng.binomial(devices, usual, 20))
            control = np.cumsum(rng.binomial(9500, usual, 20))
            ruled_out += any(
                fault_likelihood(
                    Failures(devices * (n + 1), crashed[n], 9500 * (n + 1), control[n]),
                    devices=devices,
                    affected=AFFECTED,
                )
                <= WRONGLY_WIDENED
                for n in range(20)
            )
        chance = comb(devices, affected) * AFFECTED**affected * (1 - AFFECTED) ** (devices - affected)
        wrong += chance * ruled_out / tries
    assert 0 < wrong <= WRONGLY_WIDENED


def test_a_fault_is_ruled_out_within_days_where_there_is_none():
    rng, devices, usual = np.random.default_rng(17), 500, 0.0016
    rounds = []
    for _ in range(100):
        crashed = np.cumsum(rng.binomial(devices, usual, 20))
        likely = [
            fault_likelihood(
                Failures(devices * n, crashed[n - 1], 10**6, 1600), devices=devices, affected=AFFECTED
            )
            for n in range(1, 21)
        ]
        rounds.append(next((n for n, one in enumerate(likely, 1) if one <= WRONGLY_WIDENED), 99))
    assert np.median(rounds) <= 3
    assert np.quantile(rounds, 0.95) <= 10


@given(st.integers(10, 5000), st.floats(0.01, 0.9))
@settings(max_examples=50, deadline=None)
def test_the_usual_number_of_exposed_devices_is_no_mismatch(count, share):
    many, few = ratio_evidence(round(count * share), count, share)
    assert max(many, few) < 10


def test_forgers_who_all_say_that_they_are_exposed_show():
    assert ratio_evidence(200, 10_000, 0.01)[0] > 1e6
    assert ratio_evidence(40, 10_000, 0.01)[1] > 1000
    assert ratio_evidence(500, 500, 1.0) == (1.0, 1.0)


@pytest.mark.parametrize(
    ("exposed", "count", "share", "needed", "forged", "ruled_out"),
    [
        (100, 10_000, 0.01, 5, 0.01, True),  # forgers would make it 200
        (200, 10_000, 0.01, 100, 0.01, False),
        (500, 10_000, 0.05, 100, 0.01, True),
        (560, 10_000, 0.05, 100, 0.01, False),  # between chance and forgers
        (600, 10_000, 0.05, 12, 0.01, True),  # so few failures are not a hundred forgers'
        (10_000, 10_000, 1.0, 100, 0.01, False),
        (24, 1200, 0.01, 12, 0.01, False),  # early: as many as chance and forgers could be
        (12, 600, 0.01, 6, 0.01, False),
        (500, 1000, 0.5, 100, 0.01, True),  # more failures than forgers
        (500, 1000, 0.5, 5, 0.01, False),
        (500, 1000, 0.5, 5, 0.0, True),
    ],
)
def test_forgers_are_ruled_out_by_their_number_or_by_the_ratio(
    exposed, count, share, needed, forged, ruled_out
):
    found = forgery_ruled_out(
        exposed=exposed, count=count, share=share, needed=needed, suspects=needed, forged=forged
    )
    assert found is ruled_out


def test_a_share_of_forgers_passes_for_a_fault_hardly_ever_however_often_one_looks():
    rng = np.random.default_rng(11)
    passed = 0
    for _ in range(300):
        exposed = np.cumsum(rng.binomial(800, 0.0199, 12))
        failed = np.cumsum(rng.binomial(800, 0.01, 12))
        passed += any(
            failed[hour] >= 5
            and forgery_ruled_out(
                exposed=exposed[hour],
                count=800 * (hour + 1),
                share=0.01,
                needed=failed[hour] / 4,  # of one class
                suspects=failed[hour],
                forged=0.01,
            )
            for hour in range(12)
        )
    assert passed <= 6


def test_one_cell_cannot_decide_alone_unless_the_fleet_lives_there():
    assert not stands_without_top_cell({"A": (9.0, 10), "B": (1.0, 10), "C": (0.0, 10)})
    assert stands_without_top_cell({"A": (5.0, 10), "B": (3.0, 10), "C": (2.0, 10)})
    assert stands_without_top_cell({"A": (9.0, 30), "B": (1.0, 10)})
    assert not stands_without_top_cell({"A": (-1.0, 10)})
    assert not stands_without_top_cell({})


@pytest.mark.parametrize(("failed", "control"), [(66, 167), (110, 1300), (5, 167), (0, 0)])
def test_clumped_crashes_are_as_likely_as_so_many_devices_that_always_crash(failed, control):
    reports = Failures(5368, failed, 118_000, control)  # 11 of each of 488 devices
    usual = 488 * (control + 1) / 118_001
    wanted = poisson.sf(failed // 11 - 1, usual)
    assert clumped_chance(reports, devices=488) == pytest.approx(wanted, abs=1e-12)


def test_nothing_reported_is_no_sign_of_devices_that_crash_again():
    assert clumped_chance(Failures(0, 0, 100, 0), devices=10) == 1.0
    assert clumped_chance(Failures(10, 10, 100, 0), devices=0) == 1.0
