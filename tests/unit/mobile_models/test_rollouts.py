"""Stages, pauses, groups of devices, halts and the way back."""

from datetime import timedelta

import pytest
from django.utils import timezone

from mobile_models import selectors, services
from mobile_models.errors import NothingToRollBackTo, NotPermitted, ParameterInvalid, StateConflict
from mobile_models.models import AuditEntry, Bundle, Release, Rollout
from mobile_models.services import rollouts as module
from tests.factories import approve, make_user

pytestmark = pytest.mark.django_db

STAGES = [
    {"basis_points": 1000, "after_hours": 24},
    {"basis_points": 10_000, "after_hours": 48, "if_healthy": False},
]
IOS, ANDROID = {"platforms": ["ios"]}, {"platforms": ["android"]}


@pytest.fixture
def clock(monkeypatch):
    """The services' clock; call it to let hours pass."""
    time = [timezone.now()]
    for name in ("rollouts", "schedule", "steps", "releases"):
        monkeypatch.setattr(f"mobile_models.services.{name}.now", lambda: time[0])

    def advance(hours=0.0):
        time[0] += timedelta(hours=hours)
        return time[0]

    return advance


@pytest.fixture
def health(monkeypatch):
    """What the health test says of every rollout."""
    said = {"healthy": True}
    monkeypatch.setattr("mobile_models.health.services.is_healthy", lambda rollout: said["healthy"])
    return said


@pytest.fixture
def base(ready):
    return start(ready())


def start(release, share=10_000, **more):
    return services.start_rollout(release=release, channel="stable", basis_points=share, **more)


def fresh(rollout):
    rollout.refresh_from_db()
    return rollout


def shares():
    return [(rollout.release.version, rollout.basis_points) for rollout in selectors.offered_rollouts()]


def test_stages_follow_by_the_clock(base, ready, clock, health):
    rollout = start(ready(), 100, stages=STAGES)
    assert rollout.next_stage_at == clock() + timedelta(hours=24)
    clock(23.9)
    assert services.advance_rollouts() == 0
    clock(0.1)
    assert services.advance_rollouts() == 1
    assert (fresh(rollout).basis_points, rollout.stage) == (1000, 1)
    assert rollout.next_stage_at == clock() + timedelta(hours=48)
    assert services.advance_rollouts() == 0
    clock(48)
    assert services.advance_rollouts() == 1
    assert (fresh(rollout).basis_points, rollout.stage, rollout.next_stage_at) == (10_000, 2, None)
    assert fresh(base).state == "complete"
    assert rollout.state == "active"


def test_a_stage_waits_until_the_rollout_is_healthy_if_it_says_so(base, ready, clock, health):
    rollout = start(ready(), 100, stages=STAGES)
    health["healthy"] = False
    clock(100)
    assert services.advance_rollouts() == 0
    assert fresh(rollout).basis_points == 100
    health["healthy"] = True
    assert services.advance_rollouts() == 1
    health["healthy"] = False
    clock(48)
    assert services.advance_rollouts() == 1
    assert fresh(rollout).basis_points == 10_000


def test_a_pause_stops_the_clock_of_the_stages(base, ready, clock, health):
    rollout = start(ready(), 100, stages=STAGES)
    clock(20)
    services.pause_rollout(rollout=rollout)
    assert shares()[0] == (rollout.release.version, 100)
    clock(1000)
    assert services.advance_rollouts() == 0
    services.resume_rollout(rollout=rollout)
    assert rollout.next_stage_at == clock() + timedelta(hours=4)
    clock(4)
    assert services.advance_rollouts() == 1


def test_widening_by_hand_leaves_the_stages_behind_that_are_no_wider(base, ready, clock):
    rollout = start(ready(), 100, stages=STAGES)
    clock(5)
    services.widen_rollout(rollout=rollout, basis_points=1000)
    assert (rollout.stage, rollout.next_stage_at) == (1, clock() + timedelta(hours=48))


@pytest.mark.parametrize(
    ("stages", "says"),
    [
        (
            [{"basis_points": 100, "after_hours": 1}],
            r"stages\[1\].basis_points: 100 was given; .* more than the 100",
        ),
        ([*STAGES, {"basis_points": 10_000, "after_hours": 1}], r"stages\[3\].basis_points: 10000"),
        (
            [{"basis_points": 10_001, "after_hours": 1}],
            r"stages\[1\].basis_points: 10001 was given; allowed are 1 to",
        ),
        ([{"basis_points": True, "after_hours": 1}], r"stages\[1\].basis_points: True"),
        ([{"basis_points": 200, "after_hours": 0}], r"stages\[1\].after_hours: 0"),
        ([{"basis_points": 200, "after_hours": float("nan")}], r"stages\[1\].after_hours: nan"),
        ([{"basis_points": 200, "after_hours": "24"}], r"stages\[1\].after_hours: 24"),
        ([{"basis_points": 200, "after_hours": 1, "if_healthy": "no"}], r"stages\[1\].if_healthy: no"),
        ([{"basis_points": 200}], r"stages\[1\]: .* allowed is an object with basis_points, after_hours"),
        ([{"basis_points": 200, "after_hours": 1, "when": 1}], r"stages\[1\]: .* allowed is an object"),
        (["10 %"], r"stages\[1\]: 10 % was given"),
        ("10 %", "allowed is a list of at most 20"),
        ([{"basis_points": 101 + n, "after_hours": 1} for n in range(21)], "allowed is a list of at most 20"),
    ],
)
def test_stages_that_make_no_sense_are_refused_and_nothing_starts(ready, stages, says):
    with pytest.raises(ParameterInvalid, match=says):
        start(ready(), 100, stages=stages)
    assert not Rollout.objects.exists()


def test_a_scheduled_rollout_is_offered_to_nobody_before_its_time(base, ready, clock):
    release = ready()
    rollout = start(release, 100, starts_at=clock() + timedelta(hours=2), stages=STAGES)
    assert (rollout.state, release.state) == ("scheduled", "approved")
    assert [version for version, _ in shares()] == [base.release.version]
    hotfix = start(ready())
    clock(2)
    assert services.advance_rollouts() == 1
    assert (fresh(rollout).state, rollout.next_stage_at) == ("active", clock() + timedelta(hours=24))
    assert rollout.release_counter > hotfix.release_counter
    assert shares() == [(release.version, 100), (hotfix.release.version, 10_000)]
    assert services.advance_rollouts() == 0


def test_a_scheduled_rollout_whose_bundle_was_revoked_does_not_begin(base, ready, clock):
    rollout = start(ready(), 100, starts_at=clock() + timedelta(hours=2))
    services.revoke_bundle(bundle=rollout.release.bundles.first(), reason="crashes")
    clock(3)
    assert services.advance_rollouts() == 0
    assert fresh(rollout).state == "scheduled"
    services.halt_rollout(rollout=rollout, reason="not needed")
    assert (rollout.state, rollout.release.state) == ("halted", "approved")


@pytest.mark.parametrize("when", ["naive", "far"])
def test_a_time_without_offset_or_in_years_is_refused(ready, when):
    moment = timezone.now()
    given = moment.replace(tzinfo=None) if when == "naive" else moment + timedelta(days=400)
    with pytest.raises(ParameterInvalid, match=r"starts_at: .* at most 366 days"):
        start(ready(), starts_at=given)


def test_groups_that_share_no_device_are_staged_at_once(base, ready):
    ios, android = start(ready(), 500, conditions=IOS), start(ready(), 1000, conditions=ANDROID)
    assert selectors.offered_rollouts() == [android, ios, base]
    third = start(ready(), 100, conditions=IOS)
    assert selectors.offered_rollouts() == [third, android, base]
    assert fresh(ios).state == "complete"
    everyone = start(ready(), 100)
    assert selectors.offered_rollouts() == [everyone, base]


def test_one_release_is_staged_for_two_groups_at_once(base, ready):
    release = ready()
    ios, android = start(release, 500, conditions=IOS), start(release, 1000, conditions=ANDROID)
    assert selectors.offered_rollouts() == [android, ios, base]
    assert ios.salt == android.salt


def test_a_group_that_got_all_of_a_release_keeps_it_while_another_is_staged(base, ready):
    full = start(ready(), conditions=IOS)
    staged = start(ready(), 500, conditions=IOS)
    assert selectors.offered_rollouts() == [staged, full, base]
    assert selectors.live_release() == base.release
    services.widen_rollout(rollout=staged, basis_points=10_000)
    assert (fresh(full).state, full.release.state) == ("complete", "superseded")
    assert selectors.offered_rollouts() == [staged, base]


def test_unknown_conditions_are_refused_and_nothing_starts(ready):
    with pytest.raises(ParameterInvalid, match="conditions"):
        start(ready(), conditions={"weekday": "monday"})
    assert not Rollout.objects.exists()


def test_a_share_of_what_everyone_has_is_refused(base):
    with pytest.raises(StateConflict, match=r"are offered release .* already"):
        start(base.release, 500)
    assert shares() == [(base.release.version, 10_000)]


def test_devices_keep_their_place_when_a_halted_release_is_tried_again(base, ready):
    first = start(ready(), 500)
    services.halt_rollout(rollout=first, reason="crashes")
    again = start(first.release, 500)
    assert again.salt == first.salt
    assert again.release_counter > first.release_counter
    assert start(ready(), 500).salt != first.salt


def test_rolling_back_gives_a_new_counter_to_the_release_before(base, ready):
    bad = start(ready(), 500)
    rollback = services.roll_back(rollout=bad, reason="crashes")
    assert rollback.release == base.release
    assert rollback.release_counter > bad.release_counter
    assert (rollback.basis_points, rollback.state) == (10_000, "active")
    assert (bad.state, bad.halt_reason, fresh(base).state) == ("rolled_back", "crashes", "complete")
    assert selectors.offered_rollouts() == [rollback]
    assert (bad.release.state, rollback.release.state) == ("superseded", "live")


def test_a_release_that_everyone_has_is_rolled_back_to_the_one_before(base, ready):
    first, second = base.release, start(ready())
    rollback = services.roll_back(rollout=second, reason="wrong")
    assert rollback.release == first
    assert (fresh(first).state, fresh(second.release).state) == ("live", "superseded")
    with pytest.raises(NothingToRollBackTo):
        services.roll_back(rollout=rollback, reason="both are bad")


def test_what_was_never_offered_to_everyone_is_not_rolled_back_to(base, ready):
    start(ready(), 500)
    third = start(ready(), 500)
    assert services.roll_back(rollout=third, reason="crashes").release == base.release


def test_a_release_with_a_revoked_bundle_is_not_rolled_back_to(base, ready):
    second, third = start(ready()), start(ready(), 500)
    services.revoke_bundle(bundle=second.release.bundles.first(), reason="crashes")
    assert services.roll_back(rollout=third, reason="crashes too").release == base.release


def test_a_group_is_rolled_back_for_itself_only(base, ready):
    ios, android = start(ready(), 500, conditions=IOS), start(ready(), 500, conditions=ANDROID)
    rollback = services.roll_back(rollout=ios, reason="crashes")
    assert rollback.conditions == IOS
    assert selectors.offered_rollouts() == [rollback, android, base]
    assert selectors.live_release() == base.release


def test_halting_can_roll_back_in_the_same_step(base, ready):
    bad = start(ready(), 500)
    services.halt_rollout(rollout=bad, reason="crashes", roll_back=True)
    assert bad.state == "rolled_back"
    assert selectors.offered_rollouts()[0].release == base.release
    steps = AuditEntry.objects.order_by("sequence").values_list("action", flat=True)
    assert {"halt_rollout", "roll_back"} <= set(steps)


def test_a_first_release_is_staged_and_only_halted_as_there_is_nothing_behind_it(ready):
    first = start(ready(), 100)
    with pytest.raises(NothingToRollBackTo, match="Halt it, or roll out another"):
        services.roll_back(rollout=first, reason="crashes")
    assert fresh(first).state == "active"
    services.halt_rollout(rollout=first, reason="crashes", roll_back=True)
    assert first.state == "halted"
    assert "there is nothing to roll back" in first.halt_reason


def test_who_may_halt_but_not_roll_back_halts_only(base, ready):
    bad = start(ready(), 500)
    ann = make_user("ann", "releaser")
    with pytest.raises(NotPermitted, match="may not roll_back"):
        services.halt_rollout(rollout=bad, reason="crashes", by=ann, roll_back=True)
    assert fresh(bad).state == "active"
    assert services.halt_rollout(rollout=bad, reason="crashes", by=ann).state == "halted"


def test_a_bundle_refused_after_approval_keeps_its_release_from_starting(ready):
    release = ready()
    release.bundles.filter(variant="tflite_fp16").update(state=Bundle.State.REFUSED)
    with pytest.raises(StateConflict, match="verified bundles only"):
        start(release)
    assert not Rollout.objects.exists()


def test_a_row_that_was_read_earlier_is_looked_at_anew(drafted, ready):
    draft = drafted()
    stale = Release.objects.get(pk=draft.pk)
    approve(draft)
    assert start(stale).state == "active"
    assert stale.state == "live"


def test_an_unsigned_release_starts_nowhere(ready, monkeypatch):
    from mobile_models.errors import ReleaseNotSigned

    def unsigned(release):
        raise ReleaseNotSigned("sign it")

    monkeypatch.setattr("mobile_models.signing.services.require_signed", unsigned)
    with pytest.raises(ReleaseNotSigned):
        start(ready())
    assert not Rollout.objects.exists()


@pytest.mark.parametrize(
    "step",
    [
        lambda rollout: services.widen_rollout(rollout=rollout, basis_points=900),
        lambda rollout: services.pause_rollout(rollout=rollout),
        lambda rollout: services.halt_rollout(rollout=rollout, reason="crashes"),
        lambda rollout: services.roll_back(rollout=rollout, reason="crashes"),
        lambda rollout: services.withdraw_release(release=rollout.release, reason="wrong"),
        lambda rollout: services.revoke_bundle(bundle=rollout.release.bundles.first(), reason="wrong"),
    ],
)
def test_every_change_of_the_offer_is_published_after_its_commit(
    base, ready, step, monkeypatch, django_capture_on_commit_callbacks
):
    published = []
    monkeypatch.setattr("mobile_models.signing.publishing.publish", lambda: published.append(1))
    with django_capture_on_commit_callbacks(execute=False) as callbacks:
        rollout = start(ready(), 500)
    assert "publish" in str(callbacks)
    with django_capture_on_commit_callbacks(execute=False) as callbacks:
        step(rollout)
    assert any("publish" in str(callback) for callback in callbacks)


def test_a_step_that_fails_half_way_leaves_everything_as_it_was(base, ready, monkeypatch):
    release, entries = ready(), AuditEntry.objects.count()

    def crash(*_args, **_more):
        raise KeyboardInterrupt

    monkeypatch.setattr(module.audit, "record", crash)
    with pytest.raises(KeyboardInterrupt):
        start(release, 500)
    assert shares() == [(base.release.version, 10_000)]
    assert (fresh(release).state, AuditEntry.objects.count()) == ("approved", entries)
