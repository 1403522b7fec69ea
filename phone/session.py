"""One round of what an app does: update, forecast, look how good the last one was, report."""

import argparse
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from time import perf_counter
from typing import Any

import numpy as np

from phone import checks, skill, speed
from phone.bundle import CONTRACTS, MISSHAPEN, engine_version
from phone.choice import Device
from phone.compare import compare
from phone.errors import (
    BundleRefused,
    ConnectionLost,
    DeadlineExceeded,
    ForecastImpossible,
    MetadataExpired,
    PhoneError,
)
from phone.forecast import Forecast, cell_name, fetch_inputs, forecast
from phone.notes import read_note, write_note
from phone.policy import MEBIBYTE, Situation
from phone.reports import Reports
from phone.state import State, Usable
from phone.transport import Deadline, Server
from phone.trust import Trust
from phone.update import Asker, Report, update

FIRST_HOURS = 12
INPUTS = "inputs.json"


class Session:
    """One round, and everything that it found out."""

    def __init__(self, options: argparse.Namespace) -> None:
        """Open the phone's folder.

        Raises:
            PhoneError: the address is none, or there is no root of trust.
        """
        self.options = options
        self.server = Server(options.server)
        self.state = State(options.state, embedded=options.embedded)
        self.trust = Trust(self.state.folder / "trust", self.state.root(options.root))
        self.reports = Reports(self.state)
        self.place = (options.latitude, options.longitude)
        self.seconds: dict[str, float] = {}
        self._running: Usable | None = None

    def run(self) -> dict[str, Any]:
        """Update, forecast, compare, report.

        Returns:
            What was done, step by step.

        Raises:
            PhoneError: no forecast could be made.
        """
        device = self._device()
        crashed = [("crash", "failed")] if self.reports.has_crashed() else []
        situation = self._situation()
        updated = self._updated(Asker(device, self.options.channel, situation))
        operations = [*crashed, *updated.operations]
        try:
            return self._forecasted(device, updated, operations)
        except PhoneError as error:
            # No network and no station near are not the model's fault; a model that does not run is.
            failed = [("infer", "failed")] if isinstance(error, BundleRefused) else []
            self._count(self._labels(device, self._running), [*operations, *failed])
            raise

    def _forecasted(
        self, device: Device, updated: Report, operations: list[tuple[str, str]]
    ) -> dict[str, Any]:
        usable = self._running = self._usable(updated)
        measured = speed.measure(self.state, usable.sha256, usable.bundle)
        deadline = Deadline(self.options.timeout)
        inputs, size, source = self._inputs(deadline)
        made = self._forecast(usable, inputs)
        found = self._scored(usable, inputs, made)
        compared = self._compared(made, deadline) if source == "server" else None
        self._count(
            self._labels(device, usable),
            [*operations, ("infer", "ok")],
            milliseconds=made.milliseconds,
            golden=updated.golden,
            skill=found,
        )
        return {
            **_about_update(updated, usable, self._stale(updated), self.trust.versions()),
            "speed": dict(measured),
            "inputs_bytes": size,
            "inputs_from": source,
            "replay": made.replay,
            "run": made.run,
            "stations": _stations(made),
            "forecast": _hours(made, FIRST_HOURS),
            "comparison": compared,
            "skill": asdict(found) if found else None,
            "reports": self._sent(),
            "seconds": {**updated.seconds, **self.seconds},
        }

    def _device(self) -> Device:
        options = self.options
        return Device(
            options.platform,
            os_version=options.os_version,
            app_version=options.app_version,
            ram_mb=options.ram_mb,
            perf_class=options.perf_class or speed.known_class(self.state),
            region=options.region,
            engines={"litert": engine_version()},
            contracts=frozenset().union(*CONTRACTS.values()),
        )

    def _situation(self) -> Situation:
        free = self.options.free_storage_mb
        if free is None:
            free = shutil.disk_usage(self.state.folder).free // MEBIBYTE
        return Situation(self.options.network, self.options.charging, free)

    def _updated(self, asker: Asker) -> Report:
        if asker.situation.network == "none":
            return Report(reason="There is no network; the installed model stays in use.")
        options = self.options
        return update(
            self.server,
            self.state,
            self.trust,
            asker,
            seconds=options.timeout,
            break_after_bytes=options.break_after_bytes,
        )

    def _usable(self, updated: Report) -> Usable:
        try:
            return self.state.usable()
        except PhoneError as error:
            raise PhoneError(f"{error} The offer was not taken: {updated.reason}") from error

    def _inputs(self, deadline: Deadline) -> tuple[Mapping[str, Any], int, str]:
        """The cell's inputs, their size, and whether they are new or those that were fetched last."""
        started, kept = perf_counter(), read_note(self.state.notes / INPUTS)
        try:
            inputs, size = self._fetched_inputs(deadline)
        except (ConnectionLost, DeadlineExceeded):
            if kept.get("cell") != cell_name(*self.place):
                raise
            return kept, 0, "saved"
        finally:
            self.seconds["inputs"] = round(perf_counter() - started, 4)
        if isinstance(inputs, dict):
            write_note(self.state.notes / INPUTS, {**inputs, "cell": cell_name(*self.place)})
        return inputs, size, "server"

    def _fetched_inputs(self, deadline: Deadline) -> tuple[Any, int]:
        if self.options.network == "none":
            raise ConnectionLost("There is no network to fetch the model's inputs over.")
        return fetch_inputs(self.server, *self.place, deadline)

    def _forecast(self, usable: Usable, inputs: Mapping[str, Any]) -> Forecast:
        started = perf_counter()
        if self.options.reports:
            self.reports.begin_inference()
        try:
            return forecast(usable.bundle, inputs, *self.place, self.options.elevation)
        finally:
            # An error that is caught is no crash.
            self.reports.end_inference()
            self.seconds["forecast"] = round(perf_counter() - started, 4)

    def _scored(self, usable: Usable, inputs: Mapping[str, Any], made: Forecast) -> skill.Skill | None:
        """How good the last forecasts were; raises ForecastImpossible where the reports cannot be read."""
        try:
            found = skill.score(self.state, usable.sha256, inputs, usable.bundle.contract)
            skill.remember(self.state, usable.sha256, made)
        except MISSHAPEN as error:
            raise ForecastImpossible(
                f"The stations' reports cannot be read: {type(error).__name__}: {error}."
            ) from error
        return found

    def _compared(self, made: Forecast, deadline: Deadline) -> dict[str, Any] | None:
        """How the server's own forecast differs; None where it has none to compare with."""
        started = perf_counter()
        try:
            return compare(self.server, made, *self.place, self.options.elevation, deadline)
        except PhoneError:
            return None
        finally:
            self.seconds["compare"] = round(perf_counter() - started, 4)

    def _stale(self, updated: Report) -> dict[str, Any] | None:
        """Since when the phone cannot know what is new, if it cannot; it forecasts all the same."""
        now = datetime.now(UTC)
        moments = [self.trust.stale_since(now), checks.old_since(self.state, now)]
        since = min((moment for moment in moments if moment), default=None)
        expired = isinstance(updated.error, MetadataExpired)
        if since is None and expired:
            since = checks.last_success(self.state)
        if since is None and not expired:
            return None
        return {"since": since.isoformat() if since else None, "reason": updated.reason}

    def _count(self, labels: Mapping[str, Any], operations: list[tuple[str, str]], **figures: Any) -> None:
        if self.options.reports:
            self.reports.add(labels, operations, **figures)

    def _sent(self) -> dict[str, Any]:
        if not self.options.reports:
            self.reports.forget()
            return {"off": True}
        if self.options.network == "none":
            return {"off": False, "sent": 0, "reason": "There is no network."}
        return {"off": False, **self.reports.send(self.server, Deadline(self.options.timeout))}

    def _labels(self, device: Device, usable: Usable | None) -> dict[str, Any]:
        """What counts are counted by; none of it names the device."""
        arm, counter = checks.arm(self.state)
        return {
            "channel": self.options.channel,
            "platform": device.platform,
            "release": usable.release if usable else None,
            "release_counter": usable.release_counter if usable else None,
            "variant": usable.bundle.manifest["variant"] if usable and usable.release else None,
            "arm": arm,
            "rollout_counter": counter,
            "perf_class": device.perf_class or speed.known_class(self.state),
            "cell": cell_name(*self.place),
            "os_version": _dotted(device.os_version),
            "app_version": _dotted(device.app_version),
        }


def _dotted(version: tuple[int, ...] | None) -> str | None:
    return ".".join(map(str, version)) if version else None


def _about_update(
    updated: Report, usable: Usable, stale: Mapping[str, Any] | None, versions: Mapping[str, int]
) -> dict[str, Any]:
    decision, transfer, verdict = updated.decision, updated.transfer, updated.verdict
    return {
        "trust": {"versions": versions, "stale": stale},
        "resolved": {
            "release": decision.release if decision else None,
            "release_counter": decision.release_counter if decision else None,
            "sha256": decision.bundle["sha256"] if decision and decision.bundle else None,
        },
        "decision": None
        if decision is None
        else {
            "action": decision.action,
            "reason": decision.reason,
            "arm": decision.arm,
            "rollout_counter": decision.rollout_counter,
        },
        "policy": {**updated.policy, "verdict": asdict(verdict) if verdict else None},
        "update": {"outcome": updated.outcome, "reason": updated.reason},
        "bundle": {
            "sha256": usable.sha256,
            "name": usable.bundle.manifest["name"],
            "variant": usable.bundle.manifest["variant"],
            "release": usable.release,
        },
        "download": asdict(transfer) if transfer else None,
        "delta": asdict(updated.delta) if updated.delta else None,
        "bytes_downloaded": transfer.bytes_received if transfer else 0,
        "resumed_at": transfer.resumed_at if transfer else [],
        "digests_verified": updated.digests_verified,
        "golden": {"cases": updated.golden_cases, "max_abs_difference": updated.golden_max_abs_difference},
    }


def _stations(made: Forecast) -> list[dict[str, Any]]:
    return [
        {
            "id": station["id"],
            "name": station["name"],
            "distance_km": round(float(distance), 2),
            "weight": round(float(weight), 4),
        }
        for station, distance, weight in zip(
            made.stations, made.blend.distances, made.blend.weights, strict=True
        )
    ]


def _hours(made: Forecast, count: int) -> dict[str, Any]:
    return {
        "time": [time.strftime("%Y-%m-%dT%H:%MZ") for time in made.times[:count]],
        **{
            name: [round(float(value), 2) if np.isfinite(value) else None for value in values[:count]]
            for name, values in made.values.items()
        },
    }
