"""Local days and clock times of a zone, right on the days when the clocks change."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from weatherapp.core.personal.errors import RequestInvalid


def zone_info(zone: str) -> ZoneInfo:
    """The zone of a name.

    Raises:
        RequestInvalid: there is none.
    """
    try:
        return ZoneInfo(zone)
    except (KeyError, ValueError, OSError) as error:
        raise RequestInvalid(f"{zone!r} is no time zone; give an IANA name such as Europe/Oslo.") from error


def local_date(stamp: int, zone: ZoneInfo) -> date:
    """The local date of a Unix time."""
    return datetime.fromtimestamp(stamp, zone).date()


def clock(stamp: int, zone: ZoneInfo) -> str:
    """HH:MM of a Unix time."""
    return datetime.fromtimestamp(stamp, zone).strftime("%H:%M")


def unix(day: date, at: time, zone: ZoneInfo, *, last: bool = False) -> int:
    """Unix s of a clock time on a day.

    A time that a change of clocks skips is moved by as much as the clocks are; one that comes twice is the
    first of the two, or the last if asked for.
    """
    local = datetime.combine(day, at, tzinfo=zone)
    # Of a skipped time fold=1 would fall before the change: only times that come twice are folded.
    chosen = local.replace(fold=1) if last and _twice(local) else local
    return int(chosen.astimezone(UTC).timestamp())


def change(day: date, at: time, zone: ZoneInfo) -> int:
    """Unix s of the moment at which the clocks skip a clock time of a day."""
    local = datetime.combine(day, at, tzinfo=zone)
    # Read with the offset from after the change it lies before it, and the other way round.
    before, after = (int(local.replace(fold=fold).astimezone(UTC).timestamp()) for fold in (1, 0))
    offset = datetime.fromtimestamp(after, zone).utcoffset()
    while after - before > 1:
        middle = (before + after) // 2
        if datetime.fromtimestamp(middle, zone).utcoffset() == offset:
            after = middle
        else:
            before = middle
    return after


def days(first: int, last: int, zone: ZoneInfo) -> list[date]:
    """The local dates from one Unix time to another, both included."""
    start, end = local_date(first, zone), local_date(last, zone)
    return [start + timedelta(days=step) for step in range((end - start).days + 1)]


def _twice(local: datetime) -> bool:
    return (local.utcoffset() or timedelta()) > (local.replace(fold=1).utcoffset() or timedelta())
