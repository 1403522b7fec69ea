"""Celery tasks of delivery. Each is harmless if delivered twice."""

from celery import shared_task
from django.utils import timezone

from mobile_models import deltas, services
from mobile_models.health import services as health
from mobile_models.models import Bundle
from mobile_models.reports import services as reports
from mobile_models.signing import services as signing


@shared_task(acks_late=True, ignore_result=True)
def make_deltas(bundle_id: int) -> None:
    """Make the patches to a bundle that are not there yet."""
    bundle = Bundle.objects.filter(pk=bundle_id).first()
    if bundle is not None:  # a row that is gone needs nothing
        deltas.make_deltas(bundle)


@shared_task(ignore_result=True)
def sweep_deltas() -> None:
    """Ask again for the patches that the queue lost."""
    deltas.sweep_deltas()


@shared_task(ignore_result=True)
def advance_rollouts() -> None:
    """Begin scheduled rollouts, and take the stages that are due."""
    services.advance_rollouts()


@shared_task(ignore_result=True)
def evaluate_rollouts() -> None:
    """Weigh the reports of staged rollouts; harmless if delivered twice, as a window is weighed once."""
    health.evaluate_rollouts()


@shared_task(ignore_result=True)
def forget_reports() -> None:
    """Delete raw report batches and tokens that are past their time."""
    reports.forget(now=timezone.now())


@shared_task(ignore_result=True)
def publish_catalogs() -> None:
    """Publish what is offered if that was missed, and renew signed metadata before it expires."""
    signing.refresh()


@shared_task(ignore_result=True)
def forget_metadata() -> None:
    """Delete old signed metadata that nobody can ask for any more."""
    signing.forget()
