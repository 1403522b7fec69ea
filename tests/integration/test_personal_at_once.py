"""One device from many threads at once: nothing is lost and nothing counts twice."""

import os

import pytest

from tests.at_once import own_database, run_alone
from weatherapp.personal import limits

SERVER = os.environ.get("TEST_DATABASE_URL")
SCRIPT = "personal_at_once.py"
EXPECTED = {"learned": 40, "new_votes": 1, "votes": 1, "places": limits.PLACES, "found": 1, "entries": 1}


def test_nothing_is_lost_on_sqlite(tmp_path):
    assert run_alone(SCRIPT, tmp_path) == EXPECTED


@pytest.mark.services
@pytest.mark.skipif(not SERVER, reason="needs TEST_DATABASE_URL (PostgreSQL)")
def test_nothing_is_lost_on_postgresql(tmp_path):
    with own_database(SERVER) as url:
        assert run_alone(SCRIPT, tmp_path, DATABASE_URL=url) == EXPECTED
