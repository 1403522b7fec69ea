"""Bring in what a feed has: `manage.py ingest metar --source bulletins/`."""

from argparse import ArgumentTypeError
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from weatherapp.observations.errors import ObservationError
from weatherapp.observations.feeds import FEEDS
from weatherapp.observations.passes import PassReport, Wishes, run_pass


class Command(BaseCommand):
    help = "Fetch, check and store what a feed has up to now."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("feed", help=f"one of {', '.join(FEEDS)}")
        parser.add_argument("--source", default="", help="folder, file or http(s) address to read instead")
        parser.add_argument("--stations", default="", help="list of stations to use instead")
        parser.add_argument(
            "--place",
            action="append",
            default=[],
            metavar="CODE,LAT,LON,ELEV",
            help="ask open_meteo for this place; may come several times",
        )
        parser.add_argument(
            "--since", type=_time, help="leave out what is before, such as 2026-07-01 or …T06:00"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        wishes = Wishes(
            source=options["source"],
            stations=options["stations"],
            places=tuple(options["place"]),
            since=options["since"],
        )
        go_on = False
        while True:
            try:
                report = run_pass(name=options["feed"], wishes=wishes, go_on=go_on)
            except ObservationError as error:
                raise CommandError(str(error), returncode=2) from error
            self._show(report)
            if not report.more:
                return
            go_on = True

    def _show(self, report: PassReport) -> None:
        stored = report.stored
        self.stdout.write(
            f"{stored.feed}: {stored.reports} reports of {stored.stations} stations "
            f"({stored.new} new, {stored.changed} changed, {stored.unchanged} as before); "
            f"rejected: {_counts(stored.rejected) or 'nothing'}"
        )
        if stored.guidance:
            self.stdout.write(f"guidance: {stored.guidance} hours new or changed")
        if report.passed_over:
            self.stdout.write(f"passed over: {_counts(report.passed_over)}")
        if report.unchanged:
            self.stdout.write(f"unchanged since the last pass: {report.unchanged} files")
        if report.waiting:
            self.stdout.write(f"left for the next pass: {len(report.waiting)}, first {report.waiting[0]}")
        self.stdout.write(f"state: {report.state}{'. ' + report.reason if report.reason else ''}")


def _counts(counts: Mapping[str, int]) -> str:
    return "; ".join(f"{count} × {what}" for what, count in sorted(counts.items()))


def _time(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is no time; write 2026-07-01 or 2026-07-01T06:00") from error
    return time if time.tzinfo else time.replace(tzinfo=UTC)
