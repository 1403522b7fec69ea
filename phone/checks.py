"""What a phone notes of its checks: when the last one succeeded, and since when an offer has waited."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from phone.choice import Arm, Decision
from phone.notes import read_note, read_time, write_note
from phone.state import State

NAME = "check.json"


def note(state: State, catalog: Mapping[str, Any], decision: Decision) -> None:
    """Note a catalog that was verified, and what was decided from it."""
    now, before = datetime.now(UTC).isoformat(), read_note(state.notes / NAME)
    same = before.get("offered") == decision.release_counter
    write_note(
        state.notes / NAME,
        {
            "checked": now,
            "offered": decision.release_counter,
            "since": before.get("since", now) if same else now,
            "stale_after_seconds": catalog["policy"]["stale_after_seconds"],
            "arm": decision.arm,
            "rollout_counter": decision.rollout_counter,
        },
    )


def waited_seconds(state: State) -> float:
    """How long the release on offer has been; a clock that was set back does not count."""
    now = datetime.now(UTC)
    since = read_time(read_note(state.notes / NAME).get("since")) or now
    return max((now - since).total_seconds(), 0.0)


def last_success(state: State) -> datetime | None:
    """When a catalog was verified last."""
    return read_time(read_note(state.notes / NAME).get("checked"))


def old_since(state: State, now: datetime) -> datetime | None:
    """When the model became old by the catalog's policy, if it has: no check succeeded for so long."""
    checked, limit = last_success(state), read_note(state.notes / NAME).get("stale_after_seconds")
    if checked is None or not isinstance(limit, int):
        return None
    old = checked + timedelta(seconds=limit)
    return old if old <= now else None


def arm(state: State) -> tuple[Arm | None, int | None]:
    """The side of the newest staged rollout that the device was on, and that rollout's counter."""
    kept = read_note(state.notes / NAME)
    return kept.get("arm"), kept.get("rollout_counter")
