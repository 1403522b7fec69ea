"""What can be done with packaging jobs."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.utils.module_loading import import_string
from django.utils.timezone import now

from mobile_models.services import register_bundle
from mobile_models.transitions import REGISTER, check_permission
from packager import recipes
from packager.jobs.errors import RecipeUnknown
from packager.jobs.lease import Lease
from packager.jobs.models import PackagingJob
from packager.jobs.working import sweep, work_on


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
    names = recipes.deliverable_names()
    if recipe not in names:
        raise RecipeUnknown(f"recipe: {recipe[:60]!r} was given; allowed are {', '.join(names)}.")
    job = PackagingJob.objects.create(recipe=recipe, requested_by=user)
    _enqueue(job)
    return job


def run_build(job_id: int) -> None:
    """Build one job's bundle and register it, unless another worker has the job or it is over."""
    work_on(PackagingJob, job_id, _build)


def sweep_jobs() -> int:
    """Enqueue the jobs that the queue lost; gives how many. Jobs that lost every worker they had fail."""
    advice = "See the workers' logs and memory, then start a new job."
    return sweep(PackagingJob, _enqueue, advice=advice)


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


def _enqueue(job: PackagingJob) -> None:
    from packager.jobs.tasks import build_bundle

    def send() -> None:
        # The same attempt has the same task id, however often it is sent.
        build_bundle.apply_async(args=(job.pk,), task_id=f"packaging-job-{job.pk}-{job.attempts + 1}")

    # Robust: a queue that is down loses nothing, the sweep sends the job again.
    transaction.on_commit(send, robust=True)
