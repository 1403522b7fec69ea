"""`python -m bench.cycle`: one forecast cycle for 10,000 stations, timed part by part.

Stations are spread over the globe and report a made-up daily wave with gaps. The model is the server model
that the quickstart made. All of it happens in a temporary folder, and in SQLite; with BENCH_DATABASE_URL in a
database of its own on that PostgreSQL server.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
VAR = Path(os.environ.get("SKYFOLD_VAR", ROOT / "var"))
INIT = datetime(2026, 7, 4, 18, tzinfo=UTC)
HISTORY_HOURS = 48
GOAL_SECONDS = 60.0
ROWS_AT_ONCE = 5000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stations", type=int, default=10_000)
    parser.add_argument("--bundle", type=Path, default=VAR / "bundles" / "server_fp32.bundle")
    parser.add_argument("--var", type=Path, help=argparse.SUPPRESS)  # the inner process
    given = parser.parse_args()
    if given.var:
        print(json.dumps(_measure()))
        return 0
    if not given.bundle.is_file():
        print(
            f"bench: there is no server model at {given.bundle}. Run `make demo SERVE=0` first, or name one "
            "with --bundle.",
            file=sys.stderr,
        )
        return 2
    with tempfile.TemporaryDirectory(prefix="skyfold-bench-") as folder, _database(Path(folder)) as url:
        environment = _environment(Path(folder), url)
        os.environ.update(environment)
        _fill(given.stations, given.bundle)
        inner = [sys.executable, "-m", "bench.cycle", "--var", folder]
        done = subprocess.run(inner, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            print(done.stderr, file=sys.stderr)
            return 1
        return _report(json.loads(done.stdout.splitlines()[-1]), url)


def _environment(folder: Path, url: str) -> dict[str, str]:
    return {
        "DJANGO_SETTINGS_MODULE": "weatherapp.config.settings",
        "SKYFOLD_VAR": str(folder),
        "DATABASE_URL": url,
        "REPLAY_FEED": "false",
        "LOG_LEVEL": "WARNING",
    }


@contextmanager
def _database(folder: Path) -> Iterator[str]:
    """The URL of an empty database."""
    server = os.environ.get("BENCH_DATABASE_URL")
    if not server:
        yield f"sqlite:///{folder / 'db.sqlite3'}"
        return
    import psycopg

    name = f"skyfold_bench_{os.getpid()}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        try:
            yield urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _fill(stations: int, bundle: Path) -> None:
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connection

    from mobile_models import services

    _progress("migrating")
    call_command("migrate", verbosity=0)
    _progress("releasing the model")
    release = services.create_release(bundles=[services.register_bundle(path=bundle)], notes="benchmark")
    release = services.approve_release(release=services.submit_release(release=release))
    services.start_rollout(release=release, channel="stable")
    _observe(stations)
    connection.close()


def _observe(count: int) -> None:
    """Stations all over the globe with two days of reports, one in twenty missing."""
    from weatherapp.observations.models import VARIABLES, Observation, Station

    rng = np.random.default_rng(1)
    latitude = np.degrees(np.arcsin(rng.uniform(-0.95, 0.95, count))).tolist()
    longitude = rng.uniform(-180, 180, count).tolist()
    Station.objects.bulk_create(
        [
            Station(
                code=f"s{i:06}",
                name=f"Station {i}",
                latitude=latitude[i],
                longitude=longitude[i],
                elevation=100,
            )
            for i in range(count)
        ],
        batch_size=ROWS_AT_ONCE,
    )
    keys = list(Station.objects.order_by("code").values_list("pk", flat=True))
    for step in range(HISTORY_HOURS):
        hour = INIT - timedelta(hours=HISTORY_HOURS - 1 - step)
        values = _weather(rng, step, np.array(latitude), np.array(longitude))
        rows = [
            Observation(
                station_id=key,
                valid_time=hour,
                feed="bench",
                received=hour,
                **dict(zip(VARIABLES, row, strict=True)),
            )
            for key, row in zip(keys, values, strict=True)
        ]
        Observation.objects.bulk_create(rows, batch_size=ROWS_AT_ONCE)
        _progress(f"observations: {step + 1} of {HISTORY_HOURS} hours")
    print(file=sys.stderr)


def _weather(
    rng: np.random.Generator, step: int, latitude: np.ndarray[Any, Any], longitude: np.ndarray[Any, Any]
) -> list[list[float | None]]:
    wave = np.sin(2 * np.pi * (step / 24 + longitude / 360))
    temperature = 28 - 0.5 * np.abs(latitude) + 5 * wave + rng.normal(0, 1, len(wave))
    columns = np.stack(
        [
            temperature, temperature - 4, 1013 + rng.normal(0, 5, len(wave)), 3 * wave, 2 - wave,
            np.maximum(0, rng.normal(-1, 1, len(wave))), np.clip(0.5 + 0.4 * wave, 0, 1),
            900 + 500 * wave, np.full(len(wave), 16000.0),
        ],
        axis=1,
    ).round(2).astype(object)  # fmt: skip
    columns[rng.random(columns.shape) < 0.05] = None
    return columns.tolist()


def _measure() -> dict[str, Any]:
    """One cycle, in a process that does nothing else."""
    import resource

    import django

    django.setup()
    from weatherapp.forecasts.services import run_cycle

    began = time.perf_counter()
    run = run_cycle(now=INIT)
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": seconds, "parts": run.seconds, "stations": run.stations, "peak_mib": peak}


def _report(measured: dict[str, Any], url: str) -> int:
    print(f"{measured['stations']:,} stations, {url.partition(':')[0]}, {os.cpu_count()} cores")
    for part, seconds in measured["parts"].items():
        print(f"  {part:<8}{seconds:8.2f} s")
    print(f"  {'cycle':<8}{measured['seconds']:8.2f} s   goal: under {GOAL_SECONDS:.0f} s")
    print(f"  peak memory {measured['peak_mib']:,.0f} MiB")
    return 0 if measured["seconds"] < GOAL_SECONDS else 1


def _progress(text: str) -> None:
    print(f"\r{text:<60}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
