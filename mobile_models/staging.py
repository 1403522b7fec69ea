"""The stages of a rollout: shares that follow by themselves, each some hours after the one before. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from mobile_models.errors import ParameterInvalid
from mobile_models.rollout import EVERYONE

MOST_STAGES = 20
MOST_HOURS = 24 * 90
WORDS = ("basis_points", "after_hours", "if_healthy")


def parse_stages(stages: object, *, after: int) -> list[dict[str, Any]]:
    """Read stages from JSON; each is wider than the one before.

    Args:
        stages: a list of {"basis_points", "after_hours", "if_healthy"}; the last may be left out and is then
            true.
        after: the share that the rollout starts with.

    Raises:
        ParameterInvalid: names the stage, what was given and what is allowed.
    """
    if not isinstance(stages, Sequence) or isinstance(stages, str) or len(stages) > MOST_STAGES:
        raise ParameterInvalid(f"stages: allowed is a list of at most {MOST_STAGES}.")
    read: list[dict[str, Any]] = []
    for number, given in enumerate(stages, start=1):
        stage = _stage(f"stages[{number}]", given)
        if stage["basis_points"] <= after:
            raise ParameterInvalid(
                f"stages[{number}].basis_points: {stage['basis_points']} was given; allowed is more than the "
                f"{after} before it."
            )
        after = stage["basis_points"]
        read.append(stage)
    return read


def parse_share(name: str, given: object) -> int:
    """A share in basis points.

    Raises:
        ParameterInvalid: it is not a whole number from 1 to 10000.
    """
    if not isinstance(given, int) or isinstance(given, bool) or not 1 <= given <= EVERYONE:
        raise ParameterInvalid(
            f"{name}: {str(given)[:60]} was given; allowed are 1 to {EVERYONE}, which is everyone."
        )
    return given


def stages_done(stages: Sequence[Mapping[str, Any]], basis_points: int) -> int:
    """How many stages a share leaves behind: those that are no wider."""
    return sum(stage["basis_points"] <= basis_points for stage in stages)


def next_due(stages: Sequence[Mapping[str, Any]], done: int, *, since: datetime) -> datetime | None:
    """When the next stage is due, counted from when the share of now began; None after the last."""
    if done >= len(stages):
        return None
    return since + timedelta(hours=stages[done]["after_hours"])


def _stage(name: str, given: object) -> dict[str, Any]:
    if not isinstance(given, Mapping) or not set(given) <= set(WORDS) or not set(given) >= set(WORDS[:2]):
        raise ParameterInvalid(
            f"{name}: {str(given)[:60]} was given; allowed is an object with {', '.join(WORDS)}."
        )
    hours, if_healthy = given["after_hours"], given.get("if_healthy", True)
    if isinstance(hours, bool) or not isinstance(hours, int | float) or not 0 < hours <= MOST_HOURS:
        raise ParameterInvalid(
            f"{name}.after_hours: {str(hours)[:60]} was given; allowed is more than 0, at most {MOST_HOURS}."
        )
    if not isinstance(if_healthy, bool):
        raise ParameterInvalid(
            f"{name}.if_healthy: {str(if_healthy)[:60]} was given; allowed are true, false."
        )
    share = parse_share(f"{name}.basis_points", given["basis_points"])
    return {"basis_points": share, "after_hours": hours, "if_healthy": if_healthy}
