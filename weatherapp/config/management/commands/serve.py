"""`manage.py serve`: the web server and a worker with its clock, until Ctrl-C."""

import signal
import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from weatherapp.config.processes import HOST, running, web_command, worker_command

PLACE = "latitude=39.74&longitude=-104.99"


class Command(BaseCommand):
    help = "Serve on 127.0.0.1:8000 with a worker for packaging jobs and forecast cycles; Ctrl-C stops both."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=8000, help="port on 127.0.0.1 (default: %(default)s)")

    def handle(self, *_args: Any, **options: Any) -> None:
        address = f"{HOST}:{options['port']}"
        # A polite stop (docker, systemd, make) ends the children too.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        self.stdout.write(urls(f"http://{address}"))
        with running(web_command(address)) as web, running(worker_command()) as worker:
            try:
                while web.poll() is None and worker.poll() is None:
                    time.sleep(0.5)
            except KeyboardInterrupt:
                return
            name, ended = ("web server", web) if web.poll() is not None else ("worker", worker)
            raise CommandError(f"The {name} ended with status {ended.returncode}; its message stands above.")


def urls(base: str) -> str:
    """What to try, one address a line."""
    rows = {
        "start page": "/",
        "admin": "/admin/",
        "API docs": "/docs/",
        "a forecast": f"/v1/forecast?{PLACE}&hourly=temperature_2m,precipitation_probability,weather_code",
        "bundle catalog": "/v1/catalog",
        "what a phone gets": "/v1/models/point/resolve?platform=android",
        "inputs of a cell": "/v1/cells/N39W105/inputs",
        "health": "/readyz",
    }
    return "\n".join(f"  {label:<18} {base}{path}" for label, path in rows.items())
