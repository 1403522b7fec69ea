"""The limits that decide whether a variant is bundled."""

from dataclasses import dataclass

from packager.recipes import Recipe

KIB = 1024


@dataclass(frozen=True, slots=True)
class Failure:
    """One limit that was missed: what was measured, what is allowed, what would most likely help."""

    gate: str
    figure: float
    limit: float
    advice: str

    def __str__(self) -> str:
        """One sentence."""
        return f"{self.gate} is {self.figure:.2f}, the limit is {self.limit:.2f}. {self.advice}"


def failed_gates(recipe: Recipe, *, wire_bytes: int, skill_loss_percent: float) -> list[Failure]:
    """The gates of a recipe that a variant misses; none when it may be bundled."""
    failures = []
    limit_kib = recipe.gates.max_wire_kib
    if limit_kib is not None and wire_bytes > limit_kib * KIB:
        advice = "Use fewer weight bits or smaller student sizes."
        failures.append(Failure("Size on the wire in KiB", wire_bytes / KIB, limit_kib, advice))
    # A figure that is not a number passes no gate.
    if not skill_loss_percent <= recipe.gates.max_skill_loss_percent:
        advice = "Distil for more epochs, enlarge the student, or keep more weight bits."
        failures.append(
            Failure("Skill loss in percent", skill_loss_percent, recipe.gates.max_skill_loss_percent, advice)
        )
    return failures
