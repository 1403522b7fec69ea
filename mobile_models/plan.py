"""A rollout's stages as people write them, a line each: `1 % now`, `10 % after 24 h if healthy`. Pure."""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from mobile_models.errors import ParameterInvalid
from mobile_models.rollout import EVERYONE

LINE = re.compile(
    r"(?P<percent>\d{1,3}(?:[.,]\d{1,2})?)\s*%"
    r"(?:\s+(?P<now>now)|\s+after\s+(?P<hours>\d{1,5}(?:\.\d{1,2})?)\s*h(?P<healthy>\s+if\s+healthy)?)",
    re.IGNORECASE,
)
# Through 5 %: a share of a tenth or more waits for some 500 devices that have the release.
EXAMPLE = "1 % now\n5 % after 24 h if healthy\n25 % after 24 h if healthy\n100 % after 24 h if healthy"


def parse_plan(text: str) -> tuple[int, list[dict[str, Any]]]:
    """The share to begin with, in basis points, and the stages that follow it.

    Raises:
        ParameterInvalid: a line is none of the two kinds, or the first is not `now`; says which.
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        raise ParameterInvalid("plan: no line was given; the first is a share and `now`, such as `1 % now`.")
    first, *others = [_read(number, line) for number, line in enumerate(lines, 1)]
    if first["after_hours"] is not None or any(stage["after_hours"] is None for stage in others):
        raise ParameterInvalid(
            "plan: only the first line is `now`; those that follow say after how many hours, "
            "such as `10 % after 24 h if healthy`."
        )
    return int(first["basis_points"]), others


def write_plan(stages: Sequence[Mapping[str, Any]]) -> list[str]:
    """The stages as lines again."""
    return [
        f"{stage['basis_points'] / 100:g} % after {stage['after_hours']:g} h"
        + (" if healthy" if stage.get("if_healthy", True) else "")
        for stage in stages
    ]


def _read(number: int, line: str) -> dict[str, Any]:
    found = LINE.fullmatch(line)
    if found is None:
        raise ParameterInvalid(
            f"plan, line {number}: {line[:60]!r} was given; allowed are lines such as `1 % now`, "
            "`10 % after 24 h` and `10 % after 24 h if healthy`."
        )
    basis_points = int(Decimal(found["percent"].replace(",", ".")) * 100)
    if not 1 <= basis_points <= EVERYONE:
        raise ParameterInvalid(
            f"plan, line {number}: {found['percent']} % was given; allowed are 0.01 % to 100 %, which is "
            "everyone."
        )
    hours = None if found["now"] else float(found["hours"])
    whole = int(hours) if hours is not None and hours.is_integer() else hours
    return {"basis_points": basis_points, "after_hours": whole, "if_healthy": bool(found["healthy"])}
