"""Celery tasks. Each is harmless if delivered twice."""

from celery import shared_task

from packager.jobs import services


@shared_task(acks_late=True, ignore_result=True)
def build_bundle(job_id: int) -> None:
    """Build one job's bundle.

    A worker that is killed acknowledges nothing, but Redis gives the message out again only after its
    visibility timeout of an hour, and a folder as queue never: the sweep is what finishes the job.
    """
    services.run_build(job_id)


@shared_task(ignore_result=True)
def sweep_jobs() -> None:
    """Enqueue the jobs that the queue lost."""
    services.sweep_jobs()
