"""How long things stay in the database."""

from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone

from weatherapp.observations.models import Rejection


def archived_before() -> datetime:
    """Months that ended by this time are archived."""
    return timezone.now() - timedelta(days=settings.OBSERVATIONS_KEPT_DAYS)


def forget_rejections() -> int:
    """Delete what was refused too long ago; gives how many rows went."""
    oldest = timezone.now() - timedelta(days=settings.REJECTIONS_KEPT_DAYS)
    return Rejection.objects.filter(received__lt=oldest).delete()[0]


def keep_to_limits() -> None:
    """Archive old months and delete old refusals; harmless if done twice.

    Raises:
        ArchiveBusy, ArchiveUnusable: as `archive.archive_months`; refusals were deleted all the same.
    """
    # Imported here: the worker pays for Parquet once a day, and the web process never.
    from weatherapp.observations import archive

    forget_rejections()
    archive.archive_months(before=archived_before(), folder=settings.ARCHIVE_DIR)
