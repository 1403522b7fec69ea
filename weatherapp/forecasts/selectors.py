"""Questions about runs."""

from datetime import datetime, timedelta

from django.utils import timezone

from weatherapp.forecasts.errors import NoCurrentRun
from weatherapp.forecasts.models import ForecastRun

LATE_AFTER = timedelta(hours=2)  # a cycle an hour, and one that may be missed


def current_run() -> ForecastRun:
    """The newest stored run with its release. One query.

    Raises:
        NoCurrentRun: none was stored yet.
    """
    run = last_run()
    if run is None:
        raise NoCurrentRun(
            "There is no forecast yet: no run was stored. Release a model, then run `manage.py forecast`."
        )
    return run


def last_run() -> ForecastRun | None:
    """The newest stored run with its release, or None. One query."""
    return ForecastRun.objects.filter(state=ForecastRun.State.STORED).select_related("release").first()


def failure_since(run: ForecastRun) -> ForecastRun | None:
    """The newest failed run that was begun after a stored one: why there is no newer."""
    failed = ForecastRun.objects.filter(state=ForecastRun.State.FAILED, created__gt=run.created)
    return failed.order_by("-created").first()


def stored_run_of(*, init_time: datetime, release_id: int, bundle_sha256: str) -> ForecastRun | None:
    """The stored run of an init time with a release's server model, if there is one."""
    return ForecastRun.objects.filter(
        init_time=init_time,
        release_id=release_id,
        bundle_sha256=bundle_sha256,
        state=ForecastRun.State.STORED,
    ).first()


def run_ending(before: datetime) -> ForecastRun | None:
    """The newest stored run whose init time is not after `before`, with its release; None without one."""
    stored = ForecastRun.objects.filter(state=ForecastRun.State.STORED, init_time__lte=before)
    return stored.select_related("release").first()


def run_of_release(version: str) -> ForecastRun | None:
    """The newest stored run that was made with a release; None without one."""
    stored = ForecastRun.objects.filter(state=ForecastRun.State.STORED, release__version=version)
    return stored.select_related("release").first()


def served_releases() -> list[str]:
    """Versions of the releases that stored runs were made with, newest first."""
    stored = ForecastRun.objects.filter(state=ForecastRun.State.STORED)
    return list(dict.fromkeys(stored.values_list("release__version", flat=True)))


def run_age(run: ForecastRun, now: datetime | None = None) -> timedelta:
    """How long ago a run's init time was: what an answer that comes from it says of itself."""
    return (now or timezone.now()) - run.init_time


def run_condition(run: ForecastRun, now: datetime | None = None) -> str:
    """A sentence for operators, free of secrets: the run, its age, and that a newer one is overdue."""
    age = run_age(run, now)
    said = f"{run.folder}, {age.total_seconds() / 3600:.1f} hours old"
    failure = failure_since(run)
    if failure:
        cause = failure.reason.partition(":")[0]  # what follows may name paths and hosts
        return f"degraded: {said}; the last cycle failed ({cause}). The admin shows why."
    if age > LATE_AFTER:
        return f"degraded: {said}; no cycle has run since. Look at the worker and at beat."
    return said
