"""The same step from many threads at once: one wins, the others are told, and the audit log has no gap."""

import os

import pytest

from tests.at_once import own_database, run_alone

SERVER = os.environ.get("TEST_DATABASE_URL")
SCRIPT = "rollouts_at_once.py"
EXPECTED = {
    "approved": 1,
    "halted": 1,
    "rolled_back": 1,
    "started": 8,
    "active": 1,
    "counters_twice": 0,
    "moved": 2,
    "withdrawn": 8,
    "withdrawn_and_offered": 0,
    "submitted": 8,
    "problems": [],
    "log_is_gapless": True,
}


def test_one_of_many_wins_on_sqlite(tmp_path):
    assert run_alone(SCRIPT, tmp_path) == EXPECTED


@pytest.mark.services
@pytest.mark.skipif(not SERVER, reason="needs TEST_DATABASE_URL (PostgreSQL)")
def test_one_of_many_wins_on_postgresql(tmp_path):
    with own_database(SERVER) as url:
        assert run_alone(SCRIPT, tmp_path, DATABASE_URL=url) == EXPECTED
