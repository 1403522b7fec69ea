"""Verification as a task: count what is due, look for drift, forget what is old."""

import logging
from collections.abc import Iterator
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from weatherapp.core.drift import CLOSES_AT, LEAST_WORSE, OPENS_AT, Drift, drift
from weatherapp.forecasts.models import DriftAlarm, LeadScore, ReliabilityBin, StationScore, Verification
from weatherapp.forecasts.verification import selectors
from weatherapp.forecasts.verification.counting import (
    RUNS_AT_ONCE,
    CountedMeanwhile,
    Due,
    count,
    due_hours,
    due_runs,
)

logger = logging.getLogger(__name__)


def verify_runs(*, now: datetime | None = None) -> int:
    """Count every hour of every stored run whose reports are in; look for drift; forget what is old.

    Reports are in `VERIFICATION_DELAY_HOURS` after their hour; what comes or is corrected later is not
    counted again. Harmless to call twice, to call in two processes at once, and to kill.

    Returns:
        How many hours of runs were counted.
    """
    moment = now or timezone.now()
    counted = 0
    try:
        for due in _chunks(moment):
            counted += count(due)
    except CountedMeanwhile as error:
        logger.info("%s", error)
    if counted:
        check_drift(now=moment)
        prune_scores(now=moment)
    logger.info("verification: %d hours of runs counted", counted)
    return counted


def check_drift(*, now: datetime | None = None) -> list[DriftAlarm]:
    """Compare each variable's recent days with those before; open and close alarms.

    Returns:
        The alarms that are open now.
    """
    moment = now or timezone.now()
    for variable, days in selectors.daily_ratios(last=selectors.last_whole_day(moment)).items():
        found = drift(days)
        if found is not None:
            _judge(variable, found, moment)
    return list(selectors.open_alarms())


def prune_scores(*, now: datetime | None = None) -> int:
    """Forget scores older than `VERIFICATION_KEPT_DAYS`; gives how many rows went."""
    moment = now or timezone.now()
    day = moment.date() - timedelta(days=settings.VERIFICATION_KEPT_DAYS)
    removed = sum(
        rows.filter(day__lt=day).delete()[0]
        for rows in (LeadScore.objects, StationScore.objects, ReliabilityBin.objects)
    )
    # The newest of a forgotten day's runs reach into days that are kept: their rows stay a little longer.
    horizon = moment - timedelta(days=settings.VERIFICATION_KEPT_DAYS + 7)
    removed += Verification.objects.filter(init_time__lt=horizon).delete()[0]
    removed += DriftAlarm.objects.filter(closed__lt=horizon).delete()[0]
    return removed


def _chunks(now: datetime) -> Iterator[list[Due]]:
    """What is due, a bounded number of runs at a time; runs are opened when their turn comes."""
    runs = due_runs(now)
    counted = selectors.counted_leads(runs)
    for start in range(0, len(runs), RUNS_AT_ONCE):
        chosen = runs[start : start + RUNS_AT_ONCE]
        hours = (due_hours(run, now=now, counted=counted[run.pk]) for run in chosen)
        yield [due for due in hours if due is not None]


@transaction.atomic
def _judge(variable: str, found: Drift, now: datetime) -> None:
    """Open, keep or close a variable's alarm; figures are ratios of the score to the reference's."""
    figures = {
        "checked": now,
        "statistic": found.statistic,
        "recent": found.recent,
        "before": found.before,
    }
    alarm = DriftAlarm.objects.select_for_update().filter(variable=variable, closed=None).first()
    if alarm is None:
        if found.statistic < OPENS_AT or found.recent < found.before * LEAST_WORSE:
            return
        alarm = DriftAlarm.objects.create(variable=variable, opened=now, **figures)
        logger.warning("drift alarm: %s (%.1f standard errors)", alarm, alarm.statistic)
        return
    closed = now if found.statistic < CLOSES_AT else None
    DriftAlarm.objects.filter(pk=alarm.pk).update(closed=closed, **figures)
    if closed:
        logger.info("drift alarm of %s is closed", variable)
