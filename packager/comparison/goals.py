"""What the comparison is to show, as figures with their limits: reached or MISSED.

Stock peers are measured at a few sizes only. Between two points of their front the loss is interpolated
along the logarithm of the bytes; beyond its ends the nearest peer stands. Below the smallest and above the
best that is in the peers' favour: fewer bytes than the smallest peer's lose no less than it does, and less
loss than the best peer's takes no fewer bytes than it has.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from packager.comparison.rows import Row, front_of

KIB = 1024
PHONE_KIB, PHONE_LOSS_PERCENT = 48, 1.0
# Stock tools that are given our student start from half of our work: they are judged apart.
GIVEN = {"member": "on a member of the teacher", "student": "on our own student"}
TEACHER_TIMES, PEER_SHARE, PHONE_MICROSECONDS = 100.0, 0.5, 20.0


@dataclass(frozen=True, slots=True)
class Goal:
    """One goal: what is wanted, what was found, by which recipe; None where nothing could be compared."""

    wanted: str
    figure: float | None
    limit: float
    unit: str
    recipe: str = ""
    at_least: bool = False

    @property
    def reached(self) -> bool:
        """Whether it was reached; what could not be compared was not."""
        if self.figure is None:
            return False
        return self.figure >= self.limit if self.at_least else self.figure <= self.limit

    @property
    def verdict(self) -> str:
        """In a word."""
        return "reached" if self.reached else "MISSED"

    def __str__(self) -> str:
        """One line."""
        if self.figure is None:
            return f"{self.verdict}: {self.wanted} (nothing to compare)"
        return f"{self.verdict}: {self.wanted}: {self.figure:.3g} {self.unit} ({self.recipe})"


def judge(rows: Sequence[Row], teacher_bytes: int) -> list[Goal]:
    """Hold the rows against all goals.

    Args:
        rows: recipes and peers.
        teacher_bytes: of the teacher's weights in float32.
    """
    ours = [row for row in rows if row.kind == "recipe" and row.point]
    peers = [row for row in rows if row.kind == "peer" and row.point]
    return [
        *(_phone(ours, format_) for format_ in ("tflite", "coreml")),
        _times_smaller(ours, teacher_bytes),
        *(
            goal(ours, [row for row in peers if row.source == source], format_, given)
            for source, given in GIVEN.items()
            for goal in (_against, _beside)
            for format_ in ("tflite", "coreml")
        ),
        _fast(ours),
    ]


def best_phone(rows: Sequence[Row], format_: str) -> Row | None:
    """Of the rows of a format that a phone's limit of size lets through the one that loses least."""
    fitting = [row for row in rows if row.format == format_ and (row.bytes_on_wire or 0) <= PHONE_KIB * KIB]
    return min(fitting, key=_loss, default=None)


def best_against(rows: Sequence[Row], format_: str, share: Callable[[Row], float]) -> Row | None:
    """Of the rows of a format that a phone's limits let through the one with the smallest share of a peer's.

    Where none keeps the limit of skill, the one that loses least.
    """
    fitting = [row for row in rows if row.format == format_ and _bytes(row) <= PHONE_KIB * KIB]
    good = [row for row in fitting if _loss(row) <= PHONE_LOSS_PERCENT]
    return min(good, key=share, default=best_phone(rows, format_))


def bytes_at(front: Sequence[Row], loss: float) -> float:
    """How many bytes a front needs for a loss: interpolated, its ends held."""
    ordered = sorted(front, key=_loss)
    sizes = np.log([_bytes(row) for row in ordered])
    return float(np.exp(np.interp(loss, [_loss(row) for row in ordered], sizes)))


def loss_at(front: Sequence[Row], size: float) -> float:
    """What a front loses at so many bytes: interpolated, its ends held."""
    ordered = sorted(front, key=_bytes)
    sizes = np.log([_bytes(row) for row in ordered])
    return float(np.interp(np.log(size), sizes, [_loss(row) for row in ordered]))


def _phone(ours: Sequence[Row], format_: str) -> Goal:
    best = best_phone(ours, format_)
    wanted = f"{format_}: skill loss of a bundle of at most {PHONE_KIB} KiB, at most {PHONE_LOSS_PERCENT} %"
    return _goal(wanted, best, _loss, PHONE_LOSS_PERCENT, "%")


def _times_smaller(ours: Sequence[Row], teacher_bytes: int) -> Goal:
    good = [row for row in ours if _loss(row) <= PHONE_LOSS_PERCENT]
    best = min(good, key=_bytes, default=None)
    wanted = (
        "smaller on the wire than the teacher's float weights, at no more than "
        f"{PHONE_LOSS_PERCENT} % loss: {TEACHER_TIMES:.0f} times"
    )
    figure = None if best is None else teacher_bytes / _bytes(best)
    return Goal(wanted, figure, TEACHER_TIMES, "times", best.recipe if best else "", at_least=True)


def _against(ours: Sequence[Row], peers: Sequence[Row], format_: str, given: str) -> Goal:
    """Bytes at equal skill."""
    front = front_of([row for row in peers if row.format == format_])
    wanted = f"{format_}: bytes at equal skill, of the best of stock tools {given}: at most {PEER_SHARE:.0%}"

    def share(row: Row) -> float:
        return _bytes(row) / bytes_at(front, _loss(row))

    best = best_against(ours, format_, share) if front else None
    return _goal(wanted, best, share, PEER_SHARE, "of its bytes")


def _beside(ours: Sequence[Row], peers: Sequence[Row], format_: str, given: str) -> Goal:
    """Loss at equal bytes."""
    front = front_of([row for row in peers if row.format == format_])
    wanted = f"{format_}: loss at equal bytes, of the best of stock tools {given}: at most {PEER_SHARE:.0%}"

    def share(row: Row) -> float:
        theirs = loss_at(front, _bytes(row))
        # Where a peer loses nothing, half of it is nothing too.
        return _loss(row) / theirs if theirs > 0 else float(_loss(row) > theirs)

    best = best_against(ours, format_, share) if front else None
    return _goal(wanted, best, share, PEER_SHARE, "of its loss")


def _fast(ours: Sequence[Row]) -> Goal:
    timed = [row for row in ours if row.format == "tflite" and row.microseconds is not None]
    tiered = [row for row in timed if row.tier == "phone_mid"]
    best = min(tiered or timed, key=lambda row: row.microseconds or 0.0, default=None)
    wanted = f"tflite, tier phone_mid: one forecast on one core in at most {PHONE_MICROSECONDS:.0f} µs"
    return _goal(wanted, best, lambda row: row.microseconds or 0.0, PHONE_MICROSECONDS, "µs")


def _goal(wanted: str, row: Row | None, figure: Callable[[Row], float], limit: float, unit: str) -> Goal:
    return Goal(wanted, None if row is None else figure(row), limit, unit, row.recipe if row else "")


def _bytes(row: Row) -> int:
    return row.bytes_on_wire or 0


def _loss(row: Row) -> float:
    return row.skill_loss_percent if row.skill_loss_percent is not None else float("inf")
