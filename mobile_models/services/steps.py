"""What every service does around its own change: lock, check, write by guard, keep it in the audit log."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.timezone import now

from mobile_models import audit, transitions
from mobile_models.errors import TransitionNotAllowed, UnknownChannel
from mobile_models.models import Bundle, Channel, Rollout
from mobile_models.transitions import Action, Row


@contextmanager
def step(action: Action, row: Row, *, by: User | None, reason: str = "") -> Iterator[None]:
    """A transaction around one person's step: the row is locked and fresh in it, and the log tells of it.

    A rollout's channel is locked first, always in this order, so that no two steps wait for each other.

    Raises:
        NotPermitted, TransitionNotAllowed, ParameterInvalid: as `transitions.check`; nothing was changed.
    """
    with transaction.atomic():
        locked(row)
        transitions.check(action, row, by, reason)
        with recorded(action.name, row, by=by, reason=reason):
            yield


@contextmanager
def recorded(action: str, row: Row, *, by: User | None, reason: str = "") -> Iterator[None]:
    """Keep in the log what happens to a row in here: a step, or what follows from one."""
    before = audit.snapshot(row)
    yield
    row.refresh_from_db()
    audit.record(action=action, row=row, by=by, before=before, after=audit.snapshot(row), reason=reason)


def change(row: Row, **fields: Any) -> None:
    """Write fields if the row's state is still the one that was seen, and refresh it.

    Raises:
        TransitionNotAllowed: it changed in between.
    """
    seen = type(row).objects.filter(pk=row.pk, state=row.state)
    if not isinstance(row, Bundle):
        fields.setdefault("state_changed_at", now())
    if not seen.update(**fields):
        raise TransitionNotAllowed(
            f"{row} is no longer {row.state}: somebody was faster. Look at it again, then decide."
        )
    row.refresh_from_db()


def locked_channel(channel: Channel | str) -> Channel:
    """The channel's row, locked: two rollouts of one channel must not get one counter.

    Raises:
        UnknownChannel: no channel has this name; lists those that exist.
    """
    wanted = Q(name=channel) if isinstance(channel, str) else Q(pk=channel.pk)
    found = Channel.objects.select_for_update().filter(wanted).first()
    if found is None:
        names = ", ".join(Channel.objects.values_list("name", flat=True))
        raise UnknownChannel(f"channel: {str(channel)!r} was given; allowed are {names or 'none yet'}.")
    return found


def locked_channels() -> Sequence[Channel]:
    """Every channel, locked in one order: for what may touch the rollouts of several."""
    return list(Channel.objects.select_for_update().order_by("pk"))


def locked(row: Row) -> None:
    """Lock and refresh a row; a rollout's channel before it."""
    if isinstance(row, Rollout):
        locked_channel(row.channel)
    fresh(row)


def fresh(row: Row) -> None:
    """Lock and refresh a row whose channel is locked or does not matter."""
    rows: QuerySet[Any] = type(row).objects.select_for_update()
    row.refresh_from_db(from_queryset=rows)
