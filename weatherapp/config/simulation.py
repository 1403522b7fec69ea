"""A staged rollout to a fleet that never was, against a real server: hour by hour, until it ends."""

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from django.utils import timezone

from mobile_models import services
from mobile_models.fleet.devices import Fleet
from mobile_models.fleet.documents import document
from mobile_models.fleet.driver import Driver
from mobile_models.health.figures import ALL
from mobile_models.health.services import evaluate_rollout
from mobile_models.models import Bundle, Release, Rollout, RolloutHealth
from mobile_models.rollout import EVERYONE
from mobile_models.selectors import SERVER_VARIANT
from mobile_models.signing import services as signing
from packager.contract import reference_contract
from weatherapp.core.arrays import BoolArray

CHANNEL = "stable"
VARIANT = "tflite_fp16"
# In hours of the server's clock, which simulated hours are not: every stage is due as soon as it may be
# taken.
AT_ONCE = 1e-6


class Steward(Protocol):
    """Whoever lets a simulated hour pass on the server."""

    def hour(self, number: int) -> dict[str, Any]:
        """End an hour; gives what is to be noted of it."""


@dataclass
class LocalSteward:
    """Ends the report window of a server on this machine, and takes the stages that lasted long enough."""

    rollout: Rollout
    stage_hours: int
    began: int = 0

    def hour(self, number: int) -> dict[str, Any]:
        """Weigh the reports of the hour; widen when the stage has had its hours."""
        self.rollout.refresh_from_db()
        evaluate_rollout(rollout=self.rollout, now=timezone.now(), even_early=True)
        self.rollout.refresh_from_db()
        if number + 1 - self.began >= self.stage_hours and services.advance_rollouts():
            self.began = number + 1
        rows = RolloutHealth.objects.filter(rollout=self.rollout)
        found = {(row.metric, row.group): row for row in rows}
        self.rollout.refresh_from_db()
        return {
            "evidence": found[ALL, ""].evidence,
            "exposed_crashed": _share(found["crash", ""].exposed),
            "control_crashed": _share(found["crash", ""].control),
            "decisions": {
                f"{metric} {group}".strip(): row.decision
                for (metric, group), row in found.items()
                if row.decision
            },
            "reason": self.rollout.halt_reason,
        }


@dataclass
class RemoteSteward:
    """Waits for a server elsewhere, whose own beat weighs the reports and takes the stages."""

    seconds: float

    def hour(self, number: int) -> dict[str, Any]:  # noqa: ARG002 - a steward is told
        """Let the hour's seconds pass; what the server found is not for devices to see."""
        time.sleep(self.seconds)
        return {
            "evidence": 1.0,
            "exposed_crashed": 0.0,
            "control_crashed": 0.0,
            "decisions": {},
            "reason": "",
        }


@dataclass
class Simulation:
    """One run; `hours` holds what was seen at the end of each."""

    fleet: Fleet
    driver: Driver
    steward: Steward
    most_hours: int
    progress: Callable[[int, float, str], None]
    hours: list[dict[str, Any]] = field(default_factory=list)

    def run(self) -> dict[str, Any]:
        """Let hours pass until the rollout is complete, or halted, or there are no more.

        Returns:
            `outcome`: complete, halted or unfinished; `share` and `hour` of that; how many devices were
            exposed and had the release; `reason`; `hours`.
        """
        catalog = self.driver.catalog()
        first = catalog["releases"][0]
        counter, salt = first["release_counter"], first["rollout"]["salt"]
        buckets = self.fleet.buckets(salt)
        had = np.zeros(len(self.fleet), bool)
        share = first["rollout"]["basis_points"]
        outcome = "unfinished"
        for number in range(self.most_hours + 1):
            offered = {entry["release_counter"]: entry for entry in catalog["releases"]}
            if counter not in offered:
                outcome = "halted"
                break
            share = offered[counter]["rollout"]["basis_points"]
            if share == EVERYONE:
                outcome = "complete"
                break
            if number == self.most_hours:
                break
            self.progress(number, share / EVERYONE, _state(self.hours))
            exposed = buckets < share
            self._report(number, exposed, counter, offered)
            had |= exposed & (self.fleet.phase <= self._since(number, share))
            noted = self.steward.hour(number)
            self.hours.append({"hour": number, "share": share / EVERYONE, "had": int(had.sum()), **noted})
            catalog = self.driver.catalog()
        return {
            "outcome": outcome,
            "share": share / EVERYONE,
            "hour": len(self.hours),
            "exposed": int((buckets < share).sum()),
            "had_the_release": int(had.sum()) if outcome != "complete" else len(self.fleet),
            "devices": len(self.fleet),
            "reason": self.hours[-1]["reason"] if self.hours else "",
            "decisions": self.hours[-1]["decisions"] if self.hours else {},
            "hours": self.hours,
        }

    def _since(self, number: int, share: int) -> int:
        """How many hours the share of now has lasted: who reported in that time has the release."""
        began = next((hour["hour"] for hour in self.hours if hour["share"] == share / EVERYONE), number)
        return number - began

    def _report(
        self, number: int, exposed: BoolArray, counter: int, offered: dict[int, dict[str, Any]]
    ) -> None:
        older = max((other for other in offered if other < counter), default=None)
        releases = {True: _running(offered[counter]), False: _running(offered[older] if older else None)}
        hour, sent_at = self.fleet.hour(number, exposed), datetime.now(UTC)
        batches = (
            (
                int(device),
                document(
                    self.fleet, hour, index, sent_at=sent_at, channel=self.driver.channel, releases=releases
                ),
            )
            for index, device in enumerate(hour.device)
        )
        self.driver.send(self.fleet, batches)


def stage_rollout(stages: Sequence[int]) -> Rollout:
    """An installation with a release that everyone has, and a newer one at the first of these stages.

    Its bundles are rows without bytes: simulated devices download nothing.
    """
    signing.init_development()
    services.start_rollout(release=_approved("1"), channel=CHANNEL)
    rollout = services.start_rollout(
        release=_approved("2"),
        channel=CHANNEL,
        basis_points=stages[0],
        stages=[{"basis_points": share, "after_hours": AT_ONCE, "if_healthy": True} for share in stages[1:]],
    )
    signing.publish()
    return rollout


def _approved(version: str) -> Release:
    release = services.create_release(
        bundles=[_bundle(version, VARIANT), _bundle(version, SERVER_VARIANT)], version=version
    )
    services.submit_release(release=release, by=None)
    return services.approve_release(release=release)


def _bundle(version: str, variant: str) -> Bundle:
    digest = hashlib.sha256(f"{version} {variant}".encode()).hexdigest()
    contract = reference_contract()
    return Bundle.objects.create(
        sha256=digest,
        size=1,
        wire_sha256=digest,
        wire_size=1,
        encodings={},
        name="point",
        variant=variant,
        format="tflite",
        platforms=[] if variant == SERVER_VARIANT else ["ios", "android"],
        contract_sha256=contract.digest,
        golden_sha256=digest,
        manifest={
            "contract": {"name": contract.name, "version": contract.version, "sha256": contract.digest},
            "engine_min": {"litert": "2.0"},
            # Equal scores pass the gate: what is wrong with the release shows on devices only.
            "scores": {"scores": {"unseen_station": {"temperature": {"1-24": 1.5}}}},
        },
        state=Bundle.State.VERIFIED,
    )


def _running(entry: dict[str, Any] | None) -> dict[str, Any]:
    """What a device says that it runs; nothing but the app's own bundle without an entry."""
    if entry is None:
        return {"release": None, "release_counter": None, "variant": None}
    return {
        "release": entry["release"],
        "release_counter": entry["release_counter"],
        "variant": entry["bundles"][0]["variant"],
    }


def _share(counts: dict[str, int]) -> float:
    return counts["failures"] / counts["count"] if counts.get("count") else 0.0


def _state(hours: Sequence[dict[str, Any]]) -> str:
    return f"evidence {hours[-1]['evidence']:.3g}" if hours else "starting"


def html(result: dict[str, Any], title: str) -> str:
    """The run as a page of its own, with plots."""
    from mobile_models.plots import line_plot

    hours = result["hours"]
    end = [(float(result["hour"]), result["outcome"])]
    series = {
        "share of the fleet": {"share %": [(h["hour"], 100 * h["share"]) for h in hours]},
        "crashed, of those who reported": {
            "exposed %": [(h["hour"], 100 * h["exposed_crashed"]) for h in hours],
            "control %": [(h["hour"], 100 * h["control_crashed"]) for h in hours],
        },
        "evidence, powers of ten": {
            "evidence": [(h["hour"], float(np.log10(max(h["evidence"], 1e-3)))) for h in hours]
        },
    }
    plots = "".join(
        line_plot(lines, title=name, x_label="hour", y_label="", marks=end) for name, lines in series.items()
    )
    head = f'<meta charset="utf-8"><title>{title}</title>'
    return f'<!doctype html><html lang="en">{head}<h1>{title}</h1>{plots}</html>'


def write_html(path: Path, result: dict[str, Any], title: str) -> None:
    """Write the page."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(html(result, title))
