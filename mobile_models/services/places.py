"""Which rollouts of a channel stand in front of which, and which give way.

To be called under the channel's lock.
"""

from collections.abc import Iterable
from secrets import token_hex
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Max

from mobile_models.conditions import Conditions, parse_conditions
from mobile_models.errors import StateConflict
from mobile_models.models import Channel, Release, Rollout
from mobile_models.rollout import EVERYONE
from mobile_models.selectors import OFFERED
from mobile_models.services.steps import change, recorded

# What everyone of an audience had: neither halted nor rolled back, and never only a share.
WAS_GOOD = (*OFFERED, Rollout.State.COMPLETE)


def scheduled(channel: Channel, release: Release, **fields: Any) -> Rollout:
    """Write the row of a rollout that has not begun, under the next counter.

    Raises:
        StateConflict: a share or a group would get what all of it has already.
    """
    rollout = Rollout(channel=channel, release=release, state=Rollout.State.SCHEDULED, **fields)
    _check_new(rollout)
    rollout.salt = _salt(channel, release)
    rollout.release_counter = _newest(channel) + 1
    rollout.save(force_insert=True)
    return rollout


def newest_counter(rollout: Rollout) -> int:
    """The counter that a rollout begins under: above all that devices may have seen since it was written."""
    newest = _newest(rollout.channel)
    return newest if rollout.release_counter == newest else newest + 1


def clear(rollout: Rollout, *, by: User | None) -> None:
    """Complete the rollouts whose place this one takes, and supersede releases that nobody is offered now."""
    others = (
        rollout.channel.rollouts.filter(state__in=OFFERED).exclude(pk=rollout.pk).select_related("release")
    )
    replaced = [other for other in others if _gives_way(other, rollout)]
    for other in replaced:
        with recorded("complete_rollout", other, by=by):
            change(other, state=Rollout.State.COMPLETE, next_stage_at=None)
    settle([other.release_id for other in replaced if other.release_id != rollout.release_id], by=by)


def settle(release_ids: Iterable[int], *, by: User | None) -> None:
    """Supersede live releases that no rollout offers any more."""
    live = Release.objects.select_for_update().filter(pk__in=set(release_ids), state=Release.State.LIVE)
    for release in live.exclude(rollouts__state__in=OFFERED).order_by("pk"):
        with recorded("supersede_release", release, by=by):
            change(release, state=Release.State.SUPERSEDED)


def behind(rollout: Rollout) -> list[Rollout]:
    """Earlier rollouts of other releases that all of this one's devices were offered, newest first."""
    earlier = rollout.channel.rollouts.filter(
        release_counter__lt=rollout.release_counter, basis_points=EVERYONE, state__in=WAS_GOOD
    )
    good = earlier.exclude(release=rollout.release_id).exclude(release__state=Release.State.WITHDRAWN)
    mine = _conditions(rollout)
    return [
        other
        for other in good.select_related("release").order_by("-release_counter")
        if _covers(_conditions(other), mine)
    ]


def _gives_way(other: Rollout, rollout: Rollout) -> bool:
    mine, theirs = _conditions(rollout), _conditions(other)
    if not mine.overlaps(theirs):
        return False
    return other.basis_points < EVERYONE or (rollout.basis_points == EVERYONE and _covers(mine, theirs))


def _check_new(rollout: Rollout) -> None:
    if rollout.basis_points == EVERYONE:
        return
    same = rollout.channel.rollouts.filter(release=rollout.release, state__in=OFFERED, basis_points=EVERYONE)
    if any(_covers(_conditions(other), _conditions(rollout)) for other in same):
        raise StateConflict(
            f"All these devices of {rollout.channel} are offered release {rollout.release} already. "
            "Choose another release, or everyone."
        )


def _covers(wide: Conditions, narrow: Conditions) -> bool:
    return wide in (Conditions(), narrow)


def _conditions(rollout: Rollout) -> Conditions:
    return parse_conditions(rollout.conditions)


def _salt(channel: Channel, release: Release) -> str:
    """That of the release's earlier rollout here, so that devices keep their place; else a new one."""
    before = channel.rollouts.filter(release=release).order_by("-release_counter").first()
    return before.salt if before else token_hex(8)


def _newest(channel: Channel) -> int:
    counter: int | None = channel.rollouts.aggregate(counter=Max("release_counter"))["counter"]
    return counter or 0
