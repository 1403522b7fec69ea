"""Small notes that a phone may lose without harm: when it asked last, how fast it is, what it forecast."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from phone.state import write_atomically


def read_note(path: Path) -> dict[str, Any]:
    """A note; empty if it was never written or cannot be read."""
    try:
        note = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return note if isinstance(note, dict) else {}


def write_note(path: Path, note: dict[str, Any]) -> None:
    """Keep a note."""
    write_atomically(path, json.dumps(note).encode())


def read_time(text: object) -> datetime | None:
    """A moment out of a note, if it is one."""
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
