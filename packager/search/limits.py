"""What a search may spend and must reach, checked before anything is trained."""

import math
from dataclasses import dataclass

from packager.recipes.tiers import Gates, read_tiers
from packager.search.errors import SearchInvalid

KIB = 1024
TARGETS = {"tflite": ("tflite",), "coreml": ("coreml",), "both": ("tflite", "coreml")}


@dataclass(frozen=True, slots=True)
class Limits:
    """What the winner must keep: bytes of its bundle on the wire, and its skill loss in percent."""

    max_bytes: int
    max_skill_loss_percent: float

    def excess(self, wire_bytes: float, skill_loss_percent: float) -> tuple[float, float]:
        """How far each limit is exceeded, at most 0 inside: a share of the bytes, and percentage points."""
        return wire_bytes / self.max_bytes - 1.0, skill_loss_percent - self.max_skill_loss_percent

    def hold(self, wire_bytes: float, skill_loss_percent: float) -> bool:
        """Whether both limits are kept."""
        return all(excess <= 0 for excess in self.excess(wire_bytes, skill_loss_percent))


def check_targets(name: str) -> tuple[str, ...]:
    """The formats that a target of the command line stands for.

    Raises:
        SearchInvalid: lists the targets that exist.
    """
    if name not in TARGETS:
        raise SearchInvalid(f"Target {name!r} is not known; choose one of {', '.join(TARGETS)}.")
    return TARGETS[name]


def check_minutes(minutes: float) -> float:
    """The budget, if it is one.

    Raises:
        SearchInvalid: not a number above 0.
    """
    if not (math.isfinite(minutes) and minutes > 0):
        raise SearchInvalid(
            f"The budget is {minutes:g} minutes; give a number above 0. One trial is done in any case."
        )
    return minutes


def make_limits(max_bytes: int | None, max_skill_loss_percent: float | None, tier: str | None) -> Limits:
    """The limits as given, and the tier's where one is not given.

    Raises:
        SearchInvalid: a limit is missing or senseless, or the tier is unknown or lacks it.
    """
    wire, loss = max_bytes, max_skill_loss_percent
    if tier is not None:
        gates = _tier_gates(tier)
        if wire is None and gates.max_wire_kib is not None:
            wire = int(gates.max_wire_kib * KIB)
        loss = gates.max_skill_loss_percent if loss is None else loss
    if wire is None or loss is None:
        missing = "bytes" if wire is None else "skill loss"
        said = f"tier {tier} has none" if tier else "no tier is given"
        raise SearchInvalid(
            f"No limit on {missing}: {said}. Give --max-bytes and --max-skill-loss, or --tier."
        )
    if wire <= 0:
        raise SearchInvalid(f"At most {wire} bytes were asked for; give a whole number above 0.")
    if not (math.isfinite(loss) and loss > 0):
        raise SearchInvalid(f"A skill loss of at most {loss:g} % was asked for; give a number above 0.")
    return Limits(wire, loss)


def _tier_gates(tier: str) -> Gates:
    tiers = read_tiers()
    if tier not in tiers:
        raise SearchInvalid(f"Tier {tier!r} is not known; choose one of {', '.join(tiers)}.")
    return tiers[tier]
