"""What halts a rollout, what holds it, and what neither."""

from datetime import timedelta
from itertools import count

import pytest
from django.utils import timezone

from mobile_models import alarms
from mobile_models.health import alarms as health_alarms
from mobile_models.health import services as health
from mobile_models.models import HealthCount, ReportToken, Rollout, RolloutHealth, TokenClaim
from tests.reporting import staged

pytestmark = pytest.mark.django_db
NUMBERS = count()
CELLS = 8


@pytest.fixture(autouse=True)
def halted(monkeypatch):
    """Halts are noted and taken, without what a real one needs around it."""
    found = []

    def halt(*, rollout, reason, roll_back):
        found.append((rollout.pk, reason, roll_back))
        Rollout.objects.filter(pk=rollout.pk).update(state=Rollout.State.HALTED)

    monkeypatch.setattr("mobile_models.services.halt_rollout", halt)
    return found


def report(rollout, arm, devices, *, failed=0, metric="crash", cells=CELLS, perf_class="mid", value=None):
    """Devices spread over cells; the failures too."""
    for cell in range(cells):
        number = devices // cells + (cell < devices % cells)
        bad = failed // cells + (cell < failed % cells)
        total, squares = (bad, bad) if value is None else (number * value, number * (value**2 + 0.01))
        row, _ = HealthCount.objects.get_or_create(
            rollout=rollout,
            metric=metric,
            arm=arm,
            platform="ios",
            perf_class=perf_class,
            cell=f"N{cell + 20}W100",
        )
        row.count, row.total, row.squares = row.count + number, row.total + total, row.squares + squares
        row.save()


def claim(rollout, exposed, control):
    """Tokens that said which side they are on."""
    expires = timezone.now() + timedelta(days=1)
    tokens = ReportToken.objects.bulk_create(
        ReportToken(token_hash=f"{next(NUMBERS):064x}", expires=expires, hour=expires)
        for _ in range(exposed + control)
    )
    TokenClaim.objects.bulk_create(
        TokenClaim(
            token=token,
            rollout=rollout,
            arm="exposed" if index < exposed else "control",
            share=rollout.basis_points,
            window=1,
        )
        for index, token in enumerate(tokens)
    )


def look(rollout):
    return health.evaluate_rollout(rollout=rollout, now=timezone.now(), even_early=True)


def test_a_release_that_crashes_is_halted_with_the_figures_in_the_reason(halted):
    rollout = staged(500)
    claim(rollout, 100, 1900)
    report(rollout, "exposed", 100, failed=60)
    report(rollout, "control", 1900, failed=4)
    assert look(rollout)
    assert halted[0][2] is True
    assert "60 of 100 exposed devices crashed, 4 of 1900 of the control" in halted[0][1]


def test_a_halt_rolls_back_only_where_the_rollout_says_so(halted):
    rollout = staged(500, roll_back_on_halt=False)
    claim(rollout, 100, 1900)
    report(rollout, "exposed", 100, failed=60)
    report(rollout, "control", 1900, failed=4)
    look(rollout)
    assert halted[0][2] is False


def test_what_hits_both_sides_halts_nothing(halted):
    rollout = staged()
    claim(rollout, 500, 500)
    for _ in range(5):
        report(rollout, "exposed", 500, failed=300)
        report(rollout, "control", 500, failed=300)
        assert not look(rollout)
    assert not halted


def test_reports_are_folded_once(halted):
    rollout = staged(500)
    report(rollout, "exposed", 100, failed=2)
    report(rollout, "control", 1900, failed=2)
    look(rollout)
    first = RolloutHealth.objects.get(rollout=rollout, metric="crash", group="").evidence
    assert first > 1
    for _ in range(5):
        look(rollout)
    assert RolloutHealth.objects.get(rollout=rollout, metric="crash", group="").evidence == first


def test_a_window_is_waited_for(halted, settings):
    settings.REPORT_WINDOW_MINUTES = 60
    rollout = staged(500)
    now = timezone.now()
    health.evaluate_rollouts(now=now)
    claim(rollout, 100, 1900)
    report(rollout, "exposed", 100, failed=60)
    report(rollout, "control", 1900, failed=4)
    assert health.evaluate_rollouts(now=now + timedelta(minutes=59)) == []
    assert health.evaluate_rollouts(now=now + timedelta(minutes=60)) == [rollout]


@pytest.mark.parametrize("perf_class", ["low", "high"])
def test_worse_forecasts_on_one_class_are_found(halted, perf_class):
    rollout = staged(500)
    claim(rollout, 80, 1920)
    for window in range(4):
        for name in ("low", "mid", "high"):
            worse = 0.095 if name == perf_class and window else 0.0
            report(rollout, "control", 400, metric="skill", perf_class=name, value=0.3)
            report(rollout, "exposed", 40, metric="skill", perf_class=name, value=0.3 + worse)
        look(rollout)
    assert f"forecast error of {perf_class} devices is +" in halted[0][1]


def test_one_cell_alone_halts_nothing_but_an_alarm_tells(halted):
    rollout = staged(500)
    claim(rollout, 100, 1900)
    report(rollout, "exposed", 95)
    report(rollout, "exposed", 60, failed=60, cells=1)
    report(rollout, "control", 1900, failed=4)
    assert not look(rollout)
    assert [alarm.kind for alarm in health_alarms.doubtful_rollouts()] == ["unproven fault"]


def test_a_handful_of_devices_halts_nothing(halted):
    rollout = staged(500)
    claim(rollout, 100, 1900)
    report(rollout, "exposed", 100, failed=4)
    report(rollout, "control", 1900)
    assert not look(rollout)


def test_forged_failures_from_one_device_in_a_hundred_halt_nothing_and_raise_an_alarm(halted):
    rollout = staged(100)
    claim(rollout, 60, 2970)
    report(rollout, "exposed", 60, failed=30)
    report(rollout, "control", 2970, failed=3)
    assert not look(rollout)
    assert not health.is_healthy(rollout)
    kinds = {(alarm.kind, alarm.severity) for alarm in alarms.current()}
    assert ("sample ratio mismatch", "critical") in kinds


def test_what_forgers_left_behind_is_forgotten(halted):
    rollout = staged(100)
    claim(rollout, 24, 1176)
    report(rollout, "exposed", 24, failed=12)
    report(rollout, "control", 1176, failed=1)
    assert not look(rollout)  # too early to tell forgers from chance
    claim(rollout, 100, 0)
    look(rollout)  # now it shows
    assert RolloutHealth.objects.get(rollout=rollout, metric="crash", group="").evidence == 1


def test_forged_successes_do_not_let_a_faulty_release_go_on(halted):
    rollout = staged(100)
    claim(rollout, 60, 2970)
    report(rollout, "exposed", 60, failed=1)
    report(rollout, "control", 2970, failed=3)
    look(rollout)
    assert not health.is_healthy(rollout)


def healthy_rollout(basis_points=500, exposed=60, control=1140, next_share=900):
    stages = [{"basis_points": next_share, "after_hours": 24, "if_healthy": True}]
    rollout = staged(basis_points, stages=stages)
    claim(rollout, exposed, control)
    report(rollout, "exposed", exposed)
    report(rollout, "control", control, failed=1)
    return rollout


def test_enough_reports_without_a_fault_are_healthy(halted):
    rollout = healthy_rollout()
    assert not health.is_healthy(rollout)
    look(rollout)
    assert health.is_healthy(rollout)


def test_too_few_reports_are_not_healthy(halted):
    rollout = healthy_rollout(exposed=49, control=931)
    look(rollout)
    assert not health.is_healthy(rollout)


def test_reports_of_another_share_are_not_enough_for_this_one(halted):
    rollout = healthy_rollout()
    look(rollout)
    Rollout.objects.filter(pk=rollout.pk).update(basis_points=1000)
    rollout.refresh_from_db()
    assert not health.is_healthy(rollout)


@pytest.mark.parametrize(
    ("devices", "reports", "crashed", "next_share", "goes_on"),
    [
        (500, 1500, 2, 1000, True),
        (500, 1500, 10, 1000, False),
        (500, 1500, 10, 900, True),  # not yet to many
        (500, 0, 0, 1000, False),  # as before the first look
        (60, 180, 0, 1000, False),  # of so few devices none says little
        (60, 18_000, 0, 1000, False),  # however often they report
        (60, 180, 0, 10_000, False),
    ],
)
def test_before_a_large_share_it_must_be_shown_that_few_devices_crash(
    halted, devices, reports, crashed, next_share, goes_on
):
    rollout = healthy_rollout(exposed=devices, control=19 * devices, next_share=next_share)
    report(rollout, "exposed", reports, failed=crashed, metric="crashes")
    report(rollout, "control", 19 * 1500, failed=46, metric="crashes")
    assert not look(rollout)
    assert health.is_healthy(rollout) is goes_on


@pytest.mark.parametrize(("failed", "goes_on"), [(4, True), (6, False)])
def test_a_suspect_figure_holds_the_rollout_once_enough_devices_stand_behind_it(halted, failed, goes_on):
    rollout = healthy_rollout(exposed=60, control=1140)
    report(rollout, "exposed", failed, failed=failed)
    assert not look(rollout)
    assert RolloutHealth.objects.filter(rollout=rollout, decision="suspect").exists()
    assert health.is_healthy(rollout) is goes_on


def test_exposed_devices_that_fall_silent_hold_the_rollout(halted):
    rollout = staged(5000)
    claim(rollout, 60, 1000)
    report(rollout, "exposed", 60)
    report(rollout, "control", 1000)
    look(rollout)
    assert not health.is_healthy(rollout)
    assert [alarm.severity for alarm in health_alarms.doubtful_rollouts()] == ["warning"]


def test_a_look_costs_the_same_however_many_devices_reported(halted, django_assert_max_num_queries):
    rollout = healthy_rollout()
    look(rollout)
    report(rollout, "exposed", 60)
    report(rollout, "control", 1000)
    with django_assert_max_num_queries(24):
        look(rollout)


@pytest.mark.parametrize(
    ("crashes", "failed", "reports", "halts"),
    [
        (66, 19, 5200, True),
        # As often as the control's; by fewer devices than a halt takes; too early to know.
        (9, 19, 5200, False),
        (66, 4, 5200, False),
        (66, 19, 2400, False),
    ],
)
def test_devices_that_crash_again_and_again_halt_a_rollout_that_is_held(
    halted, crashes, failed, reports, halts
):
    rollout = staged(500)
    claim(rollout, 488, 9512)
    report(rollout, "exposed", 5200, failed=failed)
    report(rollout, "control", 117_000, failed=163)
    report(rollout, "exposed", reports, failed=crashes, metric="crashes")
    report(rollout, "control", 118_000, failed=167, metric="crashes")
    assert look(rollout) is halts
    assert bool(halted) is halts
    if halts:
        assert "in 66 of 5200 reports; the control in 167 of 118000" in halted[0][1]


def test_devices_of_one_place_that_crash_again_and_again_halt_nothing(halted):
    rollout = staged(500)
    claim(rollout, 488, 9512)
    report(rollout, "exposed", 5200)
    report(rollout, "exposed", 0, failed=19, cells=1)
    report(rollout, "control", 117_000, failed=163)
    report(rollout, "exposed", 5200, failed=66, metric="crashes", cells=1)
    report(rollout, "control", 118_000, failed=167, metric="crashes")
    assert not look(rollout)
    assert not halted
