"""A fleet of devices that never were: where they are, how fast, on which side, and what goes wrong.

Pure and repeatable: the same seed gives the same fleet and the same hours.
"""

import re
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mobile_models.device import PERF_CLASSES
from mobile_models.rollout import bucket
from weatherapp.core.arrays import BoolArray, FloatArray, IntArray

# Each device reports once in so many hours, at an hour of its own.
EVERY_HOURS = 12
PLATFORMS = ("ios", "android")
CLASS_SHARES = (0.3, 0.45, 0.25)
# Typical milliseconds of one inference by class, and how much devices of a class differ (of the logarithm).
MILLISECONDS, SPEEDS_DIFFER = (9.0, 4.0, 2.0), 0.35
CELLS = 60
# Mean absolute errors of a day, and how they vary (of the logarithm): by the weather of an hour over a cell,
# by the device's own place, and by chance.
ERRORS = {"temperature": 2.3, "dew_point": 2.0, "wind_speed": 1.6, "pressure_msl": 1.5}
WEATHER, PLACE, CHANCE = 0.3, 0.08, 0.25
# A release without a fault crashes too: one report in a thousand, some devices much oftener than others.
CRASHES, CRASHES_DIFFER = 0.001, 1.0
INFER_FAILS = 0.002
FAULT = re.compile(r"(crash|skill|latency):(0?\.\d+|[01](?:\.\d+)?)(?::(low|mid|high))?")


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a release: on which share of devices it crashes, or by how much it is worse."""

    kind: Literal["crash", "skill", "latency"]
    size: float
    perf_class: str = ""


def parse_fault(text: str) -> Fault:
    """Read a fault such as crash:0.02 or skill:0.10:low.

    Raises:
        ValueError: it is none; says what is allowed.
    """
    match = FAULT.fullmatch(text)
    if match is None:
        raise ValueError(
            f"{text[:60]!r} is no fault; allowed are crash, skill or latency, a share from 0 to 1, and "
            "perhaps low, mid or high: crash:0.02, skill:0.10:low, latency:0.5."
        )
    return Fault(match[1], float(match[2]), match[3] or "")  # type: ignore[arg-type]  # one of the three


@dataclass(frozen=True, slots=True)
class Hour:
    """What the devices that report in one hour say; each array has an entry per device.

    Attributes:
        device: which devices, int.
        exposed: whether they say they are exposed.
        crashed, infer_failed: whether they did.
        errors: (device, variable), mean absolute errors in the contract's units.
        milliseconds: typical time of one inference.
    """

    device: IntArray
    exposed: BoolArray
    crashed: BoolArray
    infer_failed: BoolArray
    errors: FloatArray
    milliseconds: FloatArray


class Fleet:
    """Devices with secrets, classes and places."""

    def __init__(
        self,
        devices: int,
        *,
        seed: int,
        fault: Fault | None = None,
        forged: float = 0.0,
        forgers_claim: Literal["exposed", "own"] = "exposed",
    ) -> None:
        self.rng = np.random.default_rng(seed)
        self.fault = fault
        self.forgers_claim = forgers_claim
        self.secrets = [self.rng.bytes(32) for _ in range(devices)]
        self.perf_class = self.rng.choice(len(PERF_CLASSES), devices, p=CLASS_SHARES)
        self.platform = self.rng.integers(0, len(PLATFORMS), devices)
        weight = 1 / np.arange(1, CELLS + 1) ** 0.5
        self.cell = self.rng.choice(CELLS, devices, p=weight / weight.sum())
        self.phase = self.rng.integers(0, EVERY_HOURS, devices)
        self.forger = self.rng.permutation(devices) < round(forged * devices)
        self.crashes = np.minimum(0.5, CRASHES * np.exp(self._normal(devices, CRASHES_DIFFER)))
        affected = self.rng.permutation(devices) / devices
        size = fault.size if fault and fault.kind == "crash" else 0.0
        self.affected = (affected < size) & self._in_fault()
        self.place = self._normal(devices, PLACE)
        typical = np.log(np.array(MILLISECONDS))[self.perf_class]
        self.log_milliseconds = typical + self._normal(devices, SPEEDS_DIFFER)

    def __len__(self) -> int:
        return len(self.secrets)

    def buckets(self, salt: str) -> IntArray:
        """Each device's place in a rollout, 0..9999, as the device itself finds it."""
        return np.array([bucket(secret, salt) for secret in self.secrets])

    def hour(self, number: int, exposed: BoolArray) -> Hour:
        """What is reported in an hour.

        Args:
            number: of the hour.
            exposed: (device,), who runs the new release.
        """
        device = np.flatnonzero(self.phase == number % EVERY_HOURS)
        count = len(device)
        own = exposed[device]
        crashed = self.rng.random(count) < self.crashes[device]
        crashed |= (self.affected[device] & own) | self.forger[device]
        logs = np.log(np.array(list(ERRORS.values())))
        logs = logs + self._normal(CELLS, WEATHER)[self.cell[device], None]
        logs = logs + self.place[device, None] + self._normal((count, len(ERRORS)), CHANCE)
        errors = np.exp(logs) * (1 + self._worse("skill", device, own))[:, None]
        slow = self.log_milliseconds[device] + self._normal(count, 0.1)
        return Hour(
            device=device,
            exposed=own | (self.forger[device] & (self.forgers_claim == "exposed")),
            crashed=crashed,
            infer_failed=self.rng.random(count) < INFER_FAILS,
            errors=errors,
            milliseconds=np.exp(slow) * (1 + self._worse("latency", device, own)),
        )

    def _normal(self, shape: int | tuple[int, ...], deviation: float) -> FloatArray:
        return self.rng.normal(0.0, deviation, shape)

    def _in_fault(self) -> BoolArray:
        """The devices of the class that the fault is about."""
        if self.fault is None or not self.fault.perf_class:
            return np.ones(len(self), bool)
        in_class: BoolArray = self.perf_class == PERF_CLASSES.index(self.fault.perf_class)
        return in_class

    def _worse(self, kind: str, device: IntArray, exposed: BoolArray) -> FloatArray:
        """By how much the fault makes each device worse."""
        if self.fault is None or self.fault.kind != kind:
            return np.zeros(len(device))
        worse: FloatArray = self.fault.size * (exposed & self._in_fault()[device])
        return worse
