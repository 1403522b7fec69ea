"""What a report batch must look like. Pure: a document and the time in, a batch or an error out."""

import itertools
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, cast
from uuid import UUID

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from mobile_models.errors import ParameterInvalid, ReportUnrelated

SCHEMA = Path(__file__).parents[1] / "schemas" / "reports.schema.json"
AHEAD = timedelta(minutes=10)
OLDEST = timedelta(days=7)
CELL = re.compile(r"([NS])(\d{2})([EW])(\d{3})")
SHOWN = 60
# What each rule of a schema allows, in words.
WORDING = {
    "type": "values of type {}",
    "enum": "{}",
    "const": "{}",
    "pattern": "texts like {}",
    "minimum": "numbers from {}",
    "maximum": "numbers up to {}",
    "exclusiveMinimum": "numbers above {}",
    "minItems": "at least {} entries",
    "maxItems": "at most {} entries",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
}


@dataclass(frozen=True, slots=True)
class Done:
    """What was done in an hour, with one outcome."""

    operation: str
    outcome: str
    hour: datetime


@dataclass(frozen=True, slots=True)
class Batch:
    """A checked batch. `document` is what was sent."""

    batch_id: UUID
    channel: str
    platform: str
    release: str | None
    release_counter: int | None
    variant: str | None
    arm: str | None
    rollout_counter: int | None
    perf_class: str
    cell: str
    hour: datetime
    operations: Mapping[Done, int]
    document: Mapping[str, Any]


@cache
def schema() -> dict[str, Any]:
    """The published JSON Schema."""
    document: dict[str, Any] = json.loads(SCHEMA.read_text())
    return document


def parse_batch(document: Mapping[str, Any], *, now: datetime) -> Batch:
    """Check a batch against the schema, and for what a schema cannot say.

    Raises:
        ParameterInvalid: names the field, what was given and what is allowed.
        ReportUnrelated: an hour is ahead of the clock, or so old that nobody decides on it.
    """
    wrong = next(iter(sorted(_validator().iter_errors(document), key=lambda error: len(error.path))), None)
    if wrong is not None:
        raise ParameterInvalid(_sentence(wrong))
    _check_pairs(document)
    _check_histogram(document.get("latency"))
    _check_golden(document.get("golden"))
    cell = document.get("cell") or ""
    if cell:
        _check_cell(cell)
    operations: Counter[Done] = Counter()
    for index, entry in enumerate(document["operations"]):
        hour = _hour(f"operations[{index}].hour", entry["hour"], now)
        operations[Done(entry["operation"], entry["outcome"], hour)] += int(entry["count"])
    return Batch(
        batch_id=_uuid(document["batch_id"]),
        channel=document["channel"],
        platform=document["platform"],
        release=document.get("release"),
        release_counter=_whole(document.get("release_counter")),
        variant=document.get("variant"),
        arm=document.get("arm"),
        rollout_counter=_whole(document.get("rollout_counter")),
        perf_class=document.get("perf_class") or "",
        cell=cell,
        hour=_hour("sent_at", document["sent_at"], now),
        operations=operations,
        document=document,
    )


@cache
def _validator() -> Draft202012Validator:
    return Draft202012Validator(schema())


def _sentence(error: ValidationError) -> str:
    instance: Any = error.instance
    field = _name(error.absolute_path)
    given = _shown(instance)
    rule, limit = error.validator, cast("Any", error.validator_value)
    if rule == "required":
        missing = [name for name in limit if name not in instance]
        return f"{_join(field, missing[0])}: it is missing. It is required."
    if rule == "additionalProperties":
        known = sorted(cast("Any", error.schema)["properties"])
        extra = next(name for name in instance if name not in known)
        return f"{_join(field, str(extra)[:SHOWN])}: it is unknown; allowed are {', '.join(known)}."
    words = [
        "null" if value is None else str(value) for value in (limit if isinstance(limit, list) else [limit])
    ]
    allowed = WORDING.get(str(rule), "other values").format(" or ".join(words))
    seen = f"{len(instance)} entries came" if rule in {"minItems", "maxItems"} else f"{given} was given"
    return f"{field or 'the batch'}: {seen}; allowed are {allowed}."


def _name(path: Iterable[str | int]) -> str:
    name = ""
    for part in path:
        name = f"{name}[{part}]" if isinstance(part, int) else _join(name, part)
    return name


def _join(field: str, name: str) -> str:
    return f"{field}.{name}" if field else name


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=True)
    return text if len(text) <= SHOWN else text[:SHOWN] + "…"


def _check_pairs(document: Mapping[str, Any]) -> None:
    for name, other in (("release", "release_counter"), ("arm", "rollout_counter")):
        if (document.get(name) is None) != (document.get(other) is None):
            raise ParameterInvalid(
                f"{name}: {_shown(document.get(name))} was given with {other} {_shown(document.get(other))}; "
                "allowed are both, or null for both."
            )
    if document.get("variant") is not None and document.get("release") is None:
        raise ParameterInvalid(
            f"variant: {_shown(document['variant'])} was given without a release; allowed is null."
        )


def _check_histogram(latency: Mapping[str, Any] | None) -> None:
    if latency is None:
        return
    edges, counts = latency["edges"], latency["counts"]
    if any(later <= earlier for earlier, later in itertools.pairwise(edges)):
        raise ParameterInvalid(f"latency.edges: {_shown(edges)} was given; allowed are growing numbers.")
    if len(counts) != len(edges) + 1:
        raise ParameterInvalid(
            f"latency.counts: {len(counts)} entries came for {len(edges)} edges; allowed is one more than "
            "edges: below the first, between them, above the last."
        )


def _check_golden(golden: Mapping[str, Any] | None) -> None:
    if golden is not None and golden["failed"] > golden["cases"]:
        raise ParameterInvalid(
            f"golden.failed: {golden['failed']} was given; allowed are at most the {golden['cases']} cases."
        )


def _check_cell(name: str) -> None:
    match = CELL.fullmatch(name)
    if match:
        south = int(match[2]) * (-1 if match[1] == "S" else 1)
        west = int(match[4]) * (-1 if match[3] == "W" else 1)
        if -90 <= south < 90 and -180 <= west < 180:
            return
    raise ParameterInvalid(
        f"cell: {_shown(name)} was given; allowed are south-west corners in whole degrees, S90 to N89 and "
        "W180 to E179, such as N41W088."
    )


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise ParameterInvalid(
            f"batch_id: {_shown(text)} was given; allowed are UUIDs: 32 hexadecimal digits, with dashes."
        ) from error


def _whole(value: float | None) -> int | None:
    """JSON Schema takes 3.0 for a whole number."""
    return None if value is None else int(value)


def _hour(field: str, text: str, now: datetime) -> datetime:
    try:
        moment = datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ParameterInvalid(
            f"{field}: {_shown(text)} was given; allowed are times with their UTC offset, such as "
            "2026-11-22T05:00:00Z."
        ) from error
    if not now - OLDEST <= moment <= now + AHEAD:
        raise ReportUnrelated(
            f"{field}: {_shown(text)} was given; allowed are the last {OLDEST.days} days up to "
            f"{AHEAD.seconds // 60} minutes ahead of the server's clock, {now:%Y-%m-%dT%H:%M:%SZ}. "
            "Set the device's clock, or drop what is older."
        )
    return moment.replace(minute=0, second=0, microsecond=0)
