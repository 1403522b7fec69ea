"""Move old months to Parquet: `manage.py archive_observations`."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from weatherapp.observations.errors import ObservationError


class Command(BaseCommand):
    help = "Move whole months of observations and guidance that are older than is kept to Parquet files."

    def add_arguments(self, parser: CommandParser) -> None:
        kept = settings.OBSERVATIONS_KEPT_DAYS
        parser.add_argument(
            "--before",
            metavar="YYYY-MM",
            help=f"archive the months before this one (default: those that ended {kept} days ago)",
        )
        parser.add_argument(
            "--folder",
            type=Path,
            default=settings.ARCHIVE_DIR,
            help="where the files are kept (default: %(default)s)",
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        # Imported here: naming the command must not cost Parquet.
        from weatherapp.observations import archive, retention

        before = _month(options["before"]) if options["before"] else retention.archived_before()
        try:
            months = archive.archive_months(before=before, folder=options["folder"])
        except ObservationError as error:
            raise CommandError(str(error), returncode=2) from error
        for done in months:
            self.stdout.write(f"{done.path}: {done.rows} rows moved, {done.total} in the file")
        gone = retention.forget_rejections()
        self.stdout.write(
            f"{len(months)} files written for months before {before:%Y-%m-%d}; {gone} old rejections deleted"
        )


def _month(text: str) -> datetime:
    try:
        month = datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC)
    except ValueError as error:
        raise CommandError(f"--before is {text!r}; give a month such as 2026-07.", returncode=2) from error
    if month > datetime.now(UTC):
        raise CommandError(f"--before is {text}, which is to come; months must be over.", returncode=2)
    return month
