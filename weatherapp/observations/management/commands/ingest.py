"""Bring in what a feed has: `manage.py ingest metar --source bulletins/`."""

from argparse import ArgumentTypeError, RawDescriptionHelpFormatter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser, DjangoHelpFormatter

from weatherapp.observations.errors import ObservationError
from weatherapp.observations.feeds import FEEDS
from weatherapp.observations.passes import PassReport, Wishes, run_pass

EXAMPLES = """\
examples:
  manage.py ingest metar --source bulletins/ --stations stations.csv
  manage.py ingest metar --source https://example.org/metars.cache.csv.gz
  manage.py ingest isd_lite --source isd/ --since 2024-01-01
  manage.py ingest open_meteo --source https://example.org/v1/forecast --place twente,52.28,6.87,35
  manage.py ingest replay

Without options it does what beat does, with the sources of the settings (FEED_METAR_SOURCE, ...).
It ends with 0 when the pass was stored, also if reports of it were refused: the last lines count them
and give the feed's state. It ends with 2 when the source is missing, down or no data, and for wrong
arguments; what was stored before stays.
"""


class Command(BaseCommand):
    help = "Fetch, check and store what a feed has up to now."

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        parser = super().create_parser(prog_name, subcommand, epilog=EXAMPLES, **kwargs)
        parser.formatter_class = _Formatter
        return parser

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("feed", help=f"one of {', '.join(FEEDS)}")
        parser.add_argument(
            "--source",
            default="",
            metavar="WHERE",
            help="folder, file or http(s) address to read instead of the configured one",
        )
        parser.add_argument(
            "--stations",
            default="",
            metavar="WHERE",
            help="list of stations, a file or an address: for metar a CSV with the columns code, name, "
            "latitude, longitude, elevation; for isd_lite isd-history.csv; for meteostat full.json or "
            "lite.json",
        )
        parser.add_argument(
            "--place",
            action="append",
            default=[],
            metavar="CODE,LAT,LON,ELEV",
            help="ask open_meteo for this place; may come several times",
        )
        parser.add_argument(
            "--since",
            type=_time,
            metavar="TIME",
            help="leave out what is before, such as 2026-07-01 or 2026-07-01T06:00, UTC; metar reads back "
            "to it",
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


class _Formatter(DjangoHelpFormatter, RawDescriptionHelpFormatter):
    """Django's order of options, and examples that keep their lines."""


def _counts(counts: Mapping[str, int]) -> str:
    return "; ".join(f"{count} × {what}" for what, count in sorted(counts.items()))


def _time(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is no time; write 2026-07-01 or 2026-07-01T06:00") from error
    time = time if time.tzinfo else time.replace(tzinfo=UTC)
    if time > datetime.now(UTC):
        raise ArgumentTypeError(f"{text} is still to come; give a time that is past")
    return time
