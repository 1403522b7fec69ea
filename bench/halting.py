"""How often the health test halts a good rollout, and how soon a bad one.

`python -m bench.halting [--rollouts N] [--devices N] [--seed N] [--only NAME]`: fleets that never were,
through the stages of 1, 2, 5, 10, 25, 50 % with a day each, weighed by the server's own functions; no server
and no database.
"""

import argparse
import json
import time
from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np

from mobile_models.device import PERF_CLASSES
from mobile_models.fleet.devices import CELLS, ERRORS, PLATFORMS, Fault, Fleet, Hour
from mobile_models.health.evidence import Failures, Measured, e_value, ratio_evidence
from mobile_models.health.figures import (
    FIGURES,
    MISMATCH,
    OUTLIER,
    SUSPICION,
    TESTS,
    Group,
    Sides,
    bets,
    crashes_again,
    in_group,
    may_widen,
    scatter_within,
    verdict,
)
from mobile_models.reports.figures import SCALES

STAGES = (0.01, 0.02, 0.05, 0.10, 0.25, 0.50)
STAGE_HOURS = 24
# Where a rollout that is suspect, or forged, is left to a person.
PATIENCE_HOURS = 14 * 24
TOKEN_HOURS = 48
FALSE_HALT_RATE, FORGED, CRASH_MARGIN = 0.01, 0.01, 0.02
CASES = {
    "healthy": {},
    "crash 2 %": {"fault": Fault("crash", 0.02)},
    "skill 10 % on low": {"fault": Fault("skill", 0.10, "low")},
    "latency 50 %": {"fault": Fault("latency", 0.50)},
    "forged 1 %, all say exposed": {"forged": 0.01},
    "forged 1 %, own side": {"forged": 0.01, "forgers_claim": "own"},
    "crash 2 %, forged successes": {"fault": Fault("crash", 0.02), "forged": 0.01, "succeed": True},
}


@dataclass
class Rollout:
    """One simulated rollout: counts, bets and claims, as the server keeps them.

    `counts` hold (arm, class, cell, [count, total, squares]) per figure.
    """

    fleet: Fleet
    succeed: bool = False
    sums: dict = field(default_factory=dict)
    spread: dict = field(default_factory=lambda: defaultdict(Measured))

    def __post_init__(self) -> None:
        devices = len(self.fleet)
        self.bucket = self.fleet.buckets("salt")
        self.birth = self.fleet.rng.integers(-TOKEN_HOURS, 0, devices)
        self.failed = {name: np.zeros(devices, bool) for name in ("crash", "infer")}
        self.claim = np.full(devices, -1)
        self.token_side = np.full(devices, -1)
        self.tokens = np.zeros(2, int)
        self.crashes = np.zeros((2, 2), int)
        self.counts = {name: np.zeros((2, len(PERF_CLASSES), CELLS, 3)) for name in FIGURES}

    def run(self) -> dict:
        """Let hours pass until it is halted, complete, or left to a person."""
        hour = 0
        for share, self.next_share in zip(STAGES, (*STAGES[1:], 1.0), strict=True):
            exposed = self.bucket < share * 10_000
            self.claim[:] = -1
            for waited in range(PATIENCE_HOURS):
                verdict = self.hour(hour, exposed, share)
                hour += 1
                if verdict == "halt":
                    return {"end": "halted", "share": share, "hour": hour}
                if waited + 1 >= STAGE_HOURS and verdict == "healthy":
                    break
            else:
                return {"end": "stalled", "share": share, "hour": hour}
        return {"end": "complete", "share": 1.0, "hour": hour}

    def hour(self, number: int, exposed: np.ndarray, share: float) -> str:
        """One report window; gives halt, healthy or wait."""
        said = self.fleet.hour(number, exposed)
        if self.succeed:
            said.crashed[self.fleet.forger[said.device]] = False
        renewed = (number - self.birth) % TOKEN_HOURS == 0
        for failed in self.failed.values():
            failed[renewed] = False
        self.token_side[renewed] = -1
        self.claim[said.device] = said.exposed
        return self.weigh(self.count(said), share)

    def count(self, said: Hour) -> dict:
        """Count each device once, as the server does; gives what is new by group."""
        classes = self.fleet.perf_class[said.device]
        logs = np.log(said.errors / np.array([SCALES[name] for name in ERRORS])).mean(axis=1)
        values = {
            "crash": said.crashed.astype(float),
            "infer": said.infer_failed.astype(float),
            "skill": self.cut_off("skill", logs, classes),
            "latency": self.cut_off("latency", np.log(said.milliseconds), classes),
        }
        fresh: dict = {name: {} for name in FIGURES}
        self.count_tokens(said)
        for name, value in values.items():
            keep = np.ones(len(value), bool)
            if name in self.failed:
                keep = ~self.failed[name][said.device]
                self.failed[name][said.device[keep & (value > 0)]] = True
            fresh[name] = self.grouped(name, said, value, keep)
        return fresh

    def count_tokens(self, said: Hour) -> None:
        """Count each token once on its side, and each report, of which a device sends one in twelve hours."""
        side = said.exposed.astype(int)
        np.add.at(self.tokens, side, self.token_side[said.device] != side)
        self.token_side[said.device] = side
        np.add.at(self.crashes, side, np.stack([np.ones_like(side), said.crashed], axis=1))

    def grouped(self, name: str, said: Hour, value: np.ndarray, keep: np.ndarray) -> dict:
        """Add values to the counts; gives them by what the figure is compared within."""
        device, arm = said.device[keep], said.exposed[keep].astype(int)
        classes, cells = self.fleet.perf_class[device], self.fleet.cell[device]
        sums = np.stack([np.ones(len(device)), value[keep], value[keep] ** 2], axis=1)
        np.add.at(self.counts[name], (arm, classes, cells), sums)
        by_cell = "cell" in FIGURES[name].strata
        within = cells if by_cell else self.fleet.platform[device]
        table = np.zeros((2, len(PERF_CLASSES), CELLS if by_cell else len(PLATFORMS), 3))
        np.add.at(table, (arm, classes, within), sums)
        return groups(table, "cell" if by_cell else "platform")

    def cut_off(self, name: str, value: np.ndarray, classes: np.ndarray) -> np.ndarray:
        """Values without outliers, by what the control of the class measured so far."""
        control = self.counts[name][0].sum(axis=1)
        known = np.maximum(control[:, 0], 1)
        mean = control[:, 1] / known
        reach = OUTLIER * np.sqrt(np.maximum(0, control[:, 2] / known - mean**2))
        reach[control[:, 0] == 0] = np.inf
        return np.clip(value, (mean - reach)[classes], (mean + reach)[classes])

    def weigh(self, fresh: dict, share: float) -> str:
        """Carry the bets on; gives halt, healthy or wait."""
        exposed, control = int((self.claim == 1).sum()), int((self.claim == 0).sum())
        many, few = ratio_evidence(exposed, exposed + control, share)
        e_values = {}
        for figure, group in TESTS:
            key, new = (figure.name, group), in_group(fresh[figure.name], group)
            added = bets(figure, new, self.spread[key])
            if many >= MISMATCH:
                self.sums.pop(key, None)
            elif added is not None:
                self.sums[key] = self.sums.get(key, 0.0) + added
            if figure.kind == "mean":
                self.spread[key] += scatter_within(figure, new)
            e_values[key] = e_value(self.sums[key]) if key in self.sums else 1.0
        if many >= MISMATCH:
            return "wait"
        loud = {metric for (metric, _), found in e_values.items() if found >= SUSPICION} | {"crash"}
        counts = {metric: groups(self.counts[metric], "cell") for metric in loud}
        sides = Sides(exposed, exposed + control, share, FORGED, int(self.tokens[1]))
        crashes = Failures(*self.crashes[1].tolist(), *self.crashes[0].tolist())
        found, _ = verdict(e_values, counts, sides, false_halts=FALSE_HALT_RATE)
        if found != "halt" and crashes_again(counts, crashes, sides):
            return "halt"
        if found or few >= MISMATCH:
            return found or "wait"
        healthy = may_widen(
            crashes,
            exposed=exposed,
            control=control,
            next_share=self.next_share,
            margin=CRASH_MARGIN,
        )
        return "healthy" if healthy else "wait"


def groups(table: np.ndarray, within: str) -> dict:
    """A table of sums as counts by group."""
    found = {}
    for arm, perf_class, place in np.argwhere(table[..., 0] > 0):
        platform, cell = ("", f"N{place:02}W090") if within == "cell" else (PLATFORMS[place], "")
        group = Group(("control", "exposed")[arm], platform, PERF_CLASSES[perf_class], cell)
        count, total, squares = table[arm, perf_class, place]
        found[group] = Measured(int(count), float(total), float(squares))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rollouts", type=int, default=200)
    parser.add_argument("--devices", type=int, default=10_000)
    parser.add_argument("--only", choices=CASES)
    parser.add_argument("--seed", type=int, default=0, help="of the first rollout; the next has the next")
    options = parser.parse_args()
    print("| case | rollouts | halted | before 10 % | at 10 % or later | stalled | complete | median hours |")
    print("|---|---|---|---|---|---|---|---|")
    for name, case in CASES.items():
        if options.only in (None, name):
            show(name, options.rollouts, options.devices, options.seed, **case)


def show(
    name: str, rollouts: int, devices: int, first: int, *, succeed: bool = False, **case: object
) -> None:
    started = time.monotonic()
    ends = [
        Rollout(Fleet(devices, seed=seed, **case), succeed).run() for seed in range(first, first + rollouts)
    ]
    halted = [end for end in ends if end["end"] == "halted"]
    early = sum(end["share"] < 0.10 for end in halted)
    stalled = sum(end["end"] == "stalled" for end in ends)
    hours = np.median([end["hour"] for end in ends])
    print(
        f"| {name} | {rollouts} | {len(halted)} | {early} | {len(halted) - early} | {stalled} | "
        f"{rollouts - len(halted) - stalled} | {hours:.0f} |",
        flush=True,
    )
    seconds = time.monotonic() - started
    shares = {
        outcome: {
            share: sum((end["end"], end["share"]) == (outcome, share) for end in ends) for share in STAGES
        }
        for outcome in ("halted", "stalled")
    }
    print(json.dumps({"case": name, **shares, "seconds": round(seconds)}), flush=True)


if __name__ == "__main__":
    main()
