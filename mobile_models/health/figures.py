"""The figures that decide about a rollout, and how each is weighed. Pure."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from math import log
from typing import Any, Literal

from mobile_models.device import PERF_CLASSES
from mobile_models.health.evidence import (
    Failures,
    Measured,
    clumped_chance,
    combined,
    failure_bets,
    fault_likelihood,
    forgery_ruled_out,
    share_bets,
    shift_bets,
    stands_without_top_cell,
)
from weatherapp.core.arrays import FloatArray

# A spread that was seen in fewer control devices is not known well enough to bet with.
SPREAD_FROM = 30
# One device is measured several times, which agree more than those of several devices: what is taken for
# one device's variance is so much more than what devices of a day show.
REPEATED = 2.5
SMALLEST_VARIANCE = 1e-4
# Rows of health that are no figure: all of them together, and how many say which side they are on.
ALL, RATIO = "all", "ratio"
TOO_MANY, TOO_FEW = "too many", "too few"
# A figure is suspect long before it is proven: the rollout is not widened meanwhile.
SUSPICION = 10.0
# The chance at which as many devices that crash again and again as are exposed are none by chance.
HARDLY_EVER = 0.001
# E-value from which the share of devices that say they are exposed cannot be chance.
MISMATCH = 1000.0
# Devices on each side, under the share of now, without which there is nothing to go on.
FEWEST = 50
# From here on a share is large: before it, the release must be shown to crash on few devices.
LARGE_SHARE = 0.10
# From so many reports of each exposed device it is known which of them crash again and again.
MANY_REPORTS = 6
# How often a release that crashes on as many devices as must not be may ever be taken for a good one.
WRONGLY_WIDENED = 0.001
# Devices that must have failed before anything is halted for failures.
FEWEST_FAILED = 5
# Deviations from the control's mean at which a measurement is cut off.
OUTLIER = 3.0


@dataclass(frozen=True, slots=True)
class Group:
    """Devices that are counted together."""

    arm: str
    platform: str
    perf_class: str
    cell: str


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure.

    Attributes:
        kind: compared as a rate with the control, as a share with what is allowed, or as a mean of
        logarithms. tolerance: odds, share or difference that is no reason to halt. strata: which fields
        devices must have in common to be compared. per_class: whether it is also weighed for each performance
        class by itself.
    """

    name: str
    label: str
    kind: Literal["rate", "share", "mean"]
    tolerance: float
    strata: tuple[str, ...] = ("platform", "perf_class")
    per_class: bool = True

    @property
    def groups(self) -> tuple[str, ...]:
        """All devices, and each class."""
        return ("", *PERF_CLASSES) if self.per_class else ("",)


FIGURES = {
    figure.name: figure
    for figure in (
        Figure("crash", "crashed", "rate", 1.25),
        Figure("infer", "failed to infer", "rate", 1.25),
        Figure("install", "could not install it", "share", 0.01, per_class=False),
        Figure("skill", "forecast error", "mean", log(1.02), ("perf_class", "cell")),
        Figure("latency", "inference time", "mean", log(1.10)),
    )
}
TESTS = [(figure, group) for figure in FIGURES.values() for group in figure.groups]
# A figure and a performance class, or all.
Test = tuple[str, str]
# What each test counts in the average, 1 in sum: crashes are what phones suffer most from, and are rare.
CRASH_WEIGHT = 1 / 3
WEIGHTS: dict[Test, float] = {
    (figure.name, group): CRASH_WEIGHT
    if (figure.name, group) == ("crash", "")
    else (1 - CRASH_WEIGHT) / (len(TESTS) - 1)
    for figure, group in TESTS
}
# Devices, each once as long as its token lives, and how many of them crashed at all: no figure, but what
# tells how often one device may have failed.
CRASHED_EVER = "crashed ever"
# Devices, each once in twelve windows, and how many of them crashed in these: no figure, as a device that
# crashes again and again is one device, but what must be known before a large share.
CRASHES = "crashes"
MEASURED = tuple(name for name, figure in FIGURES.items() if figure.kind == "mean")

Counts = Mapping[Group, Measured]


def in_group(counts: Counts, perf_class: str) -> dict[Group, Measured]:
    """The counts of a performance class; of all devices if it is empty."""
    return {group: one for group, one in counts.items() if perf_class in ("", group.perf_class)}


def by_arm(counts: Counts, arm: str) -> Measured:
    """What all devices of an arm gave."""
    return sum((one for group, one in counts.items() if group.arm == arm), Measured())


def bets(figure: Figure, fresh: Counts, spread: Measured) -> FloatArray | None:
    """What a window adds to each bet on a figure; None if nothing can be said.

    Args:
        figure: says how.
        fresh: what came in the window.
        spread: how the control's values lay within their strata before: degrees of freedom as the count, and
            their scatter as squares.
    """
    if figure.kind == "share":
        exposed = by_arm(fresh, "exposed")
        return share_bets(int(exposed.total), exposed.count, allowed=figure.tolerance)
    strata = list(_strata(figure, fresh).values())
    if figure.kind == "rate":
        tables = [Failures(e.count, int(e.total), c.count, int(c.total)) for e, c in strata]
        return failure_bets(tables, tolerance=figure.tolerance)
    if spread.count < SPREAD_FROM:
        return None
    variance = max(SMALLEST_VARIANCE, REPEATED * spread.squares / spread.count)
    return shift_bets(strata, variance=variance, tolerance=figure.tolerance)


def scatter_within(figure: Figure, fresh: Counts) -> Measured:
    """Degrees of freedom, and scatter, of the control's values within their strata."""
    controls = [control for _, control in _strata(figure, fresh).values() if control.count > 1]
    return Measured(sum(one.count - 1 for one in controls), 0.0, float(sum(one.scatter for one in controls)))


def by_cell(figure: Figure, counts: Counts) -> dict[str, tuple[float, int]]:
    """Per cell, how much worse its exposed devices were than usual, in sum, and its control devices."""
    control = by_arm(counts, "control")
    usual = figure.tolerance if figure.kind == "share" else control.mean
    cells: dict[str, list[Measured]] = defaultdict(lambda: [Measured(), Measured()])
    for group, one in counts.items():
        cells[group.cell][group.arm == "exposed"] += one
    return {
        cell: (
            exposed.total - exposed.count * (own.mean if figure.kind == "mean" and own.count else usual),
            own.count if figure.kind != "share" else exposed.count,
        )
        for cell, (own, exposed) in cells.items()
    }


def described(figure: Figure, counts: Measured) -> dict[str, Any]:
    """An arm's counts as people read them."""
    if figure.kind != "mean":
        return {"count": counts.count, "failures": int(counts.total)}
    deviation = (counts.scatter / counts.count) ** 0.5 if counts.count else 0.0
    return {"count": counts.count, "mean": round(counts.mean, 4), "deviation": round(deviation, 4)}


def _strata(figure: Figure, counts: Counts) -> dict[tuple[str, ...], tuple[Measured, Measured]]:
    """Exposed and control devices that may be compared, by what they have in common."""
    found: dict[tuple[str, ...], list[Measured]] = defaultdict(lambda: [Measured(), Measured()])
    for group, one in counts.items():
        key = tuple(str(getattr(group, field)) for field in figure.strata)
        found[key][group.arm == "control"] += one
    return {key: (exposed, control) for key, (exposed, control) in found.items()}


@dataclass(frozen=True, slots=True)
class Sides:
    """How many devices say that they are exposed, of how many on either side; both shares are 0..1.

    `forged` is the share of forgers to hold out against; `tokens` were seen of exposed devices so far, of
    which each device has one after the other.
    """

    exposed: int
    count: int
    share: float
    forged: float
    tokens: int


def verdict(
    e_values: Mapping[Test, float], counts: Mapping[str, Counts], sides: Sides, *, false_halts: float
) -> tuple[str, Test | None]:
    """What the evidence of all figures leads to, and the test that says so.

    Tests that forgers or one place could be behind are left out of the average that halts; tests in which
    few devices failed say nothing yet, as only a wider rollout can tell.

    Args:
        e_values: of the tests that have begun.
        counts: everything counted, per figure.
        sides: who reports.
        false_halts: how often a good rollout may be halted.

    Returns:
        halt; `unproven` where forgers or one place could be behind it; `suspect` where it is too early; or
        nothing.
    """
    loud = [test for test, e_value in e_values.items() if e_value >= SUSPICION and _enough(test, counts)]
    proven = [test for test in loud if _robust(test, counts, sides)]
    for tests, decision in ((proven, "halt"), (loud, "unproven")):
        if evidence({test: e_values[test] for test in tests}) * false_halts >= 1:
            return decision, max(tests, key=lambda test: WEIGHTS[test] * e_values[test])
    return ("suspect", max(loud, key=lambda test: e_values[test])) if loud else ("", None)


def crashes_again(counts: Mapping[str, Counts], crashes: Failures, sides: Sides) -> bool:
    """Whether exposed devices crash again and again, so that a rollout that is held must be halted.

    The test that halts counts each device once: what few devices have is drowned in the reports of the others
    unless it was seen at once. After many reports of each device, their crashes are told from the usual ones.
    Neither forgers who all say that they are exposed nor one place may be why.

    Args:
        counts: everything counted, per figure.
        crashes: reports, each device's once in twelve windows, and those with a crash.
        sides: who reports.
    """
    test = ("crash", "")
    return (
        crashes.exposed >= MANY_REPORTS * sides.exposed
        and clumped_chance(crashes, devices=sides.exposed) <= HARDLY_EVER
        and _enough(test, counts)
        and _robust(test, counts, sides)
    )


def evidence(e_values: Mapping[Test, float]) -> float:
    """One e-value of all tests."""
    return combined((WEIGHTS[test], e_value) for test, e_value in e_values.items())


def may_widen(crashes: Failures, *, exposed: int, control: int, next_share: float, margin: float) -> bool:
    """Whether enough is known of a rollout that nothing speaks against.

    `FEWEST` devices on each side reported under the share of now. Before a large share it must also be
    shown, not only not disproved, that the release does not crash on a share of devices: a test that halts
    needs days for what a few devices have.

    Args:
        crashes: reports, each device's once in twelve windows, and those with a crash.
        exposed: devices on that side that reported under the share of now.
        control: devices on this one.
        next_share: 0..1.
        margin: share of devices, inside 0..1, on which it must not crash.
    """
    if min(exposed, control) < FEWEST:
        return False
    if next_share < LARGE_SHARE:
        return True
    return fault_likelihood(crashes, devices=exposed, affected=margin) <= WRONGLY_WIDENED


def _enough(test: Test, counts: Mapping[str, Counts]) -> bool:
    """Whether as many devices failed as a halt takes."""
    metric, group = test
    failed = by_arm(in_group(counts[metric], group), "exposed").total
    return FIGURES[metric].kind == "mean" or failed >= FEWEST_FAILED


def _robust(test: Test, counts: Mapping[str, Counts], sides: Sides) -> bool:
    """Whether neither forgers nor one place can be behind what a test found."""
    metric, group = test
    figure, everyone = FIGURES[metric], counts[metric]
    found = in_group(everyone, group)
    return stands_without_top_cell(by_cell(figure, found)) and forgery_ruled_out(
        exposed=sides.exposed,
        count=sides.count,
        share=sides.share,
        needed=_forgers_needed(figure, found, sides, among=everyone),
        suspects=_forgers_needed(figure, everyone, sides, among=everyone),
        forged=sides.forged,
    )


def _forgers_needed(figure: Figure, counts: Counts, sides: Sides, *, among: Counts) -> float:
    """How many devices that lie as much as they can it takes to make the exposed ones look as bad."""
    exposed, control = by_arm(counts, "exposed"), by_arm(counts, "control")
    if figure.kind != "mean":
        # A device fails once with each of its tokens.
        return exposed.total * min(1.0, sides.exposed / max(1, sides.tokens))
    furthest = OUTLIER * (control.scatter / control.count) ** 0.5 if control.count else 0.0
    devices = sides.exposed * exposed.count / max(1, by_arm(among, "exposed").count)
    return devices * (exposed.mean - control.mean) / furthest if furthest else 0.0
