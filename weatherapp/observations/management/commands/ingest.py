"""Bring in what a feed has: `manage.py ingest replay`."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from weatherapp.observations import services
from weatherapp.observations.errors import ObservationError
from weatherapp.observations.feeds import FEEDS, open_feed


class Command(BaseCommand):
    help = "Fetch, check and store what a feed has up to now."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("feed", help=f"one of {', '.join(sorted(FEEDS))}")

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            report = services.ingest(feed=open_feed(options["feed"]), now=timezone.now())
        except ObservationError as error:
            raise CommandError(str(error), returncode=2) from error
        rejected = "; ".join(f"{count} × {check}" for check, count in sorted(report.rejected.items()))
        self.stdout.write(
            f"{report.feed}: {report.reports} reports of {report.stations} stations; "
            f"rejected: {rejected or 'nothing'}"
        )
