"""What jobs of all kinds share: one worker holds a row, errors become its message, lost rows are found."""

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

from django.db.models import F, Q
from django.utils.timezone import now

from mobile_models.errors import DeliveryError
from packager.errors import PackagerError
from packager.jobs.errors import LeaseLost
from packager.jobs.lease import MAX_ATTEMPTS, Lease, claim_job, rows_of
from packager.jobs.models import LeasedRow

logger = logging.getLogger(__name__)

# A job that waits for so long was lost by the queue, or no worker is free: telling it again does no harm.
WAIT, RESEND = timedelta(seconds=30), timedelta(minutes=10)
# What a person can act on: its sentence goes to the row, its traceback to nobody.
EXPECTED = (PackagerError, DeliveryError, OSError)
State = LeasedRow.State
Row = TypeVar("Row", bound=LeasedRow)


def work_on(
    model: type[Row],
    row_id: int,
    work: Callable[[Row, Lease], None],
    *,
    failed: Callable[[Row], None] = lambda _: None,
) -> None:
    """Do a row's work, unless another worker has the row or it is over.

    It runs in the worker's own process: lease, progress and the end of the process are then those of the
    work, and nothing is left running when the worker is killed. What TensorFlow keeps in memory goes with
    the process, which Celery replaces (`CELERY_WORKER_MAX_MEMORY_PER_CHILD`).

    Args:
        model: of the row.
        row_id: its key.
        work: given the row and its lease; writes the row's end itself.
        failed: told of the row when an error was written on it.
    """
    claim = claim_job(row_id, model)
    if claim is None:
        logger.info("%s %s is not free", model.__name__, row_id)
        return
    row = rows_of(model).get(pk=row_id)
    with Lease(row_id, claim, model) as lease:
        try:
            work(row, lease)
        except LeaseLost:
            logger.warning("%s %s was taken over", model.__name__, row_id)
        except EXPECTED as error:
            _fail(row, lease, str(error), failed)
        except Exception as error:
            reason = f"Unexpected {type(error).__name__}: {error}. The worker's log has the details."
            _fail(row, lease, reason, failed)
            raise


def _fail(row: Row, lease: Lease, reason: str, failed: Callable[[Row], None]) -> None:
    lease.note(reason)
    try:
        lease.write(state=State.FAILED, message=reason, log=lease.log, finished=now())
    except LeaseLost:
        logger.warning("%s failed after it was taken over: %s", row, reason)
        return
    row.refresh_from_db()
    failed(row)


def sweep(
    model: type[Row],
    enqueue: Callable[[Row], None],
    *,
    advice: str,
    failed: Callable[[Row], Any] = lambda _: None,
) -> int:
    """Enqueue the rows that the queue lost; gives how many. Rows that lost every worker they had fail.

    Args:
        model: of the rows.
        enqueue: tells the queue of one.
        advice: what a person can do about a row that lost its workers.
        failed: told of each that was given up.
    """
    moment, rows = now(), rows_of(model)
    orphaned = Q(state=State.RUNNING, lease_until__lt=moment)
    for row in rows.filter(orphaned, attempts__gte=MAX_ATTEMPTS):
        stage = row.stage or "none"
        reason = f"Its worker died or fell silent {row.attempts} times, last in stage {stage}. {advice}"
        held = rows.filter(pk=row.pk, claim=row.claim, state=State.RUNNING)
        if held.update(state=State.FAILED, finished=moment, message=reason):
            row.refresh_from_db()
            failed(row)
    waiting = Q(state=State.WAITING, created__lt=moment - WAIT)
    # Not at every sweep: a message per sweep and job would fill the queue while all workers are busy.
    due = Q(resent=None) | Q(resent__lt=F("lease_until")) | Q(resent__lt=moment - RESEND)
    lost = list(rows.filter(due, waiting | orphaned).order_by("created", "pk"))
    for row in lost:
        rows.filter(pk=row.pk).update(resent=moment)
        enqueue(row)
    return len(lost)
