"""Whether a rollout may go on, from what devices on both sides of it report; and the halt if it may not."""

import logging
from collections import defaultdict
from datetime import datetime, timedelta
from math import exp
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Count
from django.utils import timezone

from mobile_models.errors import DeliveryError
from mobile_models.health.evidence import (
    Failures,
    Measured,
    e_value,
    ratio_evidence,
)
from mobile_models.health.figures import (
    ALL,
    CRASHED_EVER,
    CRASHES,
    FIGURES,
    MISMATCH,
    RATIO,
    SUSPICION,
    TESTS,
    TOO_FEW,
    TOO_MANY,
    Counts,
    Figure,
    Group,
    Sides,
    bets,
    by_arm,
    crashes_again,
    described,
    evidence,
    in_group,
    may_widen,
    scatter_within,
    verdict,
)
from mobile_models.models import HealthCount, Rollout, RolloutHealth, TokenClaim
from mobile_models.rollout import EVERYONE
from mobile_models.selectors import OFFERED

logger = logging.getLogger(__name__)


LARGEST = 1e300


def is_healthy(rollout: Rollout) -> bool:
    """Whether there is evidence enough, from both sides, that the rollout may be widened.

    Nothing may be suspect, the two sides must be as large as the share makes them, and what `may_widen` asks
    for must have been weighed.
    """
    rows = RolloutHealth.objects.filter(rollout=rollout, metric__in=(ALL, RATIO))
    found = {row.metric: row for row in rows}
    if len(found) < 2 or any(row.decision for row in found.values()):
        return False
    ratio, overall = found[RATIO], found[ALL]
    if ratio.state["share"] != rollout.basis_points:
        return False
    if "crashes" not in overall.state:
        return False
    return may_widen(
        Failures(*overall.state["crashes"]),
        exposed=ratio.exposed["count"],
        control=ratio.control["count"],
        next_share=_next_share(rollout),
        margin=settings.CRASH_MARGIN,
    )


def _next_share(rollout: Rollout) -> float:
    """The share of the stage after this one, 0..1."""
    ahead = rollout.stages[rollout.stage :]
    return float(ahead[0]["basis_points"]) / EVERYONE if ahead else 1.0


def evaluate_rollouts(*, now: datetime | None = None) -> list[Rollout]:
    """Weigh every staged rollout whose report window has ended; gives those that were halted."""
    staged = Rollout.objects.filter(state__in=OFFERED, basis_points__lt=EVERYONE)
    return [rollout for rollout in staged if evaluate_rollout(rollout=rollout, now=now or timezone.now())]


def evaluate_rollout(*, rollout: Rollout, now: datetime, even_early: bool = False) -> bool:
    """Fold what came in since the last look into the evidence; halt what is worse than its control.

    Args:
        rollout: a staged one.
        now: the time.
        even_early: also before the window has ended.

    Returns:
        Whether it was halted.
    """
    with transaction.atomic():
        overall, _ = RolloutHealth.objects.select_for_update().get_or_create(
            rollout=rollout, metric=ALL, group="", defaults={"state": {}}
        )
        last = overall.state.get("at")
        window = timedelta(minutes=settings.REPORT_WINDOW_MINUTES)
        if not even_early and last and now - datetime.fromisoformat(last) < window:
            return False
        verdict = _weigh(rollout, overall)
        overall.state["at"] = now.isoformat()
        overall.save()
    return bool(verdict) and _halt(rollout, verdict)


def references(rollout: Rollout, perf_class: str) -> dict[str, Measured]:
    """Per measured figure, what the control of a performance class measured so far. One query."""
    rows = RolloutHealth.objects.filter(rollout=rollout, group=perf_class)
    found = {row.metric: Measured(*row.state["control"]) for row in rows if row.state.get("control")}
    return {metric: one for metric, one in found.items() if one.count}


def _weigh(rollout: Rollout, overall: RolloutHealth) -> str:
    """Bring every figure up to date; gives why the rollout must be halted, or an empty text."""
    ratio = _look_at_ratio(rollout)
    everything, fresh = _taken(rollout)
    rows = {
        (row.metric, row.group): row
        for row in RolloutHealth.objects.filter(rollout=rollout).exclude(metric__in=(ALL, RATIO))
    }
    e_values: dict[tuple[str, str], float] = {}
    for figure, group in TESTS:
        row = rows.get((figure.name, group)) or RolloutHealth(
            rollout=rollout, metric=figure.name, group=group
        )
        total = in_group(everything[figure.name], group)
        if total or row.pk:
            _fold(row, figure, total, in_group(fresh[figure.name], group), tainted=ratio.decision == TOO_MANY)
            e_values[figure.name, group] = row.evidence
    overall.evidence = evidence(e_values)
    overall.exposed = described(FIGURES["crash"], by_arm(everything[CRASHED_EVER], "exposed"))
    overall.control = described(FIGURES["crash"], by_arm(everything[CRASHED_EVER], "control"))
    overall.state["crashes"] = _crashes(everything[CRASHES])
    overall.decision = ""
    if ratio.decision == TOO_MANY:
        return ""
    sides, crashes = _sides(rollout, ratio, overall), Failures(*overall.state["crashes"])
    overall.decision, test = verdict(e_values, everything, sides, false_halts=settings.FALSE_HALT_RATE)
    if overall.decision != "halt" and crashes_again(everything, crashes, sides):
        overall.decision = "halt"
        return (
            "Halted by the health test: exposed devices crash again and again, in "
            f"{crashes.exposed_failed} of {crashes.exposed} reports; the control in "
            f"{crashes.control_failed} of {crashes.control}."
        )
    if overall.decision != "halt" or test is None:
        return ""
    return _reason(FIGURES[test[0]], test[1], in_group(everything[test[0]], test[1]), overall.evidence)


def _crashes(counts: Counts) -> list[int]:
    """Reports and those with a crash, of the exposed devices and of the control."""
    sides = [by_arm(counts, arm) for arm in ("exposed", "control")]
    return [number for side in sides for number in (side.count, int(side.total))]


def _sides(rollout: Rollout, ratio: RolloutHealth, overall: RolloutHealth) -> Sides:
    exposed, control = ratio.exposed["count"], ratio.control["count"]
    return Sides(
        exposed=exposed,
        count=exposed + control,
        share=rollout.basis_points / EVERYONE,
        forged=settings.FORGED_REPORTS_SHARE,
        tokens=overall.exposed["count"],
    )


def _look_at_ratio(rollout: Rollout) -> RolloutHealth:
    """Whether as many devices say that they are exposed as the share makes so."""
    claims = TokenClaim.objects.filter(rollout=rollout, share=rollout.basis_points)
    found = dict(claims.values_list("arm").annotate(Count("pk")))
    exposed, control = found.get("exposed", 0), found.get("control", 0)
    many, few = ratio_evidence(exposed, exposed + control, rollout.basis_points / EVERYONE)
    row, _ = RolloutHealth.objects.update_or_create(
        rollout=rollout,
        metric=RATIO,
        group="",
        defaults={
            "exposed": {"count": exposed},
            "control": {"count": control},
            "state": {"share": rollout.basis_points},
            "evidence": min(LARGEST, max(many, few)),
            "decision": TOO_MANY if many >= MISMATCH else TOO_FEW if few >= MISMATCH else "",
        },
    )
    return row


def _taken(rollout: Rollout) -> tuple[dict[str, Counts], dict[str, Counts]]:
    """Everything counted so far per figure, and what of it is new; notes that it was taken. Two queries."""
    everything: dict[str, dict[Group, Measured]] = defaultdict(dict)
    fresh: dict[str, dict[Group, Measured]] = defaultdict(dict)
    changed = []
    for row in HealthCount.objects.filter(rollout=rollout):
        group = Group(row.arm, row.platform, row.perf_class, row.cell)
        now = Measured(row.count, row.total, row.squares)
        before = Measured(row.folded_count, row.folded_total, row.folded_squares)
        everything[row.metric][group] = now
        if now.count > before.count:
            fresh[row.metric][group] = now - before
            row.folded_count, row.folded_total, row.folded_squares = now.count, now.total, now.squares
            changed.append(row)
    HealthCount.objects.bulk_update(
        changed, ["folded_count", "folded_total", "folded_squares"], batch_size=500
    )
    return defaultdict(dict, everything), defaultdict(dict, fresh)


def _fold(row: RolloutHealth, figure: Figure, total: Counts, fresh: Counts, *, tainted: bool) -> None:
    """Carry a figure's bets on by what is new; start them again where forgers were among the devices."""
    state: dict[str, Any] = row.state
    spread = Measured(*state.get("spread", (0, 0.0, 0.0)))
    added = bets(figure, fresh, spread)
    sums = state.get("bets")
    if tainted:
        sums = None
    elif added is not None:
        sums = (added if sums is None else added + sums).tolist()
    row.exposed = described(figure, by_arm(total, "exposed"))
    row.control = described(figure, by_arm(total, "control"))
    row.evidence = 1.0 if sums is None else min(LARGEST, e_value(sums))
    row.decision = "suspect" if row.evidence >= SUSPICION else ""
    row.state = {"bets": sums}
    if figure.kind == "mean":
        control = by_arm(total, "control")
        after = spread + scatter_within(figure, fresh)
        row.state |= {
            "spread": [after.count, after.total, after.squares],
            "control": [control.count, control.total, control.squares],
        }
    row.save()


def _reason(figure: Figure, group: str, counts: Counts, evidence: float) -> str:
    exposed, control = by_arm(counts, "exposed"), by_arm(counts, "control")
    devices = f"{group} devices" if group else "devices"
    if figure.kind == "mean":
        change = 100 * (exp(exposed.mean - control.mean) - 1)
        said = f"{figure.label} of {devices} is {change:+.0f} % against the control"
    else:
        said = f"{int(exposed.total)} of {exposed.count} exposed {devices} {figure.label}"
        if figure.kind == "rate":
            said += f", {int(control.total)} of {control.count} of the control"
    return f"Halted by the health test: {said}; evidence {evidence:.3g} to 1."


def _halt(rollout: Rollout, reason: str) -> bool:
    from mobile_models.services import halt_rollout  # services ask here whether a rollout is healthy

    try:
        halt_rollout(rollout=rollout, reason=reason, roll_back=rollout.roll_back_on_halt)
    except DeliveryError as error:
        logger.warning("The rollout of %s should be halted and cannot: %s", rollout, error)
        return False
    logger.warning("%s: %s", rollout, reason)
    return True
