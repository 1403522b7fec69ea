from datetime import UTC, date, datetime, timedelta

import pytest
from django.core.management import CommandError, call_command

from mobile_models.models import Release
from tests.weather import INIT, NOW
from weatherapp.forecasts import tasks
from weatherapp.forecasts.errors import NothingToForecast
from weatherapp.forecasts.models import DriftAlarm, ForecastRun, LeadScore, Verification
from weatherapp.forecasts.verification import selectors, services
from weatherapp.forecasts.verification.hindcast import hindcast
from weatherapp.observations.models import Observation

pytestmark = pytest.mark.django_db
TODAY = datetime(2026, 7, 20, 12, tzinfo=UTC)
LAST = date(2026, 7, 19)


@pytest.fixture
def release():
    return Release.objects.create(version="2026.07.04-1")


def score_days(release, *ratios, variable="temperature", paired=500):
    """One figure a day, the last of them on `LAST`."""
    LeadScore.objects.all().delete()
    LeadScore.objects.bulk_create(
        LeadScore(
            release=release,
            variable=variable,
            day=LAST - timedelta(days=len(ratios) - 1 - index),
            lead=1,
            n=paired,
            error=0.0,
            abs_error=paired * 1.0,
            squared_error=paired * 1.0,
            score=paired * ratio,
            paired=paired,
            paired_score=paired * ratio,
            reference_score=paired * 1.0,
        )
        for index, ratio in enumerate(ratios)
    )


STEADY = [0.5, 0.52, 0.49, 0.51] * 7


def test_a_variable_that_gets_worse_opens_one_alarm_which_closes_when_it_is_well_again(release, caplog):
    score_days(release, *STEADY, *[0.5] * 7)
    assert services.check_drift(now=TODAY) == []
    score_days(release, *STEADY, *[0.7] * 7)
    (alarm,) = services.check_drift(now=TODAY)
    assert (alarm.variable, alarm.opened, alarm.closed) == ("temperature", TODAY, None)
    assert alarm.recent == pytest.approx(0.7)
    assert "39 % worse" in str(alarm)
    assert "drift alarm: temperature" in caplog.text
    later = TODAY + timedelta(hours=1)
    (same,) = services.check_drift(now=later)
    assert (same.pk, same.opened, same.checked) == (alarm.pk, TODAY, later)
    score_days(release, *STEADY, *[0.5] * 7)
    assert services.check_drift(now=later) == []
    alarm.refresh_from_db()
    assert alarm.closed == later
    score_days(release, *STEADY, *[0.7] * 7)
    assert services.check_drift(now=later)[0].pk != alarm.pk


def test_a_sure_but_slight_change_is_no_alarm(release):
    score_days(release, *[value / 100 for value in (50.0, 50.01) * 14], *[0.51] * 7)
    assert services.check_drift(now=TODAY) == []


def test_days_with_few_pairs_and_the_day_that_is_not_over_do_not_count(release):
    score_days(release, *STEADY, *[0.7] * 7, paired=50)
    assert services.check_drift(now=TODAY) == []
    score_days(release, *STEADY, *[0.5] * 7)
    LeadScore.objects.filter(day=LAST).update(day=TODAY.date(), paired_score=1e9)
    assert services.check_drift(now=TODAY) == []
    assert selectors.last_whole_day(TODAY) == LAST
    assert selectors.last_whole_day(datetime(2026, 7, 20, 1, tzinfo=UTC)) == date(2026, 7, 18)


def test_closed_alarms_are_forgotten_in_time(settings):
    long_ago = TODAY - timedelta(days=settings.VERIFICATION_KEPT_DAYS + 8)
    figures = {"variable": "wind", "checked": long_ago, "statistic": 5, "recent": 2, "before": 1}
    DriftAlarm.objects.create(opened=long_ago, closed=long_ago, **figures)
    kept = DriftAlarm.objects.create(opened=long_ago, **figures)
    services.prune_scores(now=TODAY)
    assert list(DriftAlarm.objects.all()) == [kept]


def said(share, text):
    assert 0 <= share <= 1
    assert text


def test_hindcasts_score_the_live_release_at_once_and_leave_no_run(live):
    counted = hindcast(days=3, every=12, now=NOW, progress=said)
    rows = list(Verification.objects.order_by("init_time"))
    assert counted == sum(row.leads for row in rows)
    assert [row.leads for row in rows] == [48, 48, 46, 34, 22, 10]
    assert all(row.hindcast and row.replay and row.release == live for row in rows)
    assert not ForecastRun.objects.exists()
    assert LeadScore.objects.filter(variable="temperature", lead=48).exists()
    assert hindcast(days=3, every=12, now=NOW, progress=said) == 0


def test_a_hindcast_leaves_hours_that_were_forecast_to_their_run(live, run):
    ForecastRun.objects.update(release=live, init_time=INIT - timedelta(hours=24))
    hindcast(days=2, every=24, now=NOW, progress=said)
    assert INIT - timedelta(hours=24) not in set(Verification.objects.values_list("init_time", flat=True))


def test_a_hindcast_killed_half_way_goes_on(live, monkeypatch):
    def dies(*_args):
        raise KeyboardInterrupt

    monkeypatch.setattr("weatherapp.forecasts.verification.hindcast.HINDCASTS_AT_ONCE", 2)
    with monkeypatch.context() as patch:
        patch.setattr("weatherapp.forecasts.verification.counting._write", dies)
        with pytest.raises(KeyboardInterrupt):
            hindcast(days=2, every=12, now=NOW, progress=said)
    assert not Verification.objects.exists()
    assert hindcast(days=2, every=12, now=NOW, progress=said) == 46 + 34 + 22 + 10


def test_without_reports_a_hindcast_says_what_to_do(live, settings):
    settings.REPLAY_FEED = False
    with pytest.raises(NothingToForecast, match=r"manage\.py ingest"):
        hindcast(days=2, every=12, now=NOW, progress=said)


def test_the_command_counts_and_names_alarms(live, monkeypatch, capsys):
    monkeypatch.setattr("django.utils.timezone.now", lambda: NOW)
    call_command("verify_forecasts", hindcast=2, every=24)
    assert "68 hours of forecasts counted; 0 drift alarms open" in capsys.readouterr().out
    figures = {"checked": NOW, "statistic": 5, "recent": 1.2, "before": 1}
    DriftAlarm.objects.create(variable="wind", opened=NOW, **figures)
    call_command("verify_forecasts")
    assert "wind is forecast 20 % worse" in capsys.readouterr().out


@pytest.mark.parametrize("days", ["0", "366", "-1", "week", "²"])
def test_the_command_refuses_a_span_that_makes_no_sense(days):
    with pytest.raises(CommandError, match="allowed: 1 to 365"):
        call_command("verify_forecasts", f"--hindcast={days}")


def test_the_command_fails_with_a_sentence_without_a_release(db):
    with pytest.raises(CommandError, match=r"[Cc]hannel") as caught:
        call_command("verify_forecasts", hindcast=2)
    assert caught.value.returncode == 2


def test_the_task_counts_what_is_due(run, monkeypatch):
    monkeypatch.setattr("django.utils.timezone.now", lambda: INIT + timedelta(hours=60))
    tasks.verify_runs()
    tasks.verify_runs()
    assert Verification.objects.get().leads == 48
    assert Observation.objects.exists()
