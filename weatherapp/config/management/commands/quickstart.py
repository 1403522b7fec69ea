"""`manage.py quickstart`: the main job with progress bars and a summary."""

from argparse import ArgumentParser
from pathlib import Path
from secrets import token_urlsafe
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from rich.table import Table

from mobile_models.errors import DeliveryError
from packager.console import console, progress_bars, scores_table, variants_table
from packager.contract import reference_contract
from packager.errors import PackagerError
from packager.quiet import load_tensorflow
from packager.recipes import PROFILES, get_profile
from weatherapp.config.quickstart import Quickstart
from weatherapp.forecasts.errors import ForecastError
from weatherapp.observations.errors import ObservationError

ADMIN = "admin"
COMPARED = {"temperature_2m": "°C", "precipitation_probability": "%", "wind_speed_10m": "m/s"}


class Command(BaseCommand):
    help = (
        "Train a server model on real station weather, fold it into TFLite and Core ML bundles, run and "
        "score each, release them, forecast, and let the reference phone use one. Stages whose inputs "
        "did not change are not done again: stop it at any moment and start it again."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--profile",
            default="demo",
            choices=sorted(PROFILES),
            help="demo: at most ten minutes on two cores; full: better, takes hours (default: %(default)s)",
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        call_command("migrate", verbosity=0)
        load_tensorflow()
        try:
            with progress_bars() as progress:
                job = Quickstart(get_profile(options["profile"]), progress)
                job.run()
        except (PackagerError, DeliveryError, ForecastError, ObservationError) as error:
            raise CommandError(str(error)) from error
        finally:
            _show(job.report)
        self.stdout.write(_new_admin())


def _show(report: dict[str, Any]) -> None:
    """Everything that was measured, as far as the job came."""
    contract = reference_contract()
    if "teacher" in report:
        for split in ("unseen_station", "unseen_period"):
            rows = {name: scores[split]["values"] for name, scores in report["baselines"].items()}
            for name in ("teacher", "student"):
                if name in report:
                    rows[name] = report[name]["scores"][split]["values"]
            console.print(scores_table(rows, contract, split=split, bucket="1-24"))
        for goal in report["goals"]:
            console.print(_goal(goal))
        console.print(variants_table(report["variants"]))
    if "phone" in report:
        console.print(_phone_table(report["phone"]))
    stages = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in report.get("stages", {}).items())
    console.print(f"Stages (seconds when they were done): {stages}")
    console.print(f"Figures: {Path(settings.VAR_DIR) / 'quickstart.json'}")


def _goal(goal: dict[str, Any]) -> str:
    score, baseline = goal["score"].replace("_", " "), goal["baseline"].replace("_", " ")
    verdict = "reached" if goal["met"] else "MISSED"
    figures = f"{goal['percent_below']:.1f} % below {baseline} (goal {goal['wanted_percent']:.0f} %)"
    return f"Teacher's {score} on {goal['split']}, leads {goal['leads']} h: {figures}: {verdict}"


def _phone_table(phone: dict[str, Any]) -> Table:
    table = Table("step", "what the phone did", title="Reference phone", title_justify="left")
    roles = ", ".join(f"{role} {version}" for role, version in phone["trust"]["versions"].items())
    table.add_row("trust", f"versions of signed metadata: {roles}")
    table.add_row("release", f"{phone['resolved']['release']}, {phone['bundle']['variant']}")
    table.add_row(
        "download", f"{phone['bytes_downloaded']} bytes, broken and resumed at byte {phone['resumed_at']}"
    )
    table.add_row("verify", f"{phone['digests_verified']} digests, {phone['golden']['cases']} golden cases")
    near = ", ".join(f"{s['name']} {s['distance_km']:.0f} km ({s['weight']:.0%})" for s in phone["stations"])
    table.add_row("place", near)
    hours = phone["forecast"]
    table.add_row("next hours", ", ".join(f"{t:.1f} °C" for t in hours["temperature_2m"][:6]))
    variables = phone["comparison"]["variables"]
    same = ", ".join(
        f"{name} {variables[name]['mean_abs_difference']:.2f} {unit}" for name, unit in COMPARED.items()
    )
    table.add_row("reports", f"{phone['reports']['sent']} anonymous batch of counts sent")
    table.add_row("against server", f"mean difference over {variables['temperature_2m']['hours']} h: {same}")
    return table


def _new_admin() -> str:
    """Make the first administrator; the password is shown this once and kept nowhere."""
    users = get_user_model().objects
    if users.filter(is_superuser=True).exists():
        return "An administrator exists already; `python manage.py changepassword admin` sets a new password."
    password = token_urlsafe(12)
    users.create_superuser(username=ADMIN, email="", password=password)
    change = f"`python manage.py changepassword {ADMIN}`"
    return f"Administrator: {ADMIN}, password: {password} (shown once; change it with {change})"
