"""Alarms before phones notice, and production that does not start with keys that guard nothing."""

from datetime import timedelta

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.utils.timezone import now

from mobile_models import alarms
from mobile_models.models import Channel, Metadata, Rollout
from mobile_models.signing import checks, services, watch
from tests.repositories import bundle_row, release_row


def kinds():
    return {(alarm.kind, alarm.severity) for alarm in watch.alarms()}


def expire(role, **left):
    Metadata.objects.filter(role=role).update(expires=now() + timedelta(**left))


def test_nothing_is_wrong_with_a_new_repository_or_with_none(held):
    assert watch.alarms in alarms.SOURCES
    assert kinds() == set()
    Metadata.objects.all().delete()
    assert kinds() == set()


@pytest.mark.parametrize(
    ("role", "left", "severity"),
    [
        ("ios", {"days": 23}, None),
        ("ios", {"days": 22}, "warning"),
        ("ios", {"days": 5}, "critical"),
        ("root", {"days": -1}, "critical"),
        ("timestamp", {"hours": 7}, None),
        ("timestamp", {"hours": 5}, "warning"),
    ],
)
def test_metadata_that_runs_out_is_an_alarm(held, role, left, severity):
    expire(role, **left)
    assert kinds() == ({("expiring metadata", severity)} if severity else set())
    for alarm in watch.alarms():
        assert role in alarm.text
        assert ("keys renew" in alarm.text) == (role in {"root", "ios"})


def test_what_is_offered_but_not_published_is_an_alarm(held):
    release = release_row("2026.1.1-1", bundle_row(1))
    services.sign_release(release=release, signers=[file.signer for file in held[:1]])
    assert kinds() == {("missing signatures", "warning")}
    services.sign_release(release=release, signers=[file.signer for file in held[1:]])
    Rollout.objects.create(
        channel=Channel.objects.get(name="stable"),
        release=release,
        basis_points=100,
        salt="s",
        release_counter=1,
    )
    assert kinds() == {("unpublished catalog", "critical")}
    services.publish()
    assert kinds() == set()


def test_an_offer_that_nobody_signed_is_an_alarm(held):
    Rollout.objects.create(
        channel=Channel.objects.get(name="stable"),
        release=release_row("2026.1.1-1", bundle_row(1)),
        basis_points=100,
        salt="s",
        release_counter=1,
    )
    assert ("unsigned bundles", "critical") in kinds()


def test_development_keys_are_an_alarm_in_production(embedded, settings):
    assert kinds() == set()
    settings.PRODUCTION = True
    assert kinds() == {("development keys", "critical")}


def ids():
    return [message.id for message in checks.check_repository()]


def test_production_starts_with_held_keys_only(held, settings):
    settings.PRODUCTION = True
    assert ids() == []
    checks.refuse_unsafe_start()


def test_production_does_not_start_without_a_repository(db, settings):
    assert ids() == ["signing.E001"]
    checks.refuse_unsafe_start()
    settings.PRODUCTION = True
    with pytest.raises(ImproperlyConfigured, match="keys init"):
        checks.refuse_unsafe_start()


def test_production_does_not_start_with_development_keys(embedded, settings):
    settings.PRODUCTION = True
    assert ids() == ["signing.E002"]
    with pytest.raises(ImproperlyConfigured, match="guard nothing"):
        checks.refuse_unsafe_start()


def test_production_does_not_start_with_an_online_key_that_others_can_read(held, settings):
    settings.PRODUCTION = True
    (path,) = settings.KEYS_DIR.glob("online-*.pem")
    path.chmod(0o644)
    assert ids() == ["signing.E003"]
    with pytest.raises(ImproperlyConfigured, match="chmod 600"):
        checks.refuse_unsafe_start()
    path.unlink()
    assert ids() == ["signing.E003"]
