from itertools import count

import pytest
from django.db import transaction

from mobile_models import selectors, services
from mobile_models.errors import (
    NoLiveRelease,
    ParameterInvalid,
    ReleaseIncomplete,
    StateConflict,
    TransitionNotAllowed,
    UnknownChannel,
)
from mobile_models.models import Bundle, Channel, Release, Rollout
from tests.delivery_rows import make_bundle

pytestmark = pytest.mark.django_db


@pytest.fixture
def bundle(db):
    """Rows of bundles without archives."""
    numbers = count(0xB000)
    return lambda variant: make_bundle(variant, f"{next(numbers):x}")


@pytest.fixture
def approved(ready):
    return ready()


@pytest.fixture
def another(ready):
    return ready()


def start(release, share=10_000, channel="stable"):
    return services.start_rollout(release=release, channel=channel, basis_points=share)


def state(row):
    row.refresh_from_db()
    return row.state


def test_versions_count_up_within_a_day(bundle):
    one = bundle("tflite_fp16")
    versions = [services.create_release(bundles=[one]).version for _ in range(11)]
    day = versions[0].rpartition("-")[0]
    assert versions == [f"{day}-{number}" for number in range(1, 12)]
    assert len(day.split(".")) == 3


def test_a_version_can_be_given_once(bundle):
    one = bundle("tflite_fp16")
    assert services.create_release(bundles=[one], version="first", notes="n").notes == "n"
    with pytest.raises(StateConflict, match="There is a release first already"):
        services.create_release(bundles=[one], version="first")
    assert Release.objects.count() == 1


def test_a_release_holds_one_bundle_per_variant(bundle):
    twice = [bundle("tflite_fp16"), bundle("tflite_fp16")]
    with pytest.raises(ReleaseIncomplete, match="one bundle per variant; tflite_fp16 came twice"):
        services.create_release(bundles=twice)
    with pytest.raises(ReleaseIncomplete, match="at least one bundle"):
        services.create_release(bundles=[])
    assert not Release.objects.exists()


def test_a_release_holds_verified_bundles_of_one_contract(bundle):
    one, two = bundle("tflite_fp16"), bundle("tflite_w8a8")
    two.contract_sha256 = "0" * 64
    with pytest.raises(ReleaseIncomplete, match="different contracts"):
        services.create_release(bundles=[one, two])
    one.state = Bundle.State.REFUSED
    with pytest.raises(ReleaseIncomplete, match="verified bundles only"):
        services.create_release(bundles=[one])


def test_a_release_without_the_servers_model_is_not_submitted(drafted):
    release = drafted("tflite_fp16")
    with pytest.raises(ReleaseIncomplete, match="has no server_fp32 bundle"):
        services.submit_release(release=release)
    assert state(release) == "draft"


def test_a_release_is_approved_once(approved):
    assert approved.state == "approved"
    with pytest.raises(
        TransitionNotAllowed,
        match=r"is approved; approve_release needs in review\. Allowed now: start_rollout, withdraw_release",
    ):
        services.approve_release(release=approved)


def test_a_draft_is_not_rolled_out(drafted):
    draft = drafted()
    with pytest.raises(TransitionNotAllowed, match="is draft"):
        start(draft)
    assert not Rollout.objects.exists()
    with pytest.raises(NoLiveRelease, match="Approve a release and start a rollout"):
        selectors.live_release()


def test_a_full_rollout_takes_the_place_of_the_one_before(approved, another):
    first = start(approved)
    second = start(another)
    assert (state(first), state(second)) == ("complete", "active")
    assert (state(approved), state(another)) == ("superseded", "live")
    assert second.release_counter > first.release_counter
    assert selectors.live_release() == another


def test_a_staged_rollout_stands_in_front_of_the_full_one(approved, another):
    full, staged = start(approved), start(another, 500)
    assert selectors.offered_rollouts() == [staged, full]
    assert selectors.live_release() == approved
    assert state(approved) == state(another) == "live"


def test_a_second_staged_rollout_takes_the_place_of_the_first(approved, another, ready):
    third = ready()
    full, first, second = start(approved), start(another, 500), start(third, 500)
    assert selectors.offered_rollouts() == [second, full]
    assert state(first) == "complete"
    assert state(another) == "superseded"


def test_widening_to_everyone_completes_the_one_before(approved, another):
    full, staged = start(approved), start(another, 500)
    salt = staged.salt
    assert services.widen_rollout(rollout=staged, basis_points=2000).basis_points == 2000
    assert state(full) == "active"
    services.widen_rollout(rollout=staged, basis_points=10_000)
    assert (state(full), state(approved)) == ("complete", "superseded")
    staged.refresh_from_db()
    assert staged.salt == salt
    assert selectors.offered_rollouts() == [staged]


def test_a_rollout_never_shrinks(approved):
    staged = start(approved, 500)
    for share in (500, 499):
        with pytest.raises(ParameterInvalid, match="allowed is more than the 500"):
            services.widen_rollout(rollout=staged, basis_points=share)


@pytest.mark.parametrize("share", [0, -1, 10_001])
def test_a_share_is_one_to_ten_thousand(approved, share):
    with pytest.raises(ParameterInvalid, match=f"basis_points: {share} was given; allowed are 1 to 10000"):
        start(approved, share)


def test_an_unknown_channel_lists_the_known(approved):
    with pytest.raises(UnknownChannel, match="'nightly' was given; allowed are beta, stable"):
        start(approved, channel="nightly")


def test_halting_falls_back_to_what_everyone_has(approved, another):
    full, staged = start(approved), start(another, 500)
    services.halt_rollout(rollout=staged, reason="crashes")
    assert selectors.offered_rollouts() == [full]
    staged.refresh_from_db()
    assert (staged.state, staged.halt_reason) == ("halted", "crashes")
    assert state(another) == "superseded"
    with pytest.raises(TransitionNotAllowed, match="is halted"):
        services.halt_rollout(rollout=staged, reason="again")
    with pytest.raises(TransitionNotAllowed, match="is halted"):
        services.widen_rollout(rollout=staged, basis_points=9000)


def test_rolling_back_is_rolling_forward(approved, another):
    start(approved)
    second = start(another)
    again = start(approved)
    assert again.release_counter == second.release_counter + 1
    assert selectors.live_release() == approved
    assert state(another) == "superseded"


def test_a_withdrawn_release_is_off_every_channel_for_good(approved):
    rollouts = [start(approved), start(approved, channel="beta")]
    services.withdraw_release(release=approved, reason="wrong units")
    assert [state(rollout) for rollout in rollouts] == ["halted", "halted"]
    assert approved.withdrawn_because == "wrong units"
    with pytest.raises(NoLiveRelease):
        selectors.live_release()
    with pytest.raises(TransitionNotAllowed, match="is withdrawn"):
        start(approved)
    with pytest.raises(StateConflict, match="is withdrawn; withdraw_release needs"):
        services.withdraw_release(release=approved, reason="again")


def test_channels_do_not_see_each_other(approved, another):
    start(approved)
    beta = start(another, channel="beta")
    assert selectors.live_release("beta") == another
    assert selectors.live_release("stable") == approved
    assert beta.release_counter == 1


def test_a_refused_start_changes_nothing(approved, another):
    full = start(approved)
    services.withdraw_release(release=another, reason="bad")
    with pytest.raises(TransitionNotAllowed), transaction.atomic():
        start(another)
    assert state(full) == "active"


def test_every_database_has_its_channels():
    assert list(Channel.objects.values_list("name", flat=True)) == ["beta", "stable"]


def test_the_servers_bundle_is_found(approved):
    start(approved)
    assert selectors.server_bundle(selectors.live_release()).variant == "server_fp32"


def test_a_refused_servers_bundle_is_not_run(approved):
    approved.bundles.filter(variant="server_fp32").update(state=Bundle.State.REFUSED)
    with pytest.raises(ReleaseIncomplete, match="has no verified server_fp32 bundle"):
        selectors.server_bundle(approved)


@pytest.mark.parametrize(
    "change",
    [
        lambda release, other: release.bundles.set([other]),
        lambda release, other: release.bundles.add(other),
        lambda release, other: release.bundles.remove(release.bundles.first()),
        lambda release, other: release.bundles.clear(),
        lambda release, other: other.releases.add(release),
        lambda release, other: release.bundles.first().releases.clear(),
        lambda release, other: release.bundles.first().releases.remove(release),
    ],
)
def test_the_bundles_of_a_release_are_fixed_once_in_review(drafted, change):
    release, other = drafted(), make_bundle("tflite_w8a8", "cafe")
    before = set(release.bundles.all())
    services.submit_release(release=release)
    with (
        pytest.raises(StateConflict, match=r"is in review; only a draft's bundles change"),
        transaction.atomic(),
    ):
        change(release, other)
    assert set(release.bundles.all()) == before
    services.return_release(release=release, reason="another one is missing")
    change(release, other)
    assert set(release.bundles.all()) != before


def test_withdrawing_leaves_no_stage_due(ready):
    rollout = services.start_rollout(
        release=ready(), channel="beta", basis_points=10, stages=[{"basis_points": 20, "after_hours": 1}]
    )
    services.withdraw_release(release=rollout.release, reason="wrong units")
    rollout.refresh_from_db()
    assert (rollout.state, rollout.next_stage_at) == ("halted", None)
