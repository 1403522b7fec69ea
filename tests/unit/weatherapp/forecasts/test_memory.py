import pytest

from tests.weather import INIT, make_run
from weatherapp.forecasts.errors import NoCurrentRun
from weatherapp.forecasts.memory import Bodies, Recent


def test_bodies_are_forgotten_from_the_longest_unused_on():
    bodies = Bodies()
    for key in "abcdefgh":
        bodies.put(key, b"x" * 10, key, 80)
    assert bodies.get("a") == (b"x" * 10, "a")
    bodies.put("i", b"x" * 10, "i", 80)
    assert bodies.get("b") is None
    assert bodies.get("a") is not None
    assert len(bodies) == 8


def test_a_body_that_would_push_out_many_is_not_kept():
    bodies = Bodies()
    bodies.put("a", b"x" * 11, "", 80)
    assert len(bodies) == 0


def test_a_body_written_again_counts_once():
    bodies = Bodies()
    for _ in range(20):
        bodies.put("a", b"x" * 10, "", 80)
    bodies.put("b", b"x" * 10, "", 80)
    assert len(bodies) == 2


@pytest.mark.django_db
def test_a_newer_run_is_seen_when_the_time_is_over(settings, monkeypatch):
    now = {"time": 100.0}
    monkeypatch.setattr("weatherapp.forecasts.memory.time.monotonic", lambda: now["time"])
    settings.CURRENT_RUN_SECONDS = 1.0
    first, recent = make_run(), Recent()
    assert recent.run() == first
    second = make_run(init_time=INIT.replace(hour=19))
    now["time"] += 0.9
    assert recent.run() == first
    now["time"] += 0.2
    assert recent.run() == second


@pytest.mark.django_db
def test_that_there_is_no_run_is_never_remembered(settings):
    settings.CURRENT_RUN_SECONDS = 60.0
    recent = Recent()
    with pytest.raises(NoCurrentRun):
        recent.run()
    run = make_run()
    assert recent.run() == run
