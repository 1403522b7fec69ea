"""What was refused is kept, once, however often a feed brings it."""

import hashlib
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from weatherapp.observations.models import Rejection
from weatherapp.observations.standing import is_time, time_of

logger = logging.getLogger(__name__)
ROWS_AT_ONCE = 2000
# A feed that turns to rubbish is one event: enough rows to see what happened, and not a full disk.
KEPT_PER_PASS = 10_000


@dataclass(frozen=True, slots=True)
class Refusal:
    """A value or a whole report that is not believed; `hour` counts from 1970-01-01T00Z."""

    station: str
    feed: str
    hour: int | None
    check: str
    variable: str = ""
    value: float | None = None
    text: str = ""


def keep(refusals: Iterable[Refusal], *, stations: Mapping[str, int], received: datetime) -> None:
    """Store what was refused; the same as before is not stored again.

    Args:
        refusals: at most 10,000 of them are kept; all are counted by whoever made them.
        stations: row ids by code; other codes are kept as text.
        received: when the feed brought them.
    """
    given = iter(refusals)
    rows = [
        Rejection(
            station_id=stations.get(refusal.station),
            station_code=_clean(refusal.station, 32),
            feed=refusal.feed,
            valid_time=time_of(refusal.hour) if refusal.hour is not None and is_time(refusal.hour) else None,
            variable=refusal.variable,
            value=refusal.value,
            text=_clean(refusal.text, 200),
            check_name=refusal.check[:64],
            received=received,
            digest=_digest(refusal),
        )
        for refusal in islice(given, KEPT_PER_PASS)
    ]
    Rejection.objects.bulk_create(rows, batch_size=ROWS_AT_ONCE, ignore_conflicts=True)
    if next(given, None) is not None:
        logger.warning("more than %d values refused in one pass; the rest is only counted", KEPT_PER_PASS)


def _digest(refusal: Refusal) -> str:
    told = (refusal.station, refusal.feed, refusal.hour, refusal.check, refusal.variable, refusal.value)
    return hashlib.sha256(repr((*told, refusal.text)).encode()).hexdigest()[:32]


def _clean(text: str, length: int) -> str:
    """Without what a database cannot hold: PostgreSQL refuses null characters."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()[:length]
