"""Points in time as texts of a place. Pure."""

from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np

from weatherapp.core.arrays import FloatArray, IntArray

MINUTE = "%Y-%m-%dT%H:%M"
DAY = "%Y-%m-%d"
TIME_UNITS = frozenset({"iso8601", "unixtime"})
UNKNOWN = "NaN"


def local_labels(times: IntArray, zone: str, *, days: bool = False) -> tuple[str, ...]:
    """Points in time on a place's clock, each with the offset of its own hour.

    Args:
        times: (time,) Unix seconds.
        zone: an IANA name.
        days: whether only the date is written.

    Returns:
        `YYYY-MM-DDTHH:MM` without offset, or `YYYY-MM-DD`.
    """
    # Most requests of an hour ask for the same hours of the same few zones.
    return _labels(np.ascontiguousarray(times, dtype=np.int64).tobytes(), zone, DAY if days else MINUTE)


def event_labels(values: FloatArray, zone: str) -> list[str]:
    """Sunrises and the like as texts; NaN, as on a day without one, becomes `NaN`.

    Args:
        values: (time,) Unix seconds, NaN where there is no such moment.
        zone: an IANA name.
    """
    known = np.isfinite(values)
    texts = iter(local_labels(values[known].astype(np.int64), zone))
    return [next(texts) if there else UNKNOWN for there in known.tolist()]


@lru_cache(maxsize=512)
def _labels(packed: bytes, zone: str, pattern: str) -> tuple[str, ...]:
    info = ZoneInfo(zone)
    moments = (datetime.fromtimestamp(second, UTC) for second in np.frombuffer(packed, np.int64).tolist())
    return tuple(moment.astimezone(info).strftime(pattern) for moment in moments)
