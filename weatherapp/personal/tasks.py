"""What Celery runs. Messages hold keys only: nothing about a device stands in the queue or in a log."""

from celery import shared_task
from django.utils import timezone

from weatherapp.forecasts.errors import NoCurrentRun
from weatherapp.personal import alerts, deliveries, retention


@shared_task(ignore_result=True)
def evaluate_rules() -> None:
    """Hold rules against the current run, each device once; harmless if delivered twice."""
    try:
        alerts.evaluate_rules()
    except NoCurrentRun:
        return  # the forecast cycle says so itself


@shared_task(acks_late=True, ignore_result=True)
def deliver(delivery_id: int) -> None:
    """Try to deliver one entry; harmless if delivered twice."""
    deliveries.deliver(delivery_id)


@shared_task(ignore_result=True)
def sweep_deliveries() -> None:
    """Try what is due: second attempts, and what the queue lost."""
    for delivery_id in deliveries.due(timezone.now()):
        deliveries.deliver(delivery_id)


@shared_task(ignore_result=True)
def forget() -> None:
    """Erase silent devices, and what is no longer needed of the others."""
    retention.forget(now=timezone.now())
