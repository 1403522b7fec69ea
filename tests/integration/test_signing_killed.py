"""A process is killed at each step of publishing: what was published before stays valid and served."""

import json
import os
import subprocess
import sys
from pathlib import Path
from secrets import token_hex

import psycopg
import pytest

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 300
# Fewer would mean that the steps are not where they were thought to be: all of them, and without repetitions.
AT_LEAST = {
    "init": (20, 8),
    "publish": (8, 4),
    "refresh": (4, 3),
    "sign_release": (12, 7),
    "rotate": (12, 6),
}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def database(request, tmp_path_factory):
    """The address of an empty database."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path_factory.mktemp('database') / 'db.sqlite3'}"
        return
    server = os.environ.get("TEST_DATABASE_URL")
    if not server:
        pytest.skip("TEST_DATABASE_URL names no PostgreSQL server")
    name = f"skyfold_killed_{token_hex(4)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield f"{server.rsplit('/', 1)[0]}/{name}"
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="module")
def seen(database, tmp_path_factory):
    """What every operation left at each of its steps."""
    environment = os.environ | {
        "SKYFOLD_VAR": str(tmp_path_factory.mktemp("var")),
        "SECRET_KEY": "for tests",
        "DATABASE_URL": database,
        "DJANGO_SETTINGS_MODULE": "weatherapp.config.settings",
        "PYTHONPATH": str(ROOT),
        "ALLOWED_HOSTS": "testserver",
        "LOG_LEVEL": "ERROR",
    }
    command = [sys.executable, str(ROOT / "tests/integration/killed_signer.py")]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("operation", AT_LEAST)
def test_a_killed_process_leaves_what_was_published_valid_or_all_that_it_began(database, seen, operation):
    left = seen[operation]
    every, kinds = AT_LEAST[operation]
    assert left["steps"] >= (every if database.startswith("sqlite") else kinds), left
    assert left["changed"], left
    assert left["torn"] == [], left
    # Only a death after the last commit leaves something new.
    assert left["published"] <= 1, left
    assert (left["waiting"], left["left_to_do"]) == (0, False), left


def test_several_processes_that_publish_at_once_publish_once(seen):
    assert seen["at once"]["failed"] == 0
    assert seen["at once"]["published"] == {"root": 0, "rollout": 1, "snapshot": 1, "timestamp": 1}
