from datetime import timedelta

import pytest
from django.utils.timezone import now

from mobile_models import alarms, services
from mobile_models.models import Rollout
from weatherapp.forecasts.models import DriftAlarm

pytestmark = pytest.mark.django_db


@pytest.fixture
def staged(ready):
    return services.start_rollout(release=ready(), channel="stable", basis_points=500)


def stalled():
    return list(alarms.stalled_rollouts())


def aged(rollout, **fields):
    Rollout.objects.filter(pk=rollout.pk).update(**fields)


def test_a_rollout_that_was_forgotten_at_a_share_raises_an_alarm(staged):
    aged(staged, state_changed_at=now() - timedelta(hours=71))
    assert stalled() == []
    aged(staged, state_changed_at=now() - timedelta(hours=73))
    (alarm,) = stalled()
    assert (alarm.kind, alarm.severity) == ("stalled rollout", "warning")
    assert "to 5 % of stable is active since" in alarm.text
    assert alarm.url.endswith(f"/rollout/{staged.pk}/change/")


def test_how_long_a_rollout_may_stand_still_is_a_setting(staged, settings):
    settings.ROLLOUT_STALLED_HOURS = 1
    aged(staged, state_changed_at=now() - timedelta(hours=2))
    assert len(stalled()) == 1


def test_a_pause_that_goes_on_raises_an_alarm(staged):
    services.pause_rollout(rollout=staged)
    aged(staged, state_changed_at=now() - timedelta(hours=73), next_stage_at=now())
    assert "is paused since" in stalled()[0].text


def test_a_stage_that_waits_for_health_raises_an_alarm(staged):
    aged(staged, next_stage_at=now() - timedelta(minutes=9))
    assert stalled() == []
    aged(staged, next_stage_at=now() - timedelta(minutes=11))
    assert "it is not known to be healthy" in stalled()[0].text


def test_a_rollout_that_did_not_begin_raises_an_alarm(ready):
    later = now() + timedelta(hours=1)
    rollout = services.start_rollout(release=ready(), channel="stable", starts_at=later)
    assert stalled() == []
    aged(rollout, starts_at=now() - timedelta(minutes=11))
    assert "should have begun at" in stalled()[0].text


@pytest.mark.parametrize("state", ["halted", "complete", "rolled_back"])
def test_what_is_over_raises_none(staged, state):
    aged(staged, state=state, state_changed_at=now() - timedelta(days=30))
    assert stalled() == []


def test_what_everyone_has_may_stay_as_long_as_it_likes(ready):
    rollout = services.start_rollout(release=ready(), channel="stable")
    aged(rollout, state_changed_at=now() - timedelta(days=30))
    assert stalled() == []


def test_drift_of_the_forecasts_is_one_of_the_alarms():
    DriftAlarm.objects.create(
        variable="temperature", opened=now(), checked=now(), statistic=6.0, recent=1.2, before=1.0
    )
    (drift,) = [alarm for alarm in alarms.current() if alarm.kind == "skill drift"]
    assert "temperature is forecast 20 % worse against its reference than before" in drift.text


def test_critical_alarms_come_first_and_a_source_is_asked_once(monkeypatch):
    monkeypatch.setattr(alarms, "SOURCES", [])

    def source():
        yield alarms.Alarm("b", "warning", "late")
        yield alarms.Alarm("c", "critical", "now")

    alarms.register(source)
    alarms.register(source)
    assert [alarm.kind for alarm in alarms.current()] == ["c", "b"]


def test_a_server_whose_own_model_was_revoked_raises_an_alarm(ready):
    assert list(alarms.server_without_model()) == [], "nothing is live"
    release = ready()
    services.start_rollout(release=release, channel="stable")
    assert list(alarms.server_without_model()) == []
    services.revoke_bundle(bundle=release.bundles.get(variant="server_fp32"), reason="wrong units")
    (alarm,) = alarms.server_without_model()
    assert (alarm.kind, alarm.severity) == ("no forecasts", "critical")
    assert f"Release {release} has no verified server_fp32 bundle" in alarm.text
    assert alarm.url.endswith(f"/release/{release.pk}/change/")
