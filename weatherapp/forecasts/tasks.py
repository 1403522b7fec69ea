"""What Celery runs."""

from celery import shared_task

from weatherapp.forecasts import services
from weatherapp.forecasts.verification import services as verification


@shared_task(acks_late=True, ignore_result=True)
def run_cycle() -> None:
    """Forecast the current hour; harmless if delivered twice."""
    services.run_cycle()


@shared_task(acks_late=True, ignore_result=True)
def renew_run() -> None:
    """Make this hour's run again where late reports change it; harmless if delivered twice."""
    services.renew_run()


@shared_task(acks_late=True, ignore_result=True)
def verify_runs() -> None:
    """Score runs against the reports that are in; harmless if delivered twice."""
    verification.verify_runs()
