"""Make a dataset of what was ingested: `manage.py build_dataset OUT.parquet`."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from weatherapp.observations.errors import ObservationError

if TYPE_CHECKING:  # naming the command must not cost Parquet
    from weatherapp.observations.building import Built

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


class Command(BaseCommand):
    help = (
        "Write a dataset that `python -m packager train --dataset` takes, of what was ingested and archived."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("out", type=Path, metavar="OUT.parquet", help="the file to write")
        parser.add_argument(
            "--since", metavar="YYYY-MM-DD", help="first day, UTC (default: the first there is)"
        )
        parser.add_argument("--until", metavar="YYYY-MM-DD", help="last day, UTC (default: today)")
        parser.add_argument(
            "--stations", nargs="+", default=[], metavar="CODE", help="default: all that reported"
        )
        parser.add_argument(
            "--with-guidance",
            action="store_true",
            help="put guidance beside it, as OUT.guidance.parquet, which makes models that take guidance",
        )
        parser.add_argument(
            "--guidance-source", default="", metavar="NAME", help="the numerical model, of several"
        )
        parser.add_argument(
            "--archive",
            type=Path,
            default=settings.ARCHIVE_DIR,
            help="folder of archived months (default: %(default)s)",
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        from weatherapp.observations.building import Wanted, build_dataset

        first = _day(options["since"], "--since") if options["since"] else BEGINNING
        last = _day(options["until"], "--until") + timedelta(hours=23) if options["until"] else timezone.now()
        if first > last:
            raise CommandError(
                f"--since {options['since']} is after --until {options['until'] or 'today'}.", returncode=2
            )
        wanted = Wanted(
            first=first,
            last=last,
            stations=tuple(dict.fromkeys(options["stations"])),
            guidance=options["with_guidance"] or bool(options["guidance_source"]),
            source=options["guidance_source"],
        )
        try:
            built = build_dataset(out=options["out"], wanted=wanted, archive=options["archive"])
        except ObservationError as error:
            raise CommandError(str(error), returncode=2) from error
        self.stdout.write(_summary(built))


def _day(text: str, option: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError as error:
        raise CommandError(f"{option} is {text!r}; give a day such as 2026-07-04.", returncode=2) from error


def _summary(built: "Built") -> str:
    missing = [f"  {name:<14}{share:7.1%} missing" for name, share in built.missing.items()]
    labels = [
        f"  {origin.replace('_', ' ')}: "
        + ", ".join(f"{n} {kind.replace('_', ' ')}" for kind, n in kinds.items())
        for origin, kinds in built.labels.items()
    ]
    guidance = f"{built.guidance} rows of {built.source}" if built.guidance else "none"
    span = f"{built.first:%Y-%m-%dT%H}Z to {built.last:%Y-%m-%dT%H}Z"
    return "\n".join(
        (
            f"{built.path}: {built.hours} hours of {built.stations} stations, {span}",
            *missing,
            "precipitation type, from",
            *labels,
            f"guidance: {guidance}",
            f"Train with it: python -m packager train --dataset {built.path}",
        )
    )
