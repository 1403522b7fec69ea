"""What Celery runs."""

from celery import shared_task

from weatherapp.forecasts import services


@shared_task(acks_late=True, ignore_result=True)
def run_cycle() -> None:
    """Forecast the current hour; harmless if delivered twice."""
    services.run_cycle()


@shared_task(acks_late=True, ignore_result=True)
def renew_run() -> None:
    """Make this hour's run again where late reports change it; harmless if delivered twice."""
    services.renew_run()
