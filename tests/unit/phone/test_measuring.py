"""The phone measures its speed once, and how good its forecasts were when the reports come in."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import numpy as np
import pytest

from phone import skill, speed
from phone.bundle import read_bundle
from phone.notes import read_note, read_time

START = datetime(2026, 7, 4, 18, tzinfo=UTC)


@pytest.fixture
def bundle(bundles):
    return read_bundle(bundles[0].read_bytes())


@pytest.mark.parametrize(
    ("milliseconds", "expected"),
    [(0.1, "high"), (4.99, "high"), (5.0, "mid"), (50.0, "mid"), (50.1, "low"), (900.0, "low")],
)
def test_a_time_has_a_class(milliseconds, expected):
    assert speed.class_of(milliseconds) == expected


def test_speed_is_measured_once_for_a_contract(phone, bundle, monkeypatch):
    assert speed.known_class(phone.state) is None
    measured = speed.measure(phone.state, "a" * 64, bundle)
    assert measured["milliseconds"] > 0
    assert speed.known_class(phone.state) == measured["perf_class"]
    monkeypatch.setattr(speed, "inference_milliseconds", lambda bundle: 900.0)
    assert speed.measure(phone.state, "b" * 64, bundle) == measured
    (phone.state.notes / "speed.json").write_text("{damaged")
    assert speed.measure(phone.state, "b" * 64, bundle)["perf_class"] == "low"


def made(hours=48, offset=1.0, stations=("ord", "mdw"), start=START):
    return SimpleNamespace(
        stations=[{"id": name} for name in stations],
        times=[start + timedelta(hours=lead) for lead in range(1, hours + 1)],
        station_temperatures=np.full((len(stations), hours), 20.0 + offset),
    )


def inputs(after, stations=("ord", "mdw"), missing=()):
    """What stations reported in the two days before `after` hours past the start: 20 °C at all of them."""
    rows = [[None if hour in missing else 20.0] + [None] * 8 for hour in range(48)]
    moment = START + timedelta(hours=after)
    return {
        "init_time": moment.isoformat(),
        "stations": [{"id": name, "history": rows} for name in stations],
    }


def test_forecasts_are_compared_with_what_was_reported_later_and_once(phone, bundle):
    skill.remember(phone.state, "a", made())
    found = skill.score(phone.state, "a", inputs(6), bundle.contract)
    assert found == skill.Skill(count=12, mean_abs_error=1.0)
    assert skill.score(phone.state, "a", inputs(6), bundle.contract) is None
    assert skill.score(phone.state, "a", inputs(8), bundle.contract).count == 4


def test_what_was_not_reported_is_not_compared(phone, bundle):
    skill.remember(phone.state, "a", made())
    found = skill.score(phone.state, "a", inputs(6, stations=("ord",), missing=(47, 46)), bundle.contract)
    assert found.count == 4


def test_what_another_bundle_said_is_forgotten(phone, bundle):
    skill.remember(phone.state, "a", made())
    assert skill.score(phone.state, "b", inputs(6), bundle.contract) is None
    skill.remember(phone.state, "b", made(offset=2.0))
    assert skill.score(phone.state, "b", inputs(6), bundle.contract).mean_abs_error == 2.0


def test_what_was_said_first_of_an_hour_stays_and_the_note_stays_small(phone, bundle):
    for hour in range(100):
        skill.remember(phone.state, "a", made(offset=hour, start=START + timedelta(hours=hour)))
        skill.score(phone.state, "a", inputs(hour), bundle.contract)
    kept = read_note(phone.state.notes / "skill.json")["said"]
    assert {len(hours) for hours in kept.values()} == {24}
    # 24 hours ahead was said a day before.
    assert min(kept["ord"].values()) == 20.0 + 76


@pytest.mark.parametrize("content", ["", "[]", "{half", "\xff"])
def test_a_lost_note_is_an_empty_one(phone, content):
    path = phone.state.notes / "some.json"
    path.write_text(content, encoding="latin-1")
    assert read_note(path) == {}


def test_a_time_in_a_note_is_a_moment_or_none():
    assert read_time("2026-07-04T18:00:00+00:00") == START
    assert read_time("2026-07-04T18:00:00") == START
    assert read_time(None) is read_time("yesterday") is None
