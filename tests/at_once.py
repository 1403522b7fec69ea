"""What tests of many threads share: scripts in processes of their own, on databases of their own."""

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from urllib.parse import urlsplit, urlunsplit

import psycopg

ROOT = Path(__file__).resolve().parents[1]


def run_alone(script, folder, **more):
    """Run a script of `tests/integration`; gives what it prints."""
    environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    environment |= {
        "SKYFOLD_VAR": str(folder),
        "DJANGO_SETTINGS_MODULE": "weatherapp.config.settings",
        "PYTHONPATH": str(ROOT),
        **more,
    }
    for command in (["manage.py", "migrate", "--verbosity", "0"], [f"tests/integration/{script}"]):
        done = subprocess.run(
            [sys.executable, *command], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


@contextmanager
def own_database(server):
    """The address of a new database on a PostgreSQL server, which is dropped at the end."""
    name = f"skyfold_test_{token_hex(6)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        try:
            yield urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
