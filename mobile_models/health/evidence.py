"""How strongly reports speak against a release: e-values, which may be looked at as often as one likes. Pure.

An e-process is a bet against the hypothesis "the exposed devices fare no worse than their concurrent
control". It starts at 1, and as long as the hypothesis holds its expectation never passes 1; so by Ville's
inequality it reaches 1/α, ever, with a probability of at most α. A halt at 1/α therefore has that false-halt
rate, however often and whenever somebody looks.

Each block is what came in one report window. Only devices of the same window and the same stratum (platform
and performance class; cell for skill) are compared, so that what hits both sides alike, an outage or bad
weather, is no evidence. Bets are mixtures over fixed alternatives: a mixture of e-processes is one, and an
average of e-values of whatever dependence is one too.

Sources: Ramdas, Grünwald, Vovk and Shafer (2023), Game-theoretic statistics and safe anytime-valid inference,
Statistical Science 38(4). Turner, Ly and Grünwald (2024), Generic E-variables for exact sequential k-sample
tests that allow for optional stopping, J. Statistical Planning and Inference 230, arXiv 2106.02693. Turner
and Grünwald (2023), Safe sequential testing and effect estimation in stratified count data, AISTATS. Vovk and
Wang (2021), E-values: calibration, combination and applications, Annals of Statistics 49(3). Lindon and Malek
(2022), Anytime-valid inference for multinomial count data, NeurIPS, arXiv 2011.03567: the sample ratio.
Wilson (1927), Probable inference, the law of succession, and statistical inference, JASA 22(158).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import exp, lgamma, log, sqrt

import numpy as np

from weatherapp.core.arrays import FloatArray

# Odds of failure, exposed to control, beyond what is tolerated: what is bet on.
ODDS = np.array([1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0])
# Differences of means of logarithms, beyond what is tolerated.
SHIFTS = np.array([0.03, 0.05, 0.08, 0.12, 0.2, 0.35, 0.6])
EXCESS = np.array([1.1, 1.25, 1.5, 2.0, 3.0, 5.0, 10.0])
SHORTFALL = np.array([0.1, 0.25, 0.5, 0.7, 0.85])
# A log e-value beyond which nothing is added: the decision was taken long before.
LARGEST = 600.0
# Deviations by which failures must differ from what forgers would make of them.
CLEARLY = 3.0
AGAINST_FORGERS = 100.0
# Deviations of a one-sided bound at 95 %.
CONFIDENT = 1.645
# Crashes that are expected where the control had none: next to none.
RAREST = 1e-9


@dataclass(frozen=True, slots=True)
class Failures:
    """Devices of one stratum and window, and how many of them failed."""

    exposed: int
    exposed_failed: int
    control: int
    control_failed: int


@dataclass(frozen=True, slots=True)
class Measured:
    """What devices measured: how many did, the sum, and the sum of squares."""

    count: int = 0
    total: float = 0.0
    squares: float = 0.0

    def __add__(self, other: "Measured") -> "Measured":
        return Measured(self.count + other.count, self.total + other.total, self.squares + other.squares)

    def __sub__(self, other: "Measured") -> "Measured":
        return Measured(self.count - other.count, self.total - other.total, self.squares - other.squares)

    @property
    def mean(self) -> float:
        """The mean; 0 of nothing."""
        return self.total / self.count if self.count else 0.0

    @property
    def scatter(self) -> float:
        """The sum of squared differences from the mean."""
        return max(0.0, self.squares - self.total * self.mean)


def failure_bets(strata: Sequence[Failures], *, tolerance: float) -> FloatArray:
    """What a window adds to the logarithm of each bet on a higher failure rate.

    Given how many devices of a stratum failed, how many of these were exposed follows Fisher's noncentral
    hypergeometric distribution, in which the common rate, whatever it was in that hour, has cancelled. The
    factor is its likelihood at the alternative's odds over that at the tolerated odds; as that ratio grows
    with the exposed failures, its expectation is at most 1 for all odds up to the tolerated ones: exact at
    any size.

    Args:
        strata: the window's tables; those without a control say nothing.
        tolerance: odds, exposed to control, that are no reason to halt.

    Returns:
        (alternative,), to be added to the sums so far.
    """
    total = np.zeros(len(ODDS))
    for table in strata:
        failed = table.exposed_failed + table.control_failed
        if failed and table.exposed and table.control:
            total += _conditional(table, failed, np.log(tolerance * np.append(1.0, ODDS)))
    return total


def share_bets(failed: int, count: int, *, allowed: float) -> FloatArray:
    """What a window adds to the logarithm of each bet on more failures than a fixed share.

    For what only exposed devices do, such as installing: there is no control to compare with.

    Args:
        failed: devices in which it failed.
        count: devices that tried.
        allowed: the share of failures that is no reason to halt, inside 0..1.

    Returns:
        (alternative,), to be added to the sums so far.
    """
    odds = allowed / (1 - allowed) * ODDS
    worse = odds / (1 + odds)
    added: FloatArray = failed * np.log(worse / allowed) + (count - failed) * np.log(
        (1 - worse) / (1 - allowed)
    )
    return added


def shift_bets(
    strata: Sequence[tuple[Measured, Measured]], *, variance: float, tolerance: float
) -> FloatArray:
    """What a window adds to the logarithm of each bet on a higher mean.

    The strata's differences of means, exposed less control, weighted by their precision, are near normal:
    what is measured are logarithms, cut off at three deviations. The factor is the likelihood ratio of two
    normal means, which grows with the difference, so that all differences up to the tolerated one are
    covered.

    Args:
        strata: per stratum what exposed and what control devices measured in the window.
        variance: of one device's value within its stratum, known before the window.
        tolerance: a difference that is no reason to halt.

    Returns:
        (alternative,), to be added to the sums so far.
    """
    information = weighted = 0.0
    for exposed, control in strata:
        if exposed.count and control.count:
            precision = 1 / (variance * (1 / exposed.count + 1 / control.count))
            information += precision
            weighted += precision * (exposed.mean - control.mean)
    shifts = tolerance + SHIFTS
    return (shifts - tolerance) * weighted - (shifts**2 - tolerance**2) / 2 * information


def e_value(log_bets: FloatArray | Sequence[float]) -> float:
    """The mixture of bets, from the sums of their logarithms."""
    logs = np.minimum(np.asarray(log_bets, float), LARGEST)
    return float(np.exp(logs - log(len(logs))).sum())


def combined(weighted: Iterable[tuple[float, float]]) -> float:
    """One e-value out of many of any dependence: their weighted average.

    Args:
        weighted: weights, fixed before anything was seen and 1 in sum, with the e-values of the tests that
            have begun. What is missing counts as 1: a test that begins late was paid for from the start.
    """
    return 1 + sum(weight * (e_value - 1) for weight, e_value in weighted)


def fault_likelihood(reports: Failures, *, devices: int, affected: float) -> float:
    """How much likelier the exposed devices' reports are if the release crashes on a share of devices.

    Likelier than if it crashes no more often than the control does. The share is of the fleet, and which
    devices are affected is settled once: each of the exposed ones is with that chance, and then crashes once
    per report on average besides the usual crashes, which are Poisson. More reports of the same devices
    tell better whether these are affected, and never more of the fleet than these devices can.

    If the release does crash on that share or more, the inverse of this ratio is an e-process against that:
    ever, the ratio falls to α with a probability of at most α, however often somebody looks. The usual rate
    is the lower end of Wilson's interval of the control's, so that few control devices excuse no crash.
    It is used to hold a rollout and never to halt one: some devices crash much oftener than others.

    Args:
        reports: each device once in twelve windows, and those with a crash.
        devices: how many exposed devices they are of.
        affected: the share of devices to be excluded, inside 0..1.

    Returns:
        The ratio of likelihoods; 1 if nothing was reported.
    """
    if not devices or not reports.exposed:
        return 1.0
    steps = np.arange(devices)
    odds = (devices - steps) / (steps + 1) * affected / (1 - affected)
    chances = devices * log(1 - affected) + np.concatenate([[0.0], np.cumsum(np.log(odds))])
    usual = reports.exposed * _least_share(reports.control_failed, reports.control)
    added = np.arange(devices + 1) * (reports.exposed / devices)
    likelihoods = reports.exposed_failed * np.log1p(added / max(usual, RAREST)) - added
    logs = np.minimum(chances + likelihoods, LARGEST)
    return float(np.exp(logs).sum())


def clumped_chance(reports: Failures, *, devices: int) -> float:
    """How likely the exposed devices' crashes are if they are like the control's, and as clumped as can be.

    Crashes of few devices that crash in every report say least: how many of these are among the exposed ones
    is Poisson, with the control's share of reports as the share of such devices. Whatever the crashes really
    are, they are spread more evenly than that.

    Args:
        reports: each device once in twelve windows, and those with a crash.
        devices: how many exposed devices they are of.

    Returns:
        The chance of as many such devices or more; 1 if nothing was reported.
    """
    if not devices or not reports.exposed:
        return 1.0
    always = int(reports.exposed_failed * devices / reports.exposed)
    usual = devices * (reports.control_failed + 1) / (reports.control + 1)
    fewer = sum(exp(number * log(usual) - usual - lgamma(number + 1)) for number in range(always))
    return max(0.0, 1.0 - fewer)


def _least_share(failed: int, count: int) -> float:
    """The lower end of Wilson's one-sided interval of a share; 0 of nobody."""
    if not count:
        return 0.0
    share, square = failed / count, CONFIDENT**2
    root = CONFIDENT * sqrt(share * (1 - share) / count + square / (4 * count**2))
    return max(0.0, (share + square / (2 * count) - root) / (1 + square / count))


def ratio_evidence(exposed: int, count: int, share: float) -> tuple[float, float]:
    """E-values against "a share of the devices says that it is exposed": for too many, for too few.

    Args:
        exposed: devices that say so.
        count: devices on either side.
        share: the share of the rollout, 0..1.
    """
    if not 0 < share < 1:
        return 1.0, 1.0
    found = []
    for factors in (EXCESS[EXCESS * share < 1], SHORTFALL):
        bets = exposed * np.log(factors) + (count - exposed) * np.log((1 - factors * share) / (1 - share))
        found.append(e_value(bets) if len(bets) else 1.0)
    return found[0], found[1]


def forgery_ruled_out(
    *, exposed: int, count: int, share: float, needed: float, suspects: float, forged: float
) -> bool:
    """Whether the result cannot be the work of a share of forgers who all say that they are exposed.

    It takes clearly more forgers than that; or clearly fewer devices than that look bad; or the devices that
    say they are exposed are as many as the share makes so, and not as many as there would be with the forgers
    among them. The last is a ratio of likelihoods, which misleads, ever, once in `AGAINST_FORGERS` times.

    Args:
        exposed: devices that say they are exposed.
        count: devices on either side.
        share: the share of the rollout, 0..1.
        needed: how many forgers it would take.
        suspects: how many devices of any class look as forgers would.
        forged: the share of forgers to hold out against, 0..1; 0 for none.
    """
    forgers = forged * count
    chance = CLEARLY * sqrt(forgers)
    if not forged or needed > forgers + chance or suspects < forgers - chance:
        return True
    if share >= 1:
        return False
    among = share + forged * (1 - share)
    honest = exposed * log(share / among) + (count - exposed) * log((1 - share) / (1 - among))
    return honest > log(AGAINST_FORGERS)


def stands_without_top_cell(cells: Mapping[str, tuple[float, int]]) -> bool:
    """Whether a result rests on more than one place.

    Args:
        cells: per cell how much it adds to the difference between the arms, and its control devices. Cells
        that
            speak for the release count as well.

    Returns:
        True if at least half of the difference is left without the cell that adds most, or if most of the
        control lives in that cell too.
    """
    total = sum(added for added, _ in cells.values())
    if not cells or total <= 0:
        return False
    top = max(cells, key=lambda cell: cells[cell][0])
    added, control = cells[top]
    everywhere = sum(devices for _, devices in cells.values())
    return total - added >= total / 2 or 2 * control > everywhere


def _conditional(table: Failures, failed: int, log_odds: FloatArray) -> FloatArray:
    """Log likelihood of a table given its margins, at all odds but the first, less that at the first."""
    lowest, highest = max(0, failed - table.control), min(failed, table.exposed)
    steps = np.arange(lowest, highest)
    ratios = (table.exposed - steps) * (failed - steps) / ((steps + 1) * (table.control - failed + steps + 1))
    support = np.arange(lowest, highest + 1)
    central = np.concatenate([[0.0], np.cumsum(np.log(ratios))])
    logs = central + np.outer(log_odds, support)
    peaks = logs.max(axis=1)
    norms = peaks + np.log(np.exp(logs - peaks[:, None]).sum(axis=1))
    likelihood: FloatArray = logs[:, table.exposed_failed - lowest] - norms
    difference: FloatArray = likelihood[1:] - likelihood[0]
    return difference
