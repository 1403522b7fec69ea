"""What can be done with packaging jobs."""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import F, Q
from django.utils.module_loading import import_string
from django.utils.timezone import now

from mobile_models.errors import DeliveryError
from mobile_models.services import register_bundle
from mobile_models.transitions import REGISTER, check_permission
from packager import recipes
from packager.errors import PackagerError
from packager.jobs.errors import LeaseLost, RecipeUnknown
from packager.jobs.lease import MAX_ATTEMPTS, Lease, claim_job
from packager.jobs.models import PackagingJob

logger = logging.getLogger(__name__)

# A job that waits for so long was lost by the queue, or no worker is free: telling it again does no harm.
WAIT, RESEND = timedelta(seconds=30), timedelta(minutes=10)
# What a person can act on: its sentence goes to the row, its traceback to nobody.
EXPECTED = (PackagerError, DeliveryError, OSError)


class Builder(Protocol):
    """What makes a bundle."""

    def __call__(self, recipe_name: str, *, work: Path, progress: Callable[[str, float, str], None]) -> Path:
        """Build in the work folder; report the stage, the share of all that is done (0 to 1) and a line."""


def request_build(*, recipe: str, user: User | None = None) -> PackagingJob:
    """Ask for a bundle; a worker makes it.

    Raises:
        RecipeUnknown: no recipe has this name; lists those that exist.
        NotPermitted: the person may not register what would be built.
    """
    check_permission(REGISTER, user)
    names = recipes.recipe_names()
    if recipe not in names:
        raise RecipeUnknown(f"recipe: {recipe[:60]!r} was given; allowed are {', '.join(names)}.")
    job = PackagingJob.objects.create(recipe=recipe, requested_by=user)
    _enqueue(job)
    return job


def run_build(job_id: int) -> None:
    """Build one job's bundle and register it, unless another worker has the job or it is over.

    It runs in the worker's own process: lease, progress and the end of the process are then those of
    the build, and nothing is left running when the worker is killed. What TensorFlow keeps in memory goes
    with the process, which Celery replaces (`CELERY_WORKER_MAX_MEMORY_PER_CHILD`).
    """
    claim = claim_job(job_id)
    if claim is None:
        logger.info("Job %s is not free", job_id)
        return
    job = PackagingJob.objects.get(pk=job_id)
    with Lease(job_id, claim) as lease:
        try:
            _build(job, lease)
        except LeaseLost:
            logger.warning("Job %s was taken over", job_id)
        except EXPECTED as error:
            _fail(lease, str(error))
        except Exception as error:
            _fail(lease, f"Unexpected {type(error).__name__}: {error}. The worker's log has the details.")
            raise


def sweep_jobs() -> int:
    """Enqueue the jobs that the queue lost; gives how many. Jobs that lost every worker they had fail."""
    moment = now()
    orphaned = Q(state=PackagingJob.State.RUNNING, lease_until__lt=moment)
    for job in PackagingJob.objects.filter(orphaned, attempts__gte=MAX_ATTEMPTS):
        _give_up(job, moment)
    waiting = Q(state=PackagingJob.State.WAITING, created__lt=moment - WAIT)
    # Not at every sweep: a message per sweep and job would fill the queue while all workers are busy.
    due = Q(resent=None) | Q(resent__lt=F("lease_until")) | Q(resent__lt=moment - RESEND)
    lost = list(PackagingJob.objects.filter(due, waiting | orphaned).order_by("created", "pk"))
    for job in lost:
        PackagingJob.objects.filter(pk=job.pk).update(resent=moment)
        _enqueue(job)
    return len(lost)


def _give_up(job: PackagingJob, moment: datetime) -> None:
    reason = (
        f"Its worker died or fell silent {job.attempts} times, last in stage {job.stage or 'none'}. "
        "See the workers' logs and memory, then start a new job."
    )
    held = PackagingJob.objects.filter(pk=job.pk, claim=job.claim, state=PackagingJob.State.RUNNING)
    held.update(state=PackagingJob.State.FAILED, finished=moment, message=reason)


def _build(job: PackagingJob, lease: Lease) -> None:
    work = Path(settings.WORK_DIR)
    work.mkdir(parents=True, exist_ok=True)
    build: Builder = import_string(settings.PACKAGING_BUILDER)
    lease.note(f"Attempt {job.attempts}")
    path = build(job.recipe, work=work, progress=lease.report)
    lease.report("register", 1.0, "Running the artifact and storing the bundle")
    bundle = register_bundle(path=path, by=job.requested_by)
    lease.note(f"Registered {bundle}")
    lease.write(
        state=PackagingJob.State.SUCCEEDED,
        bundle=bundle,
        progress=100,
        stage="",
        message=f"Made {bundle}",
        log=lease.log,
        finished=now(),
    )


def _fail(lease: Lease, reason: str) -> None:
    lease.note(reason)
    try:
        lease.write(state=PackagingJob.State.FAILED, message=reason, log=lease.log, finished=now())
    except LeaseLost:
        logger.warning("A job failed after it was taken over: %s", reason)


def _enqueue(job: PackagingJob) -> None:
    from packager.jobs.tasks import build_bundle

    def send() -> None:
        # The same attempt has the same task id, however often it is sent.
        build_bundle.apply_async(args=(job.pk,), task_id=f"packaging-job-{job.pk}-{job.attempts + 1}")

    # Robust: a queue that is down loses nothing, the sweep sends the job again.
    transaction.on_commit(send, robust=True)
