"""Score past runs against what was observed: `manage.py verify_forecasts`, or with `--hindcast 7` at once."""

import argparse
import sys
from collections.abc import Callable
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from mobile_models.errors import DeliveryError
from packager.errors import PackagerError
from weatherapp.forecasts.errors import ForecastError
from weatherapp.forecasts.verification import services
from weatherapp.forecasts.verification.hindcast import hindcast
from weatherapp.observations.errors import ObservationError

MOST_DAYS = 365


class Command(BaseCommand):
    help = "Count every hour of every stored run whose reports are in. Harmless to run twice."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--hindcast",
            type=_between(1, MOST_DAYS),
            metavar="DAYS",
            help="first forecast from so many past days with the live release, from the replay if it is on; "
            "scores of stations that the release was trained on flatter it",
        )
        parser.add_argument(
            "--every", type=_between(1, 24), default=3, help="hours from one hindcast to the next (default 3)"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            hours = 0
            if options["hindcast"]:
                hours = hindcast(days=options["hindcast"], every=options["every"], progress=self._progress)
                self.stderr.write("")
            hours += services.verify_runs()
            alarms = services.check_drift()
        except (ForecastError, ObservationError, DeliveryError, PackagerError) as error:
            raise CommandError(str(error), returncode=2) from error
        self.stdout.write(f"{hours} hours of forecasts counted; {len(alarms)} drift alarms open")
        for alarm in alarms:
            self.stdout.write(f"  {alarm}")

    def _progress(self, share: float, text: str) -> None:
        if sys.stderr.isatty():
            self.stderr.write(f"\r{share:4.0%}  {text:<60}", ending="")


def _between(low: int, high: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not text.isascii() or not text.isdecimal() or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"{text[:20]!r} was given; allowed: {low} to {high}")
        return int(text)

    return read
