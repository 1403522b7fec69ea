"""How good this device's forecasts were: what it said for the stations near, against what they reported.

Only the number of hours and their mean error leave the device; which stations they were does not.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from phone.forecast import Forecast
from phone.notes import read_note, write_note
from phone.state import State

NAME = "skill.json"
LEADS = 24


@dataclass(frozen=True, slots=True)
class Skill:
    """Mean absolute error of temperature, in °C, over so many hours."""

    count: int
    mean_abs_error: float


def remember(state: State, sha256: str, made: Forecast) -> None:
    """Keep what the bundle said for the next day; of an hour that is named twice, what was said first."""
    kept = read_note(state.notes / NAME)
    said: dict[str, dict[str, float]] = kept["said"] if kept.get("bundle") == sha256 else {}
    for station, temperatures in zip(made.stations, made.station_temperatures, strict=True):
        hours = said.setdefault(str(station["id"]), {})
        for time, temperature in zip(made.times[:LEADS], temperatures[:LEADS], strict=True):
            hours.setdefault(time.isoformat(), round(float(temperature), 2))
    write_note(state.notes / NAME, {"bundle": sha256, "said": said})


def score(state: State, sha256: str, inputs: Mapping[str, Any], contract: Mapping[str, Any]) -> Skill | None:
    """Compare what was said with what the stations reported since; each hour is compared once.

    Args:
        state: holds what was said.
        sha256: the bundle that runs; what another one said is forgotten.
        inputs: of the place's cell, whose histories are the reports.
        contract: names the histories' columns.
    """
    kept = read_note(state.notes / NAME)
    if kept.get("bundle") != sha256:
        return None
    said, latest = kept["said"], datetime.fromisoformat(inputs["init_time"]).astimezone(UTC)
    seen = _reported(inputs, contract)
    errors = [
        abs(temperature - seen[station, time])
        for station, hours in said.items()
        for time, temperature in hours.items()
        if (station, time) in seen
    ]
    ahead = {
        station: {time: value for time, value in hours.items() if datetime.fromisoformat(time) > latest}
        for station, hours in said.items()
    }
    write_note(
        state.notes / NAME,
        {"bundle": sha256, "said": {station: hours for station, hours in ahead.items() if hours}},
    )
    return Skill(len(errors), round(sum(errors) / len(errors), 3)) if errors else None


def _reported(inputs: Mapping[str, Any], contract: Mapping[str, Any]) -> dict[tuple[str, str], float]:
    """Reported temperatures, °C, by station and hour."""
    latest = datetime.fromisoformat(inputs["init_time"]).astimezone(UTC)
    history = next(spec for spec in contract["inputs"] if spec["name"] == "history")
    column = [channel["name"] for channel in history["channels"]].index("temperature")
    return {
        (str(station["id"]), (latest - timedelta(hours=back)).isoformat()): float(row[column])
        for station in inputs["stations"]
        for back, row in enumerate(reversed(station["history"]))
        if row[column] is not None
    }
