"""Limits that a variant must meet, by the class of devices it is for: read from `tiers.yaml`."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from packager.errors import RecipeInvalid

TIERS_FILE = Path(__file__).parent / "tiers.yaml"
UNTIERED = "none"


@dataclass(frozen=True, slots=True)
class Gates:
    """Limits that a variant must meet to be bundled; None is no limit.

    Attributes:
        max_skill_loss_percent: against the teacher on unseen stations, leads 1–48 h, mean over outputs.
        max_wire_kib: of the compressed archive.
        max_station_loss_percent: the same loss at the worst station.
        max_bucket_loss_percent: the same loss in the worst lead bucket.
        max_arena_kib: memory that TFLite Micro needs beside the model.
        reason: why a limit is laxer than the tier's.
    """

    max_skill_loss_percent: float | None = None
    max_wire_kib: float | None = None
    max_station_loss_percent: float | None = None
    max_bucket_loss_percent: float | None = None
    max_arena_kib: float | None = None
    reason: str = ""

    def limits(self) -> dict[str, float]:
        """The limits that there are, by name."""
        return {k: v for k, v in asdict(self).items() if k != "reason" and v is not None}


LIMITS = tuple(field.name for field in fields(Gates) if field.name != "reason")


@cache
def read_tiers(path: Path = TIERS_FILE) -> Mapping[str, Gates]:
    """Limits by tier.

    Raises:
        RecipeInvalid: unreadable, an unknown tier or limit, or a limit that is no number.
    """
    try:
        document = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise RecipeInvalid(f"{path.name} is not a readable YAML file of limits: {error}") from error
    if not isinstance(document, dict) or not all(isinstance(limits, dict) for limits in document.values()):
        raise RecipeInvalid(f"{path.name} must map each tier to its limits, as {TIERS_FILE.name} does.")
    for tier, limits in document.items():
        if unknown := sorted(set(limits) - set(LIMITS)):
            raise RecipeInvalid(
                f"{path.name}: tier {tier} has unknown limits {', '.join(map(str, unknown))}; "
                f"allowed are {', '.join(LIMITS)}."
            )
        for name, value in limits.items():
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise RecipeInvalid(f"{path.name}: tier {tier}: {name} must be a number, not {value!r}.")
    return {tier: Gates(**limits) for tier, limits in document.items()}


def tier_gates(recipe: str, tier: str | None, own: Mapping[str, Any], path: Path = TIERS_FILE) -> Gates:
    """The limits of a recipe: its tier's, with its own in their place.

    Raises:
        RecipeInvalid: a limit is laxer than the tier's and no reason is given, or the file lacks the tier.
    """
    tiers = read_tiers(path)
    name = tier or UNTIERED
    if name not in tiers:
        raise RecipeInvalid(f"{path.name} has no limits for tier {name}; it has {', '.join(tiers)}.")
    usual = tiers[name].limits()
    laxer = [limit for limit, value in usual.items() if own.get(limit, value) > value]
    if laxer and not own.get("reason"):
        wanted = ", ".join(f"{limit} of {own[limit]} above {usual[limit]}" for limit in laxer)
        raise RecipeInvalid(
            f"Recipe {recipe}: {wanted} is laxer than tier {name} allows. Say why in gates.reason, or keep "
            "the tier's limit."
        )
    return Gates(**usual | dict(own))
