"""`manage.py simulate_fleet`: a staged rollout to devices that never were, against a real server."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from argparse import ArgumentParser, ArgumentTypeError
from itertools import pairwise
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from mobile_models.device import PERF_CLASSES
from mobile_models.errors import DeliveryError
from mobile_models.fleet.devices import Fault, Fleet, parse_fault
from mobile_models.fleet.driver import Driver, SimulationFailed
from weatherapp.config.processes import web_server
from weatherapp.config.simulation import (
    CHANNEL,
    LocalSteward,
    RemoteSteward,
    Simulation,
    Steward,
    stage_rollout,
    write_html,
)

INSIDE = "SKYFOLD_SIMULATION"
STAGES = "1,2,5,10,25,50,100"
LATE = 0.10
LONGEST_HOUR = 86_400
# Services of the machine that the simulation must not touch.
FOREIGN = ("DATABASE_URL", "CACHE_URL", "CELERY_BROKER_URL", "SECRET_KEY", "KEYS_DIR")


class Command(BaseCommand):
    help = (
        "Roll a release out to a simulated fleet: a web server with a database of its own is started, its "
        "devices read the signed catalog and report over HTTP; the server weighs the reports every simulated "
        "hour, widens the rollout while it is healthy and halts it if it is not. "
        "Exit status 0 if it went as it should: with --fault, halted before 10 % of the fleet; with --forged "
        "and no fault, not halted; with neither, complete. Otherwise 1."
    )

    # The database that they would look at is made by the command itself.
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        _number(parser, "--devices", 10_000, 100, 1_000_000, "devices")
        _number(parser, "--stage-hours", 12, 1, 1000, "simulated hours of a stage")
        _number(parser, "--hours", 336, 1, 10_000, "at most so many simulated hours")
        _number(parser, "--seed", 1, 0, 2**32, "same seed, same fleet")
        parser.add_argument(
            "--fault",
            type=_fault,
            help="what is wrong with the release: crash:0.02 (on that share of devices), skill:0.10 or "
            f"latency:0.5 (worse by that much); with :{', :'.join(PERF_CLASSES)} on one class only",
        )
        parser.add_argument(
            "--forged", type=_forged, default=0.0, help="share of devices that send forged crashes, as 0.01"
        )
        parser.add_argument(
            "--forgers-claim",
            choices=("exposed", "own"),
            default="exposed",
            help="which side of the rollout they say they are on (default: %(default)s)",
        )
        parser.add_argument("--stages", type=_stages, default=STAGES, help="percent (default: %(default)s)")
        parser.add_argument(
            "--url",
            help="report to this server instead, about its newest rollout; its own beat weighs",
        )
        parser.add_argument(
            "--hour-seconds",
            type=_seconds,
            default=60.0,
            help="with --url, an hour's length (default: %(default)s)",
        )
        parser.add_argument("--channel", default=CHANNEL, help="with --url (default: %(default)s)")
        parser.add_argument("--html", type=Path, help="write the plots to this file")
        parser.add_argument("--json", action="store_true", help="print the result as JSON, not as a table")

    def handle(self, *_args: Any, **options: Any) -> None:
        # A polite stop ends the children too.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            self._simulate(options)
        except KeyboardInterrupt:
            sys.exit("Stopped. Its server and its database are gone.")

    def _simulate(self, options: dict[str, Any]) -> None:
        if INSIDE not in os.environ and not options["url"]:
            sys.exit(_in_a_place_of_its_own())
        try:
            result = _simulated(options)
        except (DeliveryError, SimulationFailed) as error:
            raise CommandError(str(error)) from error
        result["as_it_should"] = _as_it_should(result, options)
        if options["html"]:
            write_html(options["html"], result, _title(options))
        if options["json"]:
            self.stdout.write(json.dumps(result))
        else:
            Console().print(_table(result, _title(options)))
        if not result["as_it_should"]:
            sys.exit(1)


def _in_a_place_of_its_own() -> int:
    """Run this command again with a folder, and so a database, keys and settings, of its own."""
    with tempfile.TemporaryDirectory(prefix="skyfold-fleet-") as folder:
        kept = {name: value for name, value in os.environ.items() if name not in FOREIGN}
        simulated = {
            INSIDE: "1",
            "SKYFOLD_VAR": folder,
            "LOG_LEVEL": "ERROR",
            # An hour passes in seconds, and every device calls from this machine.
            "REPORT_WINDOW_MINUTES": "0.01",
            "REPORT_TOKENS_PER_HOUR": "100000000",
            "REPORT_BATCHES_PER_HOUR": "100000",
            "REPORT_OPERATIONS_PER_HOUR": "1000000000",
        }
        command = [sys.executable, str(Path(settings.BASE_DIR) / "manage.py"), *sys.argv[1:]]
        process = subprocess.Popen(command, env=kept | simulated)  # noqa: S603 - this command
        try:
            return process.wait()
        finally:
            process.terminate()
            process.wait()


def _simulated(options: dict[str, Any]) -> dict[str, Any]:
    if options["url"]:
        with tempfile.TemporaryDirectory() as folder:
            driver = Driver(options["url"], Path(folder), channel=options["channel"])
            return _run(options, driver, RemoteSteward(options["hour_seconds"]))
    call_command("migrate", verbosity=0)
    steward = LocalSteward(stage_rollout(options["stages"]), options["stage_hours"])
    with web_server() as url:
        return _run(options, Driver(url, Path(settings.VAR_DIR) / "devices", channel=CHANNEL), steward)


def _run(options: dict[str, Any], driver: Driver, steward: Steward) -> dict[str, Any]:
    fleet = Fleet(
        options["devices"],
        seed=options["seed"],
        fault=options["fault"],
        forged=options["forged"],
        forgers_claim=options["forgers_claim"],
    )
    said = TextColumn("{task.description}")
    columns = (TextColumn("hour"), MofNCompleteColumn(), BarColumn(), said, TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("starting", total=options["hours"])

        def show(hour: int, share: float, found: str) -> None:
            bar.update(task, completed=hour, description=f"{share:.0%} of the fleet, {found}")

        return Simulation(fleet, driver, steward, options["hours"], show).run()


def _as_it_should(result: dict[str, Any], options: dict[str, Any]) -> bool:
    outcome = str(result["outcome"])
    if options["fault"]:
        return outcome == "halted" and float(result["share"]) < LATE
    return outcome != "halted" if options["forged"] else outcome == "complete"


def _title(options: dict[str, Any]) -> str:
    fault: Fault | None = options["fault"]
    what = f"{fault.kind} {fault.size:g} {fault.perf_class}".strip() if fault else "no fault"
    forged = f", {options['forged']:.1%} forge reports" if options["forged"] else ""
    return f"{options['devices']:,} devices, {what}{forged}"


def _table(result: dict[str, Any], title: str) -> Table:
    table = Table("what", "result", title=title, title_justify="left")
    table.add_row("outcome", f"{result['outcome']} at {result['share']:.0%} after {result['hour']} hours")
    table.add_row("devices in the share", f"{result['exposed']:,} of {result['devices']:,}")
    table.add_row("devices that had the release", f"{result['had_the_release']:,}")
    if result["reason"]:
        table.add_row("why", result["reason"])
    if result["decisions"]:
        table.add_row("findings", ", ".join(f"{name}: {said}" for name, said in result["decisions"].items()))
    table.add_row("as it should", "yes" if result["as_it_should"] else "NO")
    return table


def _fault(text: str) -> Fault:
    try:
        return parse_fault(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from error


def _forged(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share < 1:
        raise ArgumentTypeError(f"{text[:60]!r} was given; allowed are shares from 0 to below 1: 0.01.")
    return share


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= LONGEST_HOUR:
        raise ArgumentTypeError(f"{text[:60]!r} was given; allowed are seconds from 0 to {LONGEST_HOUR}.")
    return seconds


def _stages(text: str) -> list[int]:
    """Percent as basis points, each more than the one before, up to everyone."""
    try:
        shares = [round(float(part) * 100) for part in text.split(",")]
    except (ValueError, OverflowError):
        shares = []
    growing = all(later > earlier for earlier, later in pairwise(shares))
    if len(shares) < 2 or not growing or shares[0] < 1 or shares[-1] != 10_000:
        raise ArgumentTypeError(f"{text[:60]!r} was given; allowed are growing percents up to 100: {STAGES}.")
    return shares


def _number(parser: ArgumentParser, name: str, default: int, least: int, most: int, what: str) -> None:
    """Add an option that takes a whole number."""

    def read(text: str) -> int:
        if not text.isdecimal() or not least <= int(text[:12]) <= most:
            raise ArgumentTypeError(
                f"{text[:60]!r} was given; allowed are whole numbers from {least} to {most}."
            )
        return int(text)

    parser.add_argument(name, type=read, default=default, help=f"{what} (default: %(default)s)")
