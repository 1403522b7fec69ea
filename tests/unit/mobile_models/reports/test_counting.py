"""A token is one device, whatever it sends."""

import pytest

from mobile_models.health.services import evaluate_rollout
from mobile_models.models import HealthCount, TokenClaim
from mobile_models.reports import counting, services
from tests.reporting import batch, new_token, send, staged

pytestmark = pytest.mark.django_db


@pytest.fixture
def rollout():
    return staged()


@pytest.fixture
def window(monkeypatch):
    """The number of the report window, to be set."""
    numbers = {"now": 1000}
    monkeypatch.setattr(services, "window_of", lambda _: numbers["now"])
    return numbers


def counted(metric, arm):
    found = HealthCount.objects.filter(metric=metric, arm=arm).first()
    return (found.count, found.total) if found else (0, 0)


def test_a_device_that_crashes_again_and_again_failed_once(client, rollout, window):
    token = new_token(client)
    for hour in range(5):
        window["now"] = 1000 + hour
        send(client, token, batch("exposed", crashed=True))
    assert counted("crash", "exposed") == (1, 1)


def test_a_device_counts_once_per_window_until_it_fails(client, rollout, window):
    token = new_token(client)
    for crashed in (False, False, True):
        send(client, token, batch("exposed", crashed=crashed))
    assert counted("crash", "exposed") == (2, 1)
    window["now"] += 1
    send(client, token, batch("exposed"))
    assert counted("crash", "exposed") == (2, 1)


def test_a_token_counts_once_on_each_side_and_so_does_its_first_crash(client, rollout, window):
    token = new_token(client)
    for arm, crashed in (("control", False), ("control", False), ("exposed", False), ("exposed", True)):
        window["now"] += 1
        send(client, token, batch(arm, crashed=crashed))
        send(client, token, batch(arm, crashed=crashed))
    assert counted("crashed ever", "control") == (1, 0)
    assert counted("crashed ever", "exposed") == (1, 1)


def test_crashes_count_again_but_once_in_twelve_windows_and_on_each_side(client, rollout, window):
    token = new_token(client)
    for arm, after, crashed in (
        ("control", 0, True),
        ("control", 1, True),  # counted already
        ("exposed", 2, False),
        ("exposed", 3, True),  # belongs to the report before
        ("exposed", 4, True),
        ("exposed", 2 + counting.AGAIN, True),
        ("exposed", 3 + 2 * counting.AGAIN, False),
    ):
        window["now"] = 1000 + after
        send(client, token, batch(arm, crashed=crashed))
    assert counted("crashes", "control") == (1, 1)
    assert counted("crashes", "exposed") == (3, 2)


def test_a_token_that_was_exposed_does_not_become_control_again(client, rollout, window):
    token = new_token(client)
    for arm in ("exposed", "control", "exposed", "control", "exposed"):
        assert send(client, token, batch(arm, **SKILL)).status_code == 202
    assert counted("skill", "exposed") == (1, 0.0)
    assert counted("crash", "control") == (0, 0)
    assert TokenClaim.objects.get().arm == "exposed"


def test_failures_of_the_network_are_no_failures_of_the_release(client, rollout, window):
    hour = batch()["sent_at"]
    done = [
        {"operation": operation, "outcome": "failed", "count": 9, "hour": hour}
        for operation in ("check", "download", "patch")
    ]
    send(client, new_token(client), batch("exposed", operations=done))
    assert set(HealthCount.objects.values_list("metric", "total")) == {
        ("crash", 0),
        ("crashed ever", 0),
        ("crashes", 0),
    }


def test_what_cannot_be_installed_counts_for_the_exposed_only(client, rollout, window):
    done = batch()["operations"] + [
        {"operation": "golden", "outcome": "refused", "count": 1, "hour": batch()["sent_at"]}
    ]
    for arm in ("exposed", "control"):
        send(client, new_token(client), batch(arm, operations=done))
    assert counted("install", "exposed") == (1, 1)
    assert counted("install", "control") == (0, 0)


SKILL = {"skill": [{"variable": "temperature", "count": 4, "mean_abs_error": 2.3}]}


def test_a_device_measures_again_only_after_a_while_or_on_the_other_side(client, rollout, window):
    token = new_token(client)
    for after in (0, 1, counting.AGAIN - 1):
        window["now"] = 1000 + after
        send(client, token, batch("control", **SKILL))
    assert counted("skill", "control") == (1, 0.0)
    send(client, token, batch("exposed", **SKILL))
    assert counted("skill", "exposed") == (1, 0.0)
    window["now"] += counting.AGAIN
    send(client, token, batch("exposed", **SKILL))
    assert counted("skill", "exposed") == (2, 0.0)
    assert TokenClaim.objects.get().arm == "exposed"


def test_what_lies_far_from_the_control_is_cut_off(client, rollout, window):
    for error in (2.0, 2.3, 2.6):
        skill = [{"variable": "temperature", "count": 4, "mean_abs_error": error}]
        send(client, new_token(client), batch("control", skill=skill))
    evaluate_rollout(rollout=rollout, now=rollout.started, even_early=True)
    wild = [{"variable": "temperature", "count": 4, "mean_abs_error": 900.0}]
    send(client, new_token(client), batch("exposed", skill=wild))
    count, total = counted("skill", "exposed")
    assert (count, 0 < total < 0.5) == (1, True)
