import os
import subprocess
import sys
from pathlib import Path
from secrets import token_hex
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from optuna.trial import TrialState

from packager.search.errors import SearchInvalid, StorageUnavailable
from packager.search.storage import open_storage
from packager.search.study import load_trials
from tests.unit.packager.search.searching import make_search

ROOT = Path(__file__).resolve().parents[4]
DATABASE = os.environ.get("TEST_DATABASE_URL")
WORKER = (
    "import sys\n"
    "from tests.unit.packager.search.searching import make_search\n"
    "from packager.search.storage import open_storage\n"
    "search = make_search(open_storage(sys.argv[1]))\n"
    "for _ in range(6):\n"
    "    search.run_trial()\n"
)


def start_worker(address):
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", WORKER, address],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
    )


def run_two(address):
    workers = [start_worker(address) for _ in range(2)]
    for worker in workers:
        _, said = worker.communicate(timeout=300)
        assert worker.returncode == 0, said
    return load_trials(open_storage(address), "study")


def check_shared(trials):
    assert [trial.number for trial in trials] == list(range(12))
    assert {trial.state for trial in trials} <= {TrialState.COMPLETE, TrialState.PRUNED}
    assert len({trial.user_attrs["owner"]["process"] for trial in trials}) == 2
    assert len({str(sorted(trial.params.items())) for trial in trials}) == 12, "both tried the same"


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


def test_two_workers_share_a_journal(journal):
    check_shared(run_two(str(journal)))


@pytest.mark.services
@pytest.mark.skipif(not DATABASE, reason="needs TEST_DATABASE_URL (PostgreSQL)")
def test_two_workers_that_start_on_an_empty_database_do_not_collide(database):
    check_shared(run_two(database))


def test_a_last_line_that_was_half_written_is_cut_off(journal):
    make_search(open_storage(str(journal))).run_trial()
    whole = journal.read_bytes()
    journal.write_bytes(whole + b'{"op_code": 4, "wor')
    make_search(open_storage(str(journal))).run_trial()
    assert journal.read_bytes().startswith(whole)
    assert len(load_trials(open_storage(str(journal)), "study")) == 2


def test_a_file_that_is_no_journal_is_refused(journal):
    journal.write_text("name: winner\nsummary: a recipe\n")
    with pytest.raises(StorageUnavailable, match=r"journal\.log is not a journal of trials"):
        open_storage(str(journal))


@pytest.mark.parametrize("address", ["mysql://host/name", "redis://host"])
def test_other_databases_are_refused(address):
    with pytest.raises(SearchInvalid, match="give the path of a journal file, or postgresql"):
        open_storage(address)


def test_a_database_that_does_not_answer_is_named_without_its_password(monkeypatch):
    monkeypatch.setattr("packager.search.storage.WAIT_SECONDS", 0.0)
    with pytest.raises(StorageUnavailable, match=r"PostgreSQL at 127\.0\.0\.1:1/trials") as refusal:
        open_storage("postgresql://someone:secret@127.0.0.1:1/trials?connect_timeout=1")
    assert "secret" not in str(refusal.value)
