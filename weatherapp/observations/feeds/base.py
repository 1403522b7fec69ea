"""What the feeds that read files share: options, the fetched documents, and making a batch of rows."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from packager.dataset.records import VARIABLES
from weatherapp.core.arrays import BoolArray, FloatArray, IntArray
from weatherapp.observations.errors import FeedUnreadable
from weatherapp.observations.feeds.http import HttpSource
from weatherapp.observations.feeds.interface import REJECTED_TEXT, Batch, RejectedReport, StationReport
from weatherapp.observations.feeds.sources import Document, FolderSource, Reading, Source, Validators, shown

Positions = Mapping[str, StationReport]

SAID_TWICE = "said again, or better, for the same hour"
EARLY = "of an hour that has not come yet"
BEFORE_SINCE = "before the asked time"
EMPTY = "without a value"


def _nowhere() -> Positions:
    return {}


@dataclass(frozen=True)
class FeedOptions:
    """How to open a feed; an empty text means what the settings say.

    Attributes:
        source: folder, file or http(s) address.
        stations: file or address of a list of stations.
        places: for feeds that are asked for places.
        sites: for feeds that have a file per station: which.
        model: for guidance feeds: which numerical model.
        previous_days: for guidance feeds: how many days' earlier runs.
        since: rows before it are left out.
        max_age_hours: older reports of a live feed are refused.
        validators: of the last pass.
        known: gives the stations that are stored, by code.
    """

    source: str = ""
    stations: str = ""
    places: tuple[StationReport, ...] = ()
    sites: tuple[str, ...] = ()
    model: str = ""
    previous_days: int = 0
    since: datetime | None = None
    max_age_hours: int = 72
    validators: Validators = field(default_factory=dict)
    known: Callable[[], Positions] = _nowhere


@dataclass(frozen=True)
class Fetched:
    """What a feed that reads files has to parse.

    Attributes:
        documents: new ones.
        now: when they were fetched, aware UTC.
        stations: positions by the feed's own codes.
    """

    documents: tuple[Document, ...]
    now: datetime
    stations: Positions


class SourcedFeed(ABC):
    """A feed that reads documents from a folder, a file or HTTP; subclasses say which and how to parse.

    After `fetch`, `reading` holds what the source said.
    """

    name: ClassVar[str]
    # Hours after which the newest report is too old for the feed to be up; None: the feed brings history.
    stale_after: ClassVar[int | None] = None
    # Whether documents with reports of a coming hour are to be read again once it has come.
    awaits_hours: ClassVar[bool] = False

    def __init__(self, options: FeedOptions | None = None) -> None:
        self.options = options or FeedOptions()
        self.reading = Reading()

    def fetch(self, *, now: datetime) -> Fetched:
        """New documents of the source, with the stations' positions."""
        stations = self.positions()
        self.reading = self.source(now).read(self.options.validators)
        return Fetched(self.reading.documents, now, stations)

    @abstractmethod
    def positions(self) -> Positions:
        """Where the stations stand."""

    def source(self, now: datetime) -> Source:
        """Where the documents are.

        Raises:
            FeedUnreadable: none is configured.
        """
        self.need_source()
        if is_address(self.options.source):
            return HttpSource(self.addresses(now))
        if "://" in self.options.source:
            raise FeedUnreadable(
                f"{shown(self.options.source)!r} is no source. Name a folder, a file or an http(s) address."
            )
        return FolderSource(Path(self.options.source), self.accepts)

    def addresses(self, _now: datetime) -> tuple[str, ...]:
        """Which addresses to ask, for a source that is one."""
        return (self.options.source,)

    def accepts(self, filename: str) -> bool:
        """Whether a file of the folder is one of the feed's."""
        return filename != Path(self.options.stations).name

    def need_source(self) -> None:
        """Raise FeedUnreadable where no source is configured."""
        if not self.options.source:
            raise FeedUnreadable(
                f"Feed {self.name} has no source. Set FEED_{self.name.upper()}_SOURCE to a folder or an "
                "http(s) address, or give --source."
            )


def is_address(location: str) -> bool:
    """Whether a source is asked over HTTP."""
    return location.lower().startswith(("http://", "https://"))


def read_one(location: str) -> Document:
    """One document from a file or an address, whether or not it is new.

    Raises:
        FeedUnreadable: it cannot be read, or not to its end.
    """
    source: Source = HttpSource((location,)) if is_address(location) else FolderSource(Path(location))
    documents = source.read({}).documents
    if len(documents) != 1 or not documents[0].whole:
        raise FeedUnreadable(f"{shown(location)} is not one whole file. Name a file that holds the list.")
    return documents[0]


def rejected(check: str, text: str, *, station: str = "", hour: int | None = None) -> RejectedReport:
    """A report that could not be read, with its text made fit to show."""
    shown = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    code = station if station.isascii() and station.isprintable() else ""
    return RejectedReport(code[:32], shown[:REJECTED_TEXT], hour, check)


@dataclass(frozen=True)
class Rows:
    """Reports of one station: hours since 1970-01-01T00Z, values (row, 9), classes or NaN, corrections."""

    station: StationReport
    hour: Sequence[int] | IntArray
    values: FloatArray
    precipitation_type: FloatArray
    corrected: Sequence[bool] = ()


def make_batch(
    rows: Sequence[Rows],
    *,
    rejections: Sequence[RejectedReport] = (),
    passed_over: Mapping[str, int] | None = None,
    since: datetime | None = None,
    now: datetime | None = None,
) -> Batch:
    """Put rows together; of several of one station and hour the last stays, and a correction before others.

    Args:
        rows: per station; a station may come several times.
        rejections: what could not be read.
        passed_over: counts so far; what is left out here is added.
        since: earlier rows are left out.
        now: rows of later full hours are left out: their hour has not come.
    """
    stations = {part.station.code: part.station for part in rows}
    index = {code: number for number, code in enumerate(stations)}
    batch = Batch(
        stations=tuple(stations.values()),
        station=_joined([np.full(len(part.hour), index[part.station.code]) for part in rows], np.int64),
        hour=_joined([np.asarray(part.hour) for part in rows], np.int64),
        values=_joined([part.values for part in rows], np.float32).reshape(-1, len(VARIABLES)),
        series=np.zeros(sum(len(part.hour) for part in rows), dtype=np.int64),
        precipitation_type=_joined([part.precipitation_type for part in rows], np.float32),
        corrected=_joined([_corrections(part) for part in rows], np.bool_),
        rejected=tuple(rejections),
    )
    counts = Counter(passed_over or {})
    batch = _leave_out(batch, counts, since, now)
    kept = _last_of_each_hour(batch)
    counts[SAID_TWICE] += len(batch) - len(kept)
    return batch.take(kept).counted({reason: count for reason, count in counts.items() if count})


def _corrections(part: Rows) -> BoolArray:
    return np.asarray(part.corrected or np.zeros(len(part.hour)), dtype=bool)


def _joined(parts: Sequence[Any], kind: type) -> Any:
    """One array of that type, also of no parts."""
    return np.concatenate([*parts]).astype(kind) if parts else np.empty(0, dtype=kind)


def _leave_out(batch: Batch, counts: Counter[str], since: datetime | None, now: datetime | None) -> Batch:
    if since is not None:
        kept = np.asarray(batch.hour * 3600 >= since.timestamp())
        counts[BEFORE_SINCE] += int((~kept).sum())
        batch = batch.take(kept)
    kept = np.asarray(np.isfinite(batch.values).any(axis=1))
    counts[EMPTY] += int((~kept).sum())
    batch = batch.take(kept)
    if now is not None:
        kept = np.asarray(batch.hour * 3600 <= now.timestamp())
        counts[EARLY] += int((~kept).sum())
        batch = batch.take(kept)
    return batch


def _last_of_each_hour(batch: Batch) -> IntArray:
    order = np.lexsort((np.arange(len(batch)), batch.corrected, batch.hour, batch.station))
    station, hour = batch.station[order], batch.hour[order]
    ends = np.ones(len(order), dtype=bool)
    ends[:-1] = (np.diff(station) != 0) | (np.diff(hour) != 0)
    return np.asarray(order[ends])
