"""Whatever is done in whatever order: what is in force fits together, and a phone follows."""

import hashlib
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mobile_models.models import Channel, Metadata, Release, Rollout
from mobile_models.signing import services, store
from mobile_models.signing.roles import ROLES
from tests.repositories import bundle_row, release_row


class World:
    """A repository with development keys; every step is one that people or the clock take."""

    def __init__(self):
        self.numbers = count(1)
        self.channel = Channel.objects.get(name="stable")

    def publish(self):
        services.publish()

    def refresh(self):
        Metadata.objects.filter(role="timestamp").update(expires=store.newest("timestamp").created)
        services.refresh()

    def sign(self):
        release = Release.objects.filter(signed_at=None).exclude(state=Release.State.WITHDRAWN).first()
        if release is not None:
            services.require_signed(release)

    def draft(self):
        number = next(self.numbers)
        release_row(f"2026.1.1-{number}", bundle_row(number))

    def offer(self):
        release = Release.objects.exclude(rollouts__isnull=False).first()
        if release is not None:
            Rollout.objects.create(
                channel=self.channel, release=release, basis_points=100, salt="s", release_counter=release.pk
            )

    def withdraw(self):
        release = Release.objects.filter(signed_at__isnull=False).first()
        Release.objects.filter(pk=getattr(release, "pk", None)).update(state=Release.State.WITHDRAWN)

    def replace_online_key(self):
        services.rotate(group="online", signers=services.development_signers())

    def renew(self):
        services.renew(signers=services.development_signers(), everything=True)


STEPS = st.lists(
    st.sampled_from(
        ["publish", "refresh", "sign", "draft", "offer", "withdraw", "replace_online_key", "renew"]
    ),
    min_size=1,
    max_size=6,
)


@pytest.fixture
def world(embedded, phone):
    phone()
    return World()


@given(steps=STEPS)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_in_force_fits_together_after_any_steps(world, phone, steps):
    before = in_force()
    for step in steps:
        getattr(world, step)()
        check_that_it_fits()
    after = in_force()
    assert all(after[role][0] >= before[role][0] for role in ROLES), "a version went back"
    assert all(after[role] == before[role] for role in ROLES if after[role][0] == before[role][0])
    assert phone("catalog/linux/stable.json")


def in_force():
    rows = {role: store.newest(role) for role in ROLES}
    return {role: (row.version, bytes(row.content)) for role, row in rows.items()}


def check_that_it_fits():
    """Every document in force is named by the one above it, with its version, length and digest."""
    found = in_force()
    named = {
        **store.snapshot().signed.meta,
        "snapshot.json": store.timestamp().signed.snapshot_meta,
    }
    assert set(named) == {f"{role}.json" for role in ROLES} - {"root.json", "timestamp.json"}
    for name, meta in named.items():
        version, content = found[name.removesuffix(".json")]
        assert (meta.version, meta.length) == (version, len(content))
        assert meta.hashes["sha256"] == hashlib.sha256(content).hexdigest()
