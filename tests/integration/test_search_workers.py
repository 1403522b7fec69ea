"""Two workers run the trials of one search at once, against the services of production: PostgreSQL."""

import os
import subprocess
import sys
from pathlib import Path
from secrets import token_hex
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

ROOT = Path(__file__).resolve().parents[2]
DATABASE = os.environ.get("TEST_DATABASE_URL")
TRIALS = 10
# Each worker does every row that it finds, as Celery would hand them out; two of them find the same rows.
WORKER = f"""
from packager.jobs import searching
from packager.jobs.models import SearchTrial
searching._has_room = lambda study, run: SearchTrial.objects.filter(study=study).count() < {TRIALS}
for _ in range({TRIALS}):
    for row in SearchTrial.objects.filter(state__in=["waiting", "running"], kind="trial"):
        searching.run_trial(row.pk)
"""
REQUEST = (
    "from packager.jobs.searching import request_search; "
    "request_search(name='night', budget_minutes=5, max_bytes=40000, max_skill_loss_percent=2.0, workers=2)"
)

pytestmark = [
    pytest.mark.services,
    pytest.mark.skipif(not DATABASE, reason="needs TEST_DATABASE_URL (PostgreSQL)"),
]


@pytest.fixture
def database():
    """A database of its own, dropped at the end."""
    name = f"skyfold_test_{token_hex(6)}"
    with psycopg.connect(DATABASE, autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
        try:
            yield urlunsplit(urlsplit(DATABASE)._replace(path=f"/{name}"))
        finally:
            server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def environment(database, tmp_path):
    return os.environ | {
        "SKYFOLD_VAR": str(tmp_path),
        "SECRET_KEY": "for tests",
        "DATABASE_URL": database,
        "SEARCH_BUILDER": "tests.integration.figured_builder.FiguredBuilder",
        "PYTHONPATH": str(ROOT),
    }


def start(environment, *arguments):
    return subprocess.Popen(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process):
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said


def shell(environment, code):
    return start(environment, "shell", "--no-imports", "--command", code)


def test_two_workers_share_a_search_and_do_no_trial_twice(environment, database):
    finish(start(environment, "migrate", "--verbosity", "0"))
    finish(shell(environment, REQUEST))
    workers = [shell(environment, WORKER) for _ in range(2)]
    for worker in workers:
        finish(worker)
    with psycopg.connect(database) as connection:
        rows = connection.execute(
            "SELECT kind, state, number, attempts FROM jobs_searchtrial ORDER BY number"
        ).fetchall()
        kept = connection.execute("SELECT number, state::text FROM trials ORDER BY number").fetchall()
        processes = connection.execute(
            "SELECT count(DISTINCT value_json) FROM trial_user_attributes WHERE key = 'owner'"
        ).fetchone()
    trials = [row for row in rows if row[0] == "trial"]
    assert {row[1:2] + row[3:] for row in trials} == {("succeeded", 1)}
    assert [row[2] for row in trials] == list(range(len(trials)))
    assert TRIALS <= len(trials) <= TRIALS + 1
    assert [number for number, state in kept if state in {"COMPLETE", "PRUNED"}] == [row[2] for row in trials]
    assert processes == (2,)
    assert [row[:2] for row in rows if row[0] == "winner"] == [("winner", "waiting")]
