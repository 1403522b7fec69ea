"""Celery tasks. Each is harmless if delivered twice."""

from celery import shared_task

from packager.jobs import searching, services


@shared_task(acks_late=True, ignore_result=True)
def build_bundle(job_id: int) -> None:
    """Build one job's bundle.

    A worker that is killed acknowledges nothing, but Redis gives the message out again only after its
    visibility timeout of an hour, and a folder as queue never: the sweep is what finishes the job.
    """
    services.run_build(job_id)


@shared_task(acks_late=True, ignore_result=True)
def run_trial(row_id: int) -> None:
    """Run one trial of a search; the row of the next one is made, and sent, when it is done."""
    searching.run_trial(row_id)


@shared_task(ignore_result=True)
def sweep_jobs() -> None:
    """Enqueue the jobs and trials that the queue lost."""
    services.sweep_jobs()
    searching.sweep_trials()
