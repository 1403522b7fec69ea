"""What Celery runs."""

from celery import shared_task

from weatherapp.forecasts import services


@shared_task(acks_late=True, ignore_result=True)
def run_cycle() -> None:
    """Forecast the current hour; harmless if delivered twice."""
    services.run_cycle()
