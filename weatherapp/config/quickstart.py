"""The main job, end to end: train, fold, verify, release, forecast, and let a phone use it."""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from django.conf import settings
from django.core.management.base import CommandError

from mobile_models import selectors, services
from mobile_models.errors import DeliveryError
from mobile_models.models import Bundle, Release
from mobile_models.signing import services as signing
from packager.archive import write_atomically
from packager.pipeline import Pipeline, Progress
from packager.recipes import Profile, quickstart_recipes
from packager.verify.goals import teacher_goals
from weatherapp.config.processes import web_server
from weatherapp.forecasts.models import ForecastRun
from weatherapp.forecasts.services import run_cycle

CHANNEL = "stable"
# Downtown Denver: four reference stations within reach, at different heights.
PLACE = {"latitude": 39.74, "longitude": -104.99, "elevation": 1609}
PHONE_SECONDS = 120
Result = TypeVar("Result")


@dataclass
class Quickstart:
    """One run of the job; `report` is what `quickstart.json` holds."""

    profile: Profile
    progress: Progress
    report: dict[str, Any] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def run(self) -> dict[str, Any]:
        """Do every stage that is not done yet.

        Returns:
            `stages` (seconds), `dataset`, `baselines`, `teacher`, `goals`, `student`, `variants`, `release`,
            `run`, `phone`.

        Raises:
            CommandError: a required variant was refused, or the phone failed; what was measured is written.
        """
        pipeline = Pipeline(Path(settings.WORK_DIR), self.profile, progress=self.progress)
        try:
            self._package(pipeline)
            bundles = self._register()
            release = self._timed("release", lambda: self._release(bundles))
            run = self._timed("forecast run", run_cycle)
            self.report["run"] = _about_run(run)
            self.report["phone"] = self._timed("phone", self._phone)
            self.report["release"] |= {"channel": CHANNEL, "state": release.state}
        finally:
            trained = {
                s.name: s.seconds
                for s in pipeline.finished
                if s.name not in ("variant", "evaluation", "bundle")
            }
            self.report["stages"] = trained | self.seconds
            write_atomically(
                Path(settings.VAR_DIR) / "quickstart.json", json.dumps(self.report, indent=1).encode()
            )
        return self.report

    def _package(self, pipeline: Pipeline) -> None:
        data = pipeline.data()
        self.progress("dataset", 1.0, f"{data.facts['rows']:,} hours")
        self.report["dataset"] = dict(data.facts)
        self.report["baselines"] = dict(pipeline.baselines().facts)
        self.progress("baselines", 1.0, "scored")
        teacher = pipeline.teacher()
        self.progress("teacher", 1.0, f"{teacher.facts['parameters']:,} parameters")
        self.report["teacher"] = dict(teacher.facts)
        goals = teacher_goals(teacher.facts["scores"], self.report["baselines"])
        self.report["goals"] = [goal.to_dict() for goal in goals]
        self.report["variants"] = []
        for recipe in quickstart_recipes():
            name = recipe.name
            if recipe.for_phones:
                student = pipeline.student(recipe)
                self.report["student"] = dict(student.facts)
                self.progress("student", 1.0, f"{student.facts['parameters']:,} parameters")
            figures = self._timed(name, lambda recipe=recipe: pipeline.report(recipe))  # type: ignore[misc]
            self.report["variants"].append(_published(figures))
            self.progress(name, 1.0, "good" if figures["bundled"] else f"refused: {figures['reason']}")
        refused = [v for v in self.report["variants"] if v["required"] and not v["bundled"]]
        if refused:
            reasons = "\n".join(f"  {v['reason']}" for v in refused)
            raise CommandError(f"No release was made: required variants were refused.\n{reasons}")

    def _register(self) -> list[Bundle]:
        bundles = []
        variants = [v for v in self.report["variants"] if v["bundled"]]
        started = time.monotonic()
        for index, variant in enumerate(variants):
            self.progress("register", index / len(variants), f"running {variant['name']} before it is stored")
            bundles.append(services.register_bundle(path=Path(settings.BASE_DIR) / variant["path"]))
        self.progress("register", 1.0, f"{len(bundles)} bundles")
        self.seconds["register"] = round(time.monotonic() - started, 2)
        return bundles

    def _release(self, bundles: list[Bundle]) -> Release:
        signing.init_development()
        release = _live_with(bundles)
        if release is None:
            notes = f"Made by quickstart, profile {self.profile.name}."
            release = services.create_release(bundles=bundles, notes=notes)
            services.submit_release(release=release)
            services.approve_release(release=release)
            services.start_rollout(release=release, channel=CHANNEL)
            release.refresh_from_db()
        signing.require_signed(release)
        signing.publish()
        write_atomically(_root_path(), signing.trusted_root())
        rollout = selectors.offered_rollouts(CHANNEL)[0]
        self.report["release"] = {
            "version": release.version,
            "release_counter": rollout.release_counter,
            "basis_points": rollout.basis_points,
            "bundles": {bundle.variant: bundle.sha256 for bundle in bundles},
        }
        return release

    def _phone(self) -> dict[str, Any]:
        """The reference phone in a process of its own, over HTTP, with its first download broken half way."""
        self.progress("phone", 0.1, "starting a web server")
        state = Path(settings.VAR_DIR) / "phone"
        shutil.rmtree(state, ignore_errors=True)
        half = min(v["bytes_on_wire"] for v in self.report["variants"] if v["format"] == "tflite") // 2
        with web_server() as url:
            self.progress("phone", 0.3, "download, verify, forecast on the device")
            place = [f"--{name}={value}" for name, value in PLACE.items()]
            command = [sys.executable, "-m", "phone", "--server", url, "--state", str(state), "--json"]
            root = ["--root", str(_root_path())]
            done = subprocess.run(  # noqa: S603 - our own module
                [*command, *root, *place, f"--break-after-bytes={half}"],
                cwd=settings.BASE_DIR, capture_output=True, text=True, timeout=PHONE_SECONDS, check=False,
            )  # fmt: skip
        if done.returncode:
            raise CommandError(f"The reference phone failed. {done.stderr.strip()}")
        report: dict[str, Any] = json.loads(done.stdout)
        self.progress("phone", 1.0, f"{report['bundle']['variant']}, {report['bytes_downloaded']} bytes")
        return report

    def _timed(self, name: str, work: Callable[[], Result]) -> Result:
        started = time.monotonic()
        try:
            return work()
        finally:
            self.seconds[name] = round(time.monotonic() - started, 2)


def _published(figures: dict[str, Any]) -> dict[str, Any]:
    """Copy a finished bundle to where people look for it, and say where."""
    if not figures["bundled"]:
        return figures
    target = Path(settings.VAR_DIR) / "bundles" / f"{figures['name']}.bundle"
    target.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(target, Path(figures["path"]).read_bytes())
    base = Path(settings.BASE_DIR)
    return figures | {"path": str(target.relative_to(base) if target.is_relative_to(base) else target)}


def _root_path() -> Path:
    """Where the root lies that an app embeds."""
    return Path(settings.VAR_DIR) / "root.json"


def _live_with(bundles: list[Bundle]) -> Release | None:
    """The live release, if it has just these bundles: quickstart twice makes one release."""
    try:
        release = selectors.live_release(CHANNEL)
    except DeliveryError:
        return None
    same = {bundle.pk for bundle in bundles} == set(release.bundles.values_list("pk", flat=True))
    return release if same else None


def _about_run(run: ForecastRun) -> dict[str, Any]:
    return {
        "init_time": run.init_time.isoformat(),
        "release": run.release.version,
        "stations": run.stations,
        "replay": run.replay,
    }
