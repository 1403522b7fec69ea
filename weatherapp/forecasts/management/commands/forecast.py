"""Run one forecast cycle now: `manage.py forecast`."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from mobile_models.errors import DeliveryError
from packager.errors import PackagerError
from weatherapp.forecasts import services
from weatherapp.forecasts.errors import ForecastError
from weatherapp.observations.errors import ObservationError


class Command(BaseCommand):
    help = "Forecast every station for the current hour and make the run current."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--again", action="store_true", help="even where this hour was forecast already")

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            run = services.run_cycle(again=options["again"])
        except (ForecastError, ObservationError, DeliveryError, PackagerError) as error:
            raise CommandError(str(error), returncode=2) from error
        self.stdout.write(f"run {run.folder}: {run.stations} stations, release {run.release.version}")
