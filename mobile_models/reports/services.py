"""Accept reports, and forget them again."""

import logging
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from mobile_models.callers import seconds_to_wait
from mobile_models.device import PLATFORMS
from mobile_models.errors import ParameterInvalid, ReportUnrelated, TooManyReports, UnknownChannel
from mobile_models.models import Bundle, Channel, ReportBatch, ReportToken, Rollout
from mobile_models.reports import counting, tokens
from mobile_models.reports.schema import Batch, parse_batch
from mobile_models.rollout import EVERYONE

logger = logging.getLogger(__name__)

HOUR = 3600
OPEN = (Rollout.State.ACTIVE, Rollout.State.PAUSED)


def issue_token(*, channel: str, platform: str, caller: str) -> tuple[str, datetime]:
    """A report token for a device of a channel and when it ends; nothing is stored.

    Raises:
        ParameterInvalid, UnknownChannel: no such platform or channel.
        TooManyReports: the address had as many as it may this hour.
    """
    if platform not in PLATFORMS:
        seen = f"{platform[:60]!r} was given" if platform else "it is missing"
        raise ParameterInvalid(f"platform: {seen}; allowed are {', '.join(PLATFORMS)}.")
    names = list(Channel.objects.values_list("name", flat=True))
    if channel not in names:
        raise UnknownChannel(f"channel: {channel[:60]!r} was given; allowed are {', '.join(names)}.")
    most = settings.REPORT_TOKENS_PER_HOUR
    wait = seconds_to_wait("report-token", caller, most, HOUR)
    if wait:
        raise TooManyReports(
            f"More than {most} report tokens went to this address in one hour. Wait {wait} s; a token is "
            "good for 48 hours.",
            wait=wait,
        )
    return tokens.issue(channel, platform)


def accept(*, token: tokens.Token, document: Mapping[str, Any]) -> bool:
    """Store a batch and count it; whether it was new. The same batch id again changes nothing.

    Raises:
        ParameterInvalid: the batch is malformed, or not of the token's channel and platform.
        ReportUnrelated: it is about a release or rollout that there never was, or another time.
        TooManyReports: the token is used up for this hour.
    """
    now = timezone.now()
    batch = parse_batch(document, now=now)
    _check_token(batch, token)
    exposing, running = _rollouts(batch)
    with transaction.atomic():
        used = _locked(token, now)
        _, fresh = ReportBatch.objects.get_or_create(
            batch_id=batch.batch_id,
            defaults={
                "token_hash": token.sha256,
                "rollout": exposing or running,
                "body": dict(batch.document),
            },
        )
        if not fresh:
            return False
        _charge(used, batch, now)
        about = exposing or running
        if about is not None:
            counting.count_operations(about, batch)
        if exposing is not None and exposing.state in OPEN and exposing.basis_points < EVERYONE:
            counting.count_device(used, exposing, batch, window=window_of(now))
    return True


def window_of(moment: datetime) -> int:
    """The number of the report window in which a moment lies."""
    return int(moment.timestamp() // (settings.REPORT_WINDOW_MINUTES * 60))


def forget(*, now: datetime) -> int:
    """Delete raw batches and tokens that are past their time; how many batches."""
    horizon = now - timedelta(days=settings.REPORTS_KEPT_DAYS)
    started = time.monotonic()
    deleted, _ = ReportBatch.objects.filter(received__lt=horizon).delete()
    ReportToken.objects.filter(expires__lt=now).delete()
    logger.info("Deleted %d report batches in %.1f s", deleted, time.monotonic() - started)
    return deleted


def _check_token(batch: Batch, token: tokens.Token) -> None:
    for name, given, allowed in (
        ("channel", batch.channel, token.channel),
        ("platform", batch.platform, token.platform),
    ):
        if given != allowed:
            raise ParameterInvalid(
                f"{name}: {given!r} was given; allowed is the token's, {allowed}. "
                "Ask for a token of the device's own."
            )


def _rollouts(batch: Batch) -> tuple[Rollout | None, Rollout | None]:
    """The rollout whose side the device is on, and the one that it runs; at most two queries."""
    counters = [n for n in (batch.rollout_counter, batch.release_counter) if n is not None]
    found: QuerySet[Rollout] = Rollout.objects.filter(
        channel__name=batch.channel, release_counter__in=counters
    ).select_related("release")
    by_counter = {rollout.release_counter: rollout for rollout in found} if counters else {}
    for name, counter in (
        ("rollout_counter", batch.rollout_counter),
        ("release_counter", batch.release_counter),
    ):
        if counter is not None and counter not in by_counter:
            raise ReportUnrelated(
                f"{name}: {counter} was given; channel {batch.channel} never had a rollout of this number. "
                "Read the catalog again."
            )
    running = by_counter.get(batch.release_counter or 0)
    if running is not None:
        _check_release(batch, running)
    return by_counter.get(batch.rollout_counter or 0), running


def _check_release(batch: Batch, running: Rollout) -> None:
    if running.release.version != batch.release:
        raise ReportUnrelated(
            f"release: {str(batch.release)[:60]!r} was given; {batch.release_counter} is the counter of "
            f"{running.release.version}. Send both as the catalog has them."
        )
    known = Bundle.objects.filter(releases=running.release, variant=batch.variant or "")
    if batch.variant is not None and not known.exists():
        raise ReportUnrelated(
            f"variant: {batch.variant[:60]!r} was given; release {batch.release} has no such bundle. "
            "Send the variant as the catalog has it."
        )


def _locked(token: tokens.Token, now: datetime) -> ReportToken:
    """The token's row, locked: two batches of one token are counted one after the other."""
    row, _ = ReportToken.objects.select_for_update().get_or_create(
        token_hash=token.sha256, defaults={"expires": token.expires, "hour": _hour(now)}
    )
    return row


def _charge(used: ReportToken, batch: Batch, now: datetime) -> None:
    if used.hour != _hour(now):
        used.hour, used.batches, used.operations = _hour(now), 0, 0
    used.batches += 1
    used.operations += sum(batch.operations.values())
    for name, amount, most in (
        ("batches", used.batches, settings.REPORT_BATCHES_PER_HOUR),
        ("operations", used.operations, settings.REPORT_OPERATIONS_PER_HOUR),
    ):
        if amount > most:
            wait = HOUR - int(now.timestamp()) % HOUR
            raise TooManyReports(
                f"{name}: with this batch the token has {amount} in this hour; allowed are {most}. "
                f"Wait {wait} s and put more into a batch.",
                wait=wait,
            )
    used.save()


def _hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)
