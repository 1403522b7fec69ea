"""The policy says when a download may go, why not, and when time alone will change that."""

import pytest

from phone.policy import Situation, judge
from tests.phone_server import POLICY

ANY = {**POLICY, "network": "any", "any_after_seconds": None}
UNMETERED = {**POLICY, "network": "unmetered", "any_after_seconds": None}
CHARGING = {**POLICY, "charging": True}
MEBIBYTE = 1024 * 1024


@pytest.mark.parametrize(
    ("policy", "situation", "waited", "allowed", "seconds"),
    [
        (POLICY, Situation(), 0, True, None),
        (POLICY, Situation("metered"), 0, False, 3600),
        (POLICY, Situation("metered"), 3599, False, 1),
        (POLICY, Situation("metered"), 3600, True, None),
        (POLICY, Situation("none"), 10**9, False, None),
        (ANY, Situation("metered"), 0, True, None),
        (ANY, Situation("none"), 0, False, None),
        (UNMETERED, Situation("unmetered"), 0, True, None),
        (UNMETERED, Situation("metered"), 10**9, False, None),
        (POLICY, Situation(charging=False), 0, True, None),
        (CHARGING, Situation(charging=False), 0, False, None),
        (CHARGING, Situation(charging=True), 0, True, None),
        (POLICY, Situation(free_storage_mb=None), 0, True, None),
        (POLICY, Situation(free_storage_mb=52), 0, True, None),
        (POLICY, Situation(free_storage_mb=51), 0, False, None),
        (CHARGING, Situation("metered", charging=False, free_storage_mb=0), 3600, False, None),
    ],
)
def test_the_policy_answers(policy, situation, waited, allowed, seconds):
    verdict = judge(policy, situation, size=MEBIBYTE, waited=waited)
    assert (verdict.allowed, verdict.seconds) == (allowed, seconds)
    assert (verdict.reason is None) == allowed


def test_storage_is_asked_for_in_whole_mebibytes():
    assert judge(POLICY, Situation(free_storage_mb=50), size=0, waited=0).allowed
    assert "waits for 51" in judge(POLICY, Situation(free_storage_mb=50), size=1, waited=0).reason
