"""How feeds do: one row each. A pass holds its feed's row, so that two never run at once."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import F, Q

from weatherapp.observations.errors import FeedBusy
from weatherapp.observations.models import FeedState

UNDER_WAY = "A pass is under way."
# A pass that has been silent for so long was killed; the task's own limit is shorter.
HELD = timedelta(minutes=20)
State = FeedState.State


@dataclass(frozen=True, slots=True)
class Claim:
    """A held feed; `since` tells this pass from another."""

    feed: str
    since: datetime
    validators: Mapping[str, Mapping[str, Any]]
    newest: datetime | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a pass brought.

    Attributes:
        reports: how many.
        rejected: values and reports that were refused.
        newest: the newest hour that it brought, if any.
        validators: to keep for the next pass.
        reason: why the feed is degraded; empty where all is well.
    """

    reports: int
    rejected: int
    newest: datetime | None
    validators: Mapping[str, Mapping[str, Any]]
    reason: str = ""


def claim(*, feed: str, now: datetime) -> Claim:
    """Take a feed for one pass.

    Raises:
        FeedBusy: another pass has it.
    """
    row, _ = FeedState.objects.get_or_create(feed=feed)
    free = ~Q(reason=UNDER_WAY) | Q(last_attempt__lt=now - HELD)
    if not FeedState.objects.filter(free, pk=row.pk).update(last_attempt=now, reason=UNDER_WAY):
        raise FeedBusy(
            f"Another pass of feed {feed} is under way. Wait for it; one that was killed counts as ended "
            f"{HELD.seconds // 60} minutes after it began."
        )
    return Claim(feed, now, row.validators, row.last_report_time)


def record_feed(claim: Claim, outcome: Outcome, *, now: datetime) -> None:
    """Write down a pass that read something: the feed is up, or degraded where there is a reason."""
    _held(claim).update(
        state=State.DEGRADED if outcome.reason else State.UP,
        last_success=now,
        last_report_time=max(filter(None, (claim.newest, outcome.newest)), default=None),
        consecutive_failures=0,
        reason=outcome.reason,
        validators=dict(outcome.validators),
        reports=outcome.reports,
        rejected=outcome.rejected,
    )


def record_failure(claim: Claim, reason: str) -> None:
    """Write down a pass that failed: the feed is down. What it brought before stays."""
    _held(claim).update(
        state=State.DOWN,
        consecutive_failures=F("consecutive_failures") + 1,
        reason=reason or "It failed without saying why.",
        reports=0,
        rejected=0,
    )


def _held(claim: Claim) -> Any:
    """The row, while this pass holds it: one that was taken over must not overwrite its successor's state."""
    return FeedState.objects.filter(feed=claim.feed, last_attempt=claim.since, reason=UNDER_WAY)
