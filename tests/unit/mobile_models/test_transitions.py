"""Every step from every state, as the tables say: what is allowed works, what is not changes nothing."""

import pytest

from mobile_models import services, transitions
from mobile_models.errors import NotPermitted, ParameterInvalid, TransitionNotAllowed
from mobile_models.models import AuditEntry, Bundle, Release, Rollout
from tests.factories import make_user

pytestmark = pytest.mark.django_db

TAKE = {
    transitions.SUBMIT: lambda row, **who: services.submit_release(release=row, **who),
    transitions.RETURN: lambda row, **who: services.return_release(release=row, reason="why", **who),
    transitions.APPROVE: lambda row, **who: services.approve_release(release=row, **who),
    transitions.START: lambda row, **who: services.start_rollout(release=row, channel="stable", **who),
    transitions.WITHDRAW: lambda row, **who: services.withdraw_release(release=row, reason="why", **who),
    transitions.WIDEN: lambda row, **who: services.widen_rollout(rollout=row, basis_points=900, **who),
    transitions.PAUSE: lambda row, **who: services.pause_rollout(rollout=row, **who),
    transitions.RESUME: lambda row, **who: services.resume_rollout(rollout=row, **who),
    transitions.HALT: lambda row, **who: services.halt_rollout(rollout=row, reason="why", **who),
    transitions.ROLL_BACK: lambda row, **who: services.roll_back(rollout=row, reason="why", **who),
    transitions.REVOKE: lambda row, **who: services.revoke_bundle(bundle=row, reason="why", **who),
}
RELEASE_STEPS = [(state, action) for state in Release.State for action in transitions.RELEASE]
ROLLOUT_STEPS = [(state, action) for state in Rollout.State for action in transitions.ROLLOUT]


@pytest.fixture
def staged(ready):
    """A staged rollout in front of one that everyone has."""
    services.start_rollout(release=ready(), channel="stable")
    return services.start_rollout(release=ready(), channel="stable", basis_points=500)


def forced(row, state):
    type(row).objects.filter(pk=row.pk).update(state=state)
    row.refresh_from_db()
    return row


def holds(row, action):
    """Take a step; it changes the row if the table allows it, and nothing if not."""
    before, entries = row.state, AuditEntry.objects.count()
    if row.state in action.states:
        TAKE[action](row)
        told = AuditEntry.objects.filter(sequence__gt=entries).values_list("action", flat=True)
        assert action.name in told
        return
    with pytest.raises(TransitionNotAllowed) as refused:
        TAKE[action](row)
    names = ", ".join(step.name for step in transitions.possible(row))
    assert str(refused.value).endswith(f"Allowed now: {names or 'nothing, this is its last state'}.")
    row.refresh_from_db()
    assert (row.state, AuditEntry.objects.count()) == (before, entries)


@pytest.mark.parametrize(("state", "action"), RELEASE_STEPS)
def test_a_release_takes_just_the_steps_that_its_state_allows(drafted, state, action):
    holds(forced(drafted(), state), action)


@pytest.mark.parametrize(("state", "action"), ROLLOUT_STEPS)
def test_a_rollout_takes_just_the_steps_that_its_state_allows(staged, state, action):
    holds(forced(staged, state), action)


def test_a_bundle_is_revoked_once_and_then_takes_no_step(drafted):
    bundle = drafted().bundles.first()
    services.revoke_bundle(bundle=bundle, reason="crashes")
    assert transitions.possible(bundle) == []
    for step in (
        services.reverify_bundle,
        lambda bundle: services.revoke_bundle(bundle=bundle, reason="again"),
    ):
        with pytest.raises(TransitionNotAllowed, match="is revoked"):
            step(bundle=bundle)


@pytest.mark.parametrize(
    ("group", "names"),
    [
        ("viewer", []),
        ("releaser", ["widen_rollout", "pause_rollout", "halt_rollout"]),
        ("approver", ["halt_rollout", "roll_back"]),
        ("administrator", ["widen_rollout", "pause_rollout", "halt_rollout", "roll_back"]),
    ],
)
def test_people_see_the_steps_of_their_group(staged, group, names):
    user = make_user("ann", group)
    assert [action.name for action in transitions.allowed(staged, user)] == names
    taken = 0
    for action in transitions.ROLLOUT:
        if action.name not in names and staged.state in action.states:
            with pytest.raises(NotPermitted, match=f"ann may not {action.name}; that takes the permission"):
                TAKE[action](staged, by=user)
            taken += 1
    assert taken + len(names) == 4


@pytest.mark.parametrize(
    ("group", "names"),
    [
        ("viewer", []),
        ("releaser", []),
        ("approver", ["return_release", "approve_release", "withdraw_release"]),
        ("administrator", ["return_release", "approve_release", "withdraw_release"]),
    ],
)
def test_reviewers_see_the_steps_of_their_group(drafted, group, names):
    release = services.submit_release(release=drafted())
    assert [action.name for action in transitions.allowed(release, make_user("ann", group))] == names


@pytest.mark.parametrize("reason", ["", "  \n"])
def test_grave_steps_need_a_reason(staged, drafted, reason):
    for step in (
        lambda: services.halt_rollout(rollout=staged, reason=reason),
        lambda: services.roll_back(rollout=staged, reason=reason),
        lambda: services.withdraw_release(release=staged.release, reason=reason),
        lambda: services.return_release(release=services.submit_release(release=drafted()), reason=reason),
        lambda: services.revoke_bundle(bundle=Bundle.objects.first(), reason=reason),
    ):
        with pytest.raises(ParameterInvalid, match="reason: none was given"):
            step()
    staged.refresh_from_db()
    assert staged.state == "active"


def test_every_step_has_a_permission_that_the_administrator_holds():
    steps = {*transitions.BUNDLE, *transitions.RELEASE, *transitions.ROLLOUT}
    steps |= {transitions.REGISTER, transitions.DRAFT}
    held = make_user("ann", "administrator").get_all_permissions()
    assert {action.permission for action in steps} <= held
