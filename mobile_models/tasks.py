"""Celery tasks of delivery. Each is harmless if delivered twice."""

from celery import shared_task

from mobile_models import deltas
from mobile_models.models import Bundle


@shared_task(acks_late=True, ignore_result=True)
def make_deltas(bundle_id: int) -> None:
    """Make the patches to a bundle that are not there yet."""
    deltas.make_deltas(Bundle.objects.get(pk=bundle_id))


@shared_task(ignore_result=True)
def sweep_deltas() -> None:
    """Ask again for the patches that the queue lost."""
    deltas.sweep_deltas()
