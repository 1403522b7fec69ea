"""Questions about runs."""

from datetime import datetime, timedelta

from django.utils import timezone

from weatherapp.forecasts.errors import NoCurrentRun
from weatherapp.forecasts.models import ForecastRun


def current_run() -> ForecastRun:
    """The newest stored run with its release. One query.

    Raises:
        NoCurrentRun: none was stored yet.
    """
    run = ForecastRun.objects.filter(state=ForecastRun.State.STORED).select_related("release").first()
    if run is None:
        raise NoCurrentRun(
            "There is no forecast yet: no run was stored. Release a model, then run `manage.py forecast`."
        )
    return run


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


def run_age(run: ForecastRun, now: datetime | None = None) -> timedelta:
    """How long ago a run's init time was: what an answer that comes from it says of itself."""
    return (now or timezone.now()) - run.init_time
