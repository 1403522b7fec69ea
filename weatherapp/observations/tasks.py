"""What Celery runs."""

import logging

from celery import shared_task

from weatherapp.observations import passes, retention
from weatherapp.observations.errors import ObservationError

logger = logging.getLogger(__name__)
SOFT_SECONDS, HARD_SECONDS = 600, 660  # shorter than `feed_state.HELD`


@shared_task(acks_late=True, ignore_result=True, soft_time_limit=SOFT_SECONDS, time_limit=HARD_SECONDS)
def ingest_feed(name: str) -> None:
    """One pass of a feed; harmless if delivered twice. A feed that is down is a state, not an error."""
    try:
        passes.run_pass(name=name)
    except ObservationError as error:
        logger.warning("feed %s: %s", name, error)


@shared_task(acks_late=True, ignore_result=True)
def keep_to_limits() -> None:
    """Archive old months and forget old refusals; harmless if delivered twice."""
    try:
        retention.keep_to_limits()
    except ObservationError as error:
        logger.warning("archive: %s", error)
