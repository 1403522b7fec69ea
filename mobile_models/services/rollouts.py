"""Rollouts: offer a release to a share of a channel, widen, pause, resume, halt, roll back."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.utils.timezone import is_aware, now

from mobile_models import audit, staging, transitions
from mobile_models.conditions import parse_conditions
from mobile_models.deltas import request_deltas
from mobile_models.errors import NothingToRollBackTo, ParameterInvalid, ReleaseIncomplete
from mobile_models.models import Channel, Release, Rollout
from mobile_models.rollout import EVERYONE
from mobile_models.services import places
from mobile_models.services.releases import check_complete
from mobile_models.services.steps import change, fresh, locked_channel, recorded, step
from mobile_models.signing import services as signing
from mobile_models.signing.publishing import publish_soon

FARTHEST = timedelta(days=366)


def start_rollout(
    *,
    release: Release,
    channel: Channel | str,
    basis_points: int = EVERYONE,
    conditions: Mapping[str, Any] | None = None,
    stages: Sequence[Mapping[str, Any]] = (),
    starts_at: datetime | None = None,
    roll_back_on_halt: bool = True,
    by: User | None = None,
    reason: str = "",
) -> Rollout:
    """Offer a release to a share of a channel, at once or at a time to come.

    To everyone: it takes the place of whatever the channel offered. To a share, or to a group of devices: it
    stands in front of the release that everyone has, and takes the place of staged rollouts that are for some
    of the same devices.

    Raises:
        ParameterInvalid: the share, a condition, a stage or the time is not one of those allowed.
        UnknownChannel: no channel has this name.
        NotPermitted, TransitionNotAllowed: as `transitions.check`.
        ReleaseIncomplete: one of its bundles was refused or revoked since it was approved.
        ReleaseNotSigned: the offline keys have not signed it.
        StateConflict: everyone has this release already.
    """
    asked = {
        "basis_points": staging.parse_share("basis_points", basis_points),
        "conditions": parse_conditions(conditions or {}).document(),
        "stages": staging.parse_stages(stages, after=basis_points),
        "starts_at": _time(starts_at),
        "roll_back_on_halt": roll_back_on_halt,
        "started_by": by,
    }
    with transaction.atomic():
        release.refresh_from_db()
        transitions.check(transitions.START, release, by)
        check_offerable(release)  # may sign, under a lock that others take before a release's
        audience = locked_channel(channel)
        fresh(release)
        transitions.check(transitions.START, release, by)
        rollout = places.scheduled(audience, release, **asked)
        if starts_at is None or starts_at <= now():
            begin(rollout, by=by)
            release.refresh_from_db()
        audit.record(
            action=transitions.START.name,
            row=rollout,
            by=by,
            before={},
            after=audit.snapshot(rollout),
            reason=reason,
        )
    return rollout


def widen_rollout(
    *, rollout: Rollout, basis_points: int, by: User | None = None, reason: str = ""
) -> Rollout:
    """Offer a release to a larger share; every device that had it keeps its place.

    Stages that are no wider count as done; the clock of the next one starts now.

    Raises:
        ParameterInvalid: the share is not larger, or over 10000.
        NotPermitted, TransitionNotAllowed: as `transitions.check`.
    """
    staging.parse_share("basis_points", basis_points)
    with step(transitions.WIDEN, rollout, by=by, reason=reason):
        if basis_points <= rollout.basis_points:
            raise ParameterInvalid(
                f"basis_points: {basis_points} was given; allowed is more than the {rollout.basis_points} of "
                "now. To offer it to fewer, halt this rollout and start another."
            )
        offer_to(rollout, basis_points, by=by)
    return rollout


def pause_rollout(*, rollout: Rollout, by: User | None = None, reason: str = "") -> Rollout:
    """Offer a release to nobody new; devices that have it keep it, and the clock of its stages stops.

    Raises:
        NotPermitted, TransitionNotAllowed: as `transitions.check`.
    """
    with step(transitions.PAUSE, rollout, by=by, reason=reason):
        change(rollout, state=Rollout.State.PAUSED)
        publish_soon()
    return rollout


def resume_rollout(*, rollout: Rollout, by: User | None = None, reason: str = "") -> Rollout:
    """Go on with a paused rollout; the next stage is due as much later as the pause was long.

    Raises:
        NotPermitted, TransitionNotAllowed: as `transitions.check`.
    """
    with step(transitions.RESUME, rollout, by=by, reason=reason):
        due = rollout.next_stage_at
        later = due + (now() - rollout.state_changed_at) if due else None
        change(rollout, state=Rollout.State.ACTIVE, next_stage_at=later)
        publish_soon()
    return rollout


def halt_rollout(
    *, rollout: Rollout, reason: str, by: User | None = None, roll_back: bool = False
) -> Rollout:
    """Stop offering a release; devices that installed it keep it, unless it is rolled back too.

    Where there is nothing to roll back to, which `halt_reason` then says, it is only halted.

    Raises:
        NotPermitted, TransitionNotAllowed, ParameterInvalid: as `transitions.check`.
    """
    if roll_back:
        transitions.check_permission(transitions.ROLL_BACK, by)
    with transaction.atomic():
        with step(transitions.HALT, rollout, by=by, reason=reason):
            change(rollout, state=Rollout.State.HALTED, halt_reason=reason, next_stage_at=None)
            places.settle([rollout.release_id], by=by)
            publish_soon()
        if roll_back:
            _roll_back_if_possible(rollout, reason, by)
    return rollout


def roll_back(*, rollout: Rollout, reason: str, by: User | None = None) -> Rollout:
    """Give the rollout's devices the release before it, under a new and higher counter.

    Returns:
        The new rollout, which is for everyone whom the old one was for.

    Raises:
        NothingToRollBackTo: no release that everyone had stands behind it.
        NotPermitted, TransitionNotAllowed, ParameterInvalid: as `transitions.check`.
    """
    with step(transitions.ROLL_BACK, rollout, by=by, reason=reason):
        target = _release_behind(rollout)
        change(
            rollout,
            state=Rollout.State.ROLLED_BACK,
            halt_reason=rollout.halt_reason or reason,
            next_stage_at=None,
        )
        return _begin_again(target, rollout, reason, by)


def begin(rollout: Rollout, *, by: User | None) -> None:
    """Let a scheduled rollout begin, under its channel's lock: what it takes the place of is complete."""
    places.clear(rollout, by=by)
    moment = now()
    change(
        rollout,
        state=Rollout.State.ACTIVE,
        release_counter=places.newest_counter(rollout),
        started=moment,
        next_stage_at=staging.next_due(rollout.stages, 0, since=moment),
    )
    fresh(rollout.release)
    if rollout.release.state != Release.State.LIVE:
        with recorded("go_live", rollout.release, by=by):
            change(rollout.release, state=Release.State.LIVE)
    request_deltas(rollout.release)
    publish_soon()


def offer_to(rollout: Rollout, basis_points: int, *, by: User | None) -> None:
    """Widen a rollout under its channel's lock."""
    done = staging.stages_done(rollout.stages, basis_points)
    change(
        rollout,
        basis_points=basis_points,
        stage=done,
        next_stage_at=staging.next_due(rollout.stages, done, since=now()),
    )
    places.clear(rollout, by=by)
    publish_soon()


def check_offerable(release: Release) -> None:
    """Refuse a release that must not reach phones now, whatever was true when it was approved.

    Raises:
        ReleaseIncomplete: one of its bundles was refused or revoked.
        ReleaseNotSigned: the offline keys have not signed it.
    """
    check_complete(release)
    signing.require_signed(release)


def _roll_back_if_possible(rollout: Rollout, reason: str, by: User | None) -> None:
    """Roll a rollout back that was halted in this transaction, or say why it was only halted."""
    try:
        target = _release_behind(rollout)
    except NothingToRollBackTo as error:
        change(rollout, halt_reason=f"{reason} {error}")
        return
    with recorded(transitions.ROLL_BACK.name, rollout, by=by, reason=reason):
        change(rollout, state=Rollout.State.ROLLED_BACK)
        _begin_again(target, rollout, reason, by)


def _release_behind(rollout: Rollout) -> Release:
    """The newest release that all its devices were offered before, and that can still be offered."""
    for before in places.behind(rollout):
        try:
            check_complete(before.release)
        except ReleaseIncomplete:
            continue
        return before.release
    raise NothingToRollBackTo(
        f"No release that all devices of {rollout} had can still be offered: there is nothing to roll back "
        "to. Halt it, or roll out another release."
    )


def _begin_again(release: Release, instead_of: Rollout, reason: str, by: User | None) -> Rollout:
    rollout = places.scheduled(
        instead_of.channel,
        release,
        basis_points=EVERYONE,
        conditions=instead_of.conditions,
        roll_back_on_halt=False,
        started_by=by,
    )
    begin(rollout, by=by)
    places.settle([instead_of.release_id], by=by)
    audit.record(
        action=transitions.START.name,
        row=rollout,
        by=by,
        before={},
        after=audit.snapshot(rollout),
        reason=f"Rolls back {instead_of.release}. {reason}",
    )
    return rollout


def _time(starts_at: datetime | None) -> datetime | None:
    if starts_at is not None and (not is_aware(starts_at) or starts_at > now() + FARTHEST):
        raise ParameterInvalid(
            f"starts_at: {starts_at} was given; allowed is a time with its UTC offset, at most "
            f"{FARTHEST.days} days ahead."
        )
    return starts_at
