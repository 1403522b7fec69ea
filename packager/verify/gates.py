"""The limits that decide whether a variant is bundled."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from packager.recipes import Recipe
from packager.verify.advice import for_memory, for_size, for_skill

KIB = 1024


@dataclass(frozen=True, slots=True)
class Failure:
    """One limit that was missed: what was measured, what is allowed, what would most likely help."""

    gate: str
    figure: float
    limit: float
    advice: str

    def __str__(self) -> str:
        """Two sentences."""
        seen = "was not measured" if math.isnan(self.figure) else f"is {self.figure:.2f}"
        return f"{self.gate} {seen}, the limit is {self.limit:.2f}. {self.advice}"


@dataclass(frozen=True, slots=True)
class Found:
    """What is known of a variant beside its size and mean loss; losses in percent against the teacher.

    Attributes:
        station: the worst station and its loss.
        bucket: the worst lead bucket and its loss.
        outputs: loss by output.
        arena_kib: memory that TFLite Micro needs beside the model; None where the format has no arena.
        student_loss_percent: of the student before any step; None where there is none.
    """

    station: tuple[str, float] | None = None
    bucket: tuple[str, float] | None = None
    outputs: Mapping[str, float] = field(default_factory=dict)
    arena_kib: float | None = None
    student_loss_percent: float | None = None

    @property
    def worst_output(self) -> str | None:
        """The output that loses most."""
        return max(self.outputs, key=lambda name: self.outputs[name]) if self.outputs else None

    @classmethod
    def of(cls, evaluation: Mapping[str, Any], quantization: Mapping[str, Any], split: str) -> "Found":
        """From the facts of an evaluation and what the exporter said."""
        loss, arena = evaluation.get("loss", {}), quantization.get("arena_bytes")
        return cls(
            station=_named(loss.get("station")),
            bucket=_named(loss.get("bucket")),
            outputs=evaluation.get("depth", {}).get(split, {}).get("outputs", {}),
            arena_kib=None if arena is None else arena / KIB,
        )


def failed_gates(
    recipe: Recipe, *, wire_bytes: int, skill_loss_percent: float, found: Found | None = None
) -> list[Failure]:
    """The gates of a recipe that a variant misses; none when it may be bundled.

    A limit whose figure is not a number, or was not measured, is missed.
    """
    known, gates = found or Found(), recipe.gates
    checks = (
        ("Size on the wire in KiB", wire_bytes / KIB, gates.max_wire_kib),
        ("Skill loss in percent", skill_loss_percent, gates.max_skill_loss_percent),
        _check_of("station", known.station, gates.max_station_loss_percent),
        _check_of("lead bucket", known.bucket, gates.max_bucket_loss_percent),
        ("Arena in KiB", math.nan if known.arena_kib is None else known.arena_kib, gates.max_arena_kib),
    )
    return [
        Failure(name, figure, limit, _advice(name, recipe, known, limit))
        for name, figure, limit in checks
        if limit is not None and not figure <= limit
    ]


def _check_of(
    what: str, worst: tuple[str, float] | None, limit: float | None
) -> tuple[str, float, float | None]:
    if worst is None:
        return f"Skill loss in percent at the worst {what}", math.nan, limit
    return f"Skill loss in percent at the worst {what} ({worst[0]})", worst[1], limit


def _advice(gate: str, recipe: Recipe, found: Found, limit: float) -> str:
    if gate.startswith("Size"):
        return for_size(recipe)
    if gate.startswith("Arena"):
        return for_memory(recipe)
    return for_skill(
        recipe,
        limit=limit,
        student_loss_percent=found.student_loss_percent,
        worst_output=found.worst_output,
    )


def _named(value: Any) -> tuple[str, float] | None:
    return (str(value[0]), float(value[1])) if value else None
