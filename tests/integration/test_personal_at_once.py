"""One device from many threads at once: nothing is lost and nothing counts twice."""

import json
import os
import subprocess
import sys
from pathlib import Path
from secrets import token_hex
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

from weatherapp.personal import limits

ROOT = Path(__file__).resolve().parents[2]
SERVER = os.environ.get("TEST_DATABASE_URL")


@pytest.fixture
def postgres():
    """A database of its own, dropped at the end."""
    name = f"skyfold_test_{token_hex(6)}"
    with psycopg.connect(SERVER, autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
        try:
            yield urlunsplit(urlsplit(SERVER)._replace(path=f"/{name}"))
        finally:
            server.execute(f"DROP DATABASE {name} WITH (FORCE)")


def at_once(folder, **more):
    environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    environment |= {
        "SKYFOLD_VAR": str(folder),
        "DJANGO_SETTINGS_MODULE": "weatherapp.config.settings",
        "PYTHONPATH": str(ROOT),
        **more,
    }
    for command in (["manage.py", "migrate", "--verbosity", "0"], ["tests/integration/personal_at_once.py"]):
        done = subprocess.run(
            [sys.executable, *command], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


EXPECTED = {"learned": 40, "new_votes": 1, "votes": 1, "places": limits.PLACES, "found": 1, "entries": 1}


def test_nothing_is_lost_on_sqlite(tmp_path):
    assert at_once(tmp_path) == EXPECTED


@pytest.mark.services
@pytest.mark.skipif(not SERVER, reason="needs TEST_DATABASE_URL (PostgreSQL)")
def test_nothing_is_lost_on_postgresql(tmp_path, postgres):
    assert at_once(tmp_path, DATABASE_URL=postgres) == EXPECTED
