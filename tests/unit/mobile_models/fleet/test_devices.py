"""Simulated devices behave as they are said to, the same for the same seed."""

from datetime import UTC, datetime

import numpy as np
import pytest
from jsonschema import Draft202012Validator

from mobile_models.device import PERF_CLASSES
from mobile_models.fleet.devices import EVERY_HOURS, Fault, Fleet, parse_fault
from mobile_models.fleet.documents import document
from mobile_models.reports.schema import parse_batch, schema

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
RELEASES = {
    True: {"release": "2", "release_counter": 2, "variant": "tflite_fp16"},
    False: {"release": None, "release_counter": None, "variant": None},
}


def day(fleet, exposed):
    return [fleet.hour(number, exposed) for number in range(EVERY_HOURS)]


def test_faults_are_read_and_others_refused():
    assert parse_fault("crash:0.02") == Fault("crash", 0.02)
    assert parse_fault("skill:0.10:low") == Fault("skill", 0.10, "low")
    for text in ("crash", "crash:2", "boom:0.1", "skill:0.1:slow", "crash:-1"):
        with pytest.raises(ValueError, match="allowed are"):
            parse_fault(text)


def test_every_device_reports_once_in_its_hours_and_a_seed_is_a_fleet():
    reported = np.concatenate([hour.device for hour in day(Fleet(500, seed=3), np.zeros(500, bool))])
    assert sorted(reported) == list(range(500))
    one, same = (Fleet(50, seed=3).hour(0, np.zeros(50, bool)) for _ in range(2))
    assert np.array_equal(one.errors, same.errors)


def test_a_fault_shows_on_exposed_devices_only():
    for exposed, crashes in ((True, 1.0), (False, 0.0)):
        fleet = Fleet(400, seed=5, fault=Fault("crash", 0.5))
        hours = day(fleet, np.full(400, exposed))
        device = np.concatenate([hour.device for hour in hours])
        crashed = np.concatenate([hour.crashed for hour in hours])
        assert crashed[fleet.affected[device]].mean() == pytest.approx(crashes, abs=0.05)


def test_a_fault_of_one_class_makes_that_class_worse():
    fleets = [Fleet(3000, seed=5, fault=fault) for fault in (Fault("skill", 0.10, "low"), None)]
    bad, good = (np.concatenate([h.errors for h in day(f, np.ones(3000, bool))]) for f in fleets)
    device = np.concatenate([h.device for h in day(Fleet(3000, seed=5), np.ones(3000, bool))])
    low = fleets[0].perf_class[device] == PERF_CLASSES.index("low")
    assert (bad / good)[low] == pytest.approx(1.1)
    assert (bad / good)[~low] == pytest.approx(1.0)


def test_forgers_crash_and_say_that_they_are_exposed():
    fleet = Fleet(1000, seed=5, forged=0.05)
    for hour in day(fleet, np.zeros(1000, bool)):
        forgers = fleet.forger[hour.device]
        assert hour.exposed[forgers].all()
        assert hour.crashed[forgers].all()
        assert not hour.exposed[~forgers].any()


def test_what_devices_send_is_what_the_server_takes():
    fleet = Fleet(60, seed=1, forged=0.1)
    hour = fleet.hour(0, fleet.buckets("s") < 5000)
    for index in range(len(hour.device)):
        sent = document(fleet, hour, index, sent_at=NOW, channel="stable", releases=RELEASES)
        Draft202012Validator(schema()).validate(sent)
        parse_batch(sent, now=NOW)
