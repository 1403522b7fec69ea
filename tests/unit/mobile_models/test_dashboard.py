"""The console's first page: what is live, what goes on, what waits, what is wrong."""

import pytest
from django.urls import reverse

from mobile_models import alarms, services
from mobile_models.alarms import Alarm
from mobile_models.models import ReportCount
from tests.factories import make_user

pytestmark = pytest.mark.django_db


def dashboard(client):
    return client.get(reverse("admin:index")).content.decode()


@pytest.fixture
def staged(ready):
    services.start_rollout(release=ready(version="everyone"), channel="stable")
    plan = [{"basis_points": 10_000, "after_hours": 24}]
    return services.start_rollout(
        release=ready(version="staged"), channel="stable", basis_points=100, stages=plan
    )


def report(rollout, arm, outcome, count):
    ReportCount.objects.create(
        rollout=rollout, arm=arm, operation="infer", outcome=outcome, count=count, hour=rollout.started,
        platform="android",
    )  # fmt: skip


def test_it_shows_what_everyone_has_and_what_goes_on(admin_client, staged):
    shown = dashboard(admin_client)
    assert "everyone</a>" in shown
    assert "staged to stable" in shown
    assert "stage 1 of 2; 100 % in 23" in shown
    assert 'aria-valuetext="1 %"' in shown


def test_failures_of_the_exposed_stand_beside_their_control(admin_client, staged):
    for arm, failed in (("exposed", 40), ("control", 5)):
        report(staged, arm, "failed", failed)
        report(staged, arm, "ok", 1000 - failed)
        report(staged, arm, "deferred", 5000)
    shown = dashboard(admin_client)
    assert "4.00 %" in shown
    assert "0.50 %" in shown


def test_alarms_are_told_with_where_to_go(admin_client, monkeypatch):
    source = lambda: [Alarm("expiring key", "critical", "The root ends in 3 days.", "/admin/somewhere/")]  # noqa: E731
    monkeypatch.setattr(alarms, "SOURCES", [source])
    shown = dashboard(admin_client)
    assert "expiring key" in shown
    assert 'href="/admin/somewhere/"' in shown


def test_releases_in_review_wait_with_who_sent_them(admin_client, drafted):
    ada = make_user("ada", "releaser")
    release = drafted(version="candidate", by=ada)
    services.submit_release(release=release, by=ada)
    assert "submitted by ada" in dashboard(admin_client)


def test_it_shows_only_what_the_person_may_see(client, staged):
    client.force_login(make_user("nobody"))
    shown = dashboard(client)
    assert "staged to stable" not in shown
    assert "Last steps" not in shown


def test_it_costs_the_same_for_many_rollouts(admin_client, ready, django_assert_max_num_queries, monkeypatch):
    monkeypatch.setattr(alarms, "SOURCES", [])
    for number, platform in enumerate(("ios", "android", "linux")):
        rollout = services.start_rollout(
            release=ready(version=f"r{number}"),
            channel="stable",
            basis_points=100,
            conditions={"platforms": [platform]},
        )
        report(rollout, "exposed", "ok", 10)
    # Session, person and second factor; rollouts, their bundles, counts, health; channels; reviews; log.
    with django_assert_max_num_queries(11):
        dashboard(admin_client)
