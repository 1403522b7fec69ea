"""The same reports from many threads at once: each counts once, and none is lost."""

import os

import pytest

from tests.at_once import own_database, run_alone

SERVER = os.environ.get("TEST_DATABASE_URL")
SCRIPT = "reports_at_once.py"
MANY = {"REPORT_BATCHES_PER_HOUR": "100", "REPORT_WINDOW_MINUTES": "100000"}
# Crashes, devices, devices that crashed.
EXPECTED = {
    "same_batch": 1,
    "after_same_batch": [1, 1, 1],
    "same_token": 8,
    "after_same_token": [9, 1, 1],
    "charged": 9,
    "one_token_each": 8,
    "after_one_token_each": [17, 9, 9],
    "same_id_of_many": 1,
    "kept": 18,
}


def test_reports_at_once_count_once_on_sqlite(tmp_path):
    assert run_alone(SCRIPT, tmp_path, **MANY) == EXPECTED


@pytest.mark.services
@pytest.mark.skipif(not SERVER, reason="needs TEST_DATABASE_URL (PostgreSQL)")
def test_reports_at_once_count_once_on_postgresql(tmp_path):
    with own_database(SERVER) as url:
        assert run_alone(SCRIPT, tmp_path, DATABASE_URL=url, **MANY) == EXPECTED
