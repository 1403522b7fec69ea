"""Review by a second person."""

import pytest

from mobile_models import services, transitions
from mobile_models.errors import NotPermitted, ReleaseIncomplete
from mobile_models.models import Bundle
from tests.factories import make_user

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def two_persons(settings):
    settings.TWO_PERSON_APPROVAL = True


@pytest.fixture
def ann():
    return make_user("ann", "releaser", "approver")


@pytest.fixture
def bob():
    return make_user("bob", "releaser", "approver")


def test_nobody_approves_what_they_made(drafted, ann, bob):
    release = services.submit_release(release=drafted(by=ann), by=bob)
    for by in (ann, bob):
        assert transitions.APPROVE not in transitions.allowed(release, by)
        with pytest.raises(NotPermitted, match=f"{by} made or submitted release .* needs a second person"):
            services.approve_release(release=release, by=by)
    eve = make_user("eve", "approver")
    assert transitions.APPROVE in transitions.allowed(release, eve)
    services.approve_release(release=release, by=eve)
    assert (release.state, release.approved_by) == ("approved", eve)


def test_neither_a_superuser_nor_an_override_is_exempt(drafted):
    root = make_user("root", is_superuser=True)
    release = services.submit_release(release=drafted(by=root))
    with pytest.raises(NotPermitted, match="second person"):
        services.approve_release(release=release, by=root, override_reason="in a hurry")
    release.refresh_from_db()
    assert release.state == "in_review"


def test_the_system_does_not_approve(drafted):
    release = services.submit_release(release=drafted())
    with pytest.raises(NotPermitted, match="not the system"):
        services.approve_release(release=release)


def test_without_the_setting_one_person_does_both(drafted, ann, settings):
    settings.TWO_PERSON_APPROVAL = False
    release = services.submit_release(release=drafted(by=ann), by=ann)
    assert services.approve_release(release=release, by=ann).state == "approved"


def test_a_returned_release_is_a_draft_again_and_forgets_who_submitted_it(drafted, ann, bob):
    release = services.submit_release(release=drafted(), by=ann)
    services.return_release(release=release, by=bob, reason="no notes")
    assert (release.state, release.submitted_by) == ("draft", None)
    services.submit_release(release=release, by=bob)
    services.approve_release(release=release, by=ann)


@pytest.mark.parametrize("state", [Bundle.State.REFUSED, Bundle.State.REGISTERED])
def test_a_bundle_that_is_not_verified_stops_every_step_towards_phones(drafted, ann, settings, state):
    settings.TWO_PERSON_APPROVAL = False
    draft, review, approved = drafted(), drafted(), drafted()
    services.submit_release(release=review)
    services.approve_release(release=services.submit_release(release=approved))
    Bundle.objects.update(state=state)
    for step in (
        lambda: services.submit_release(release=draft),
        lambda: services.approve_release(release=review),
        lambda: services.start_rollout(release=approved, channel="stable"),
    ):
        with pytest.raises(ReleaseIncomplete, match="verified bundles only"):
            step()
