"""A simulated fleet over HTTP: a faulty release is halted, and the catalog that phones trust says so."""

import pytest

from mobile_models.fleet import driver
from mobile_models.fleet.devices import Fleet, parse_fault
from mobile_models.fleet.driver import Driver
from mobile_models.models import ReportBatch, Rollout
from tests.repositories import keys_below
from weatherapp.config.simulation import LocalSteward, Simulation, html, stage_rollout


@pytest.fixture
def simulated(transactional_db, live_server, settings, tmp_path, monkeypatch):
    # The test server has one connection to its database in memory.
    monkeypatch.setattr(driver, "THREADS", 1)
    keys_below(tmp_path, settings)
    settings.REPORT_WINDOW_MINUTES = 0.01
    for name in ("REPORT_TOKENS_PER_HOUR", "REPORT_BATCHES_PER_HOUR", "REPORT_OPERATIONS_PER_HOUR"):
        setattr(settings, name, 10**9)

    def run(devices, hours, **fleet):
        rollout = stage_rollout([1000, 5000, 10_000])
        simulation = Simulation(
            fleet=Fleet(devices, seed=4, **fleet),
            driver=Driver(live_server.url, tmp_path / "devices", channel="stable"),
            steward=LocalSteward(rollout, stage_hours=2),
            most_hours=hours,
            progress=lambda *_: None,
        )
        try:
            return simulation.run()
        finally:
            simulation.driver.close()

    return run


def test_a_release_that_crashes_is_halted_and_leaves_the_signed_catalog(simulated):
    result = simulated(360, 6, fault=parse_fault("crash:0.9"))
    assert (result["outcome"], result["share"]) == ("halted", 0.1)
    assert "exposed" in result["reason"]
    states = dict(Rollout.objects.values_list("release__version", "state"))
    assert states["2"] in {Rollout.State.HALTED, Rollout.State.ROLLED_BACK}
    assert ReportBatch.objects.count() >= 30
    assert "<svg" in html(result, "a fleet")


class HaltsAtOnce:
    """A server that takes a release back after the first hour; its driver and its steward."""

    channel = "stable"
    hours = 0

    def catalog(self):
        rollout = {"basis_points": 1000, "salt": "s"}
        entry = {"release": "2", "release_counter": 2, "rollout": rollout, "bundles": [{"variant": "v"}]}
        return {"releases": [] if self.hours else [entry]}

    def send(self, fleet, batches):
        list(batches)

    def hour(self, number):
        self.hours += 1
        return {"evidence": 200.0, "reason": "it crashed", "decisions": {}}


def test_a_halt_in_the_last_hour_is_a_halt():
    server = HaltsAtOnce()
    simulation = Simulation(Fleet(100, seed=1), server, server, 1, lambda *_: None)
    assert simulation.run()["outcome"] == "halted"
