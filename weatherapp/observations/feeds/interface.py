"""What a feed is and what it gives."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol, Self, TypeVar, runtime_checkable

import numpy as np

from weatherapp.core.arrays import BoolArray, FloatArray, IntArray

Raw = TypeVar("Raw")
REJECTED_TEXT = 200  # characters of a report that are kept when it could not be read


@dataclass(frozen=True, slots=True)
class StationReport:
    """Where a station stands; elevation in metres above mean sea level."""

    code: str
    name: str
    latitude: float
    longitude: float
    elevation: float
    source: str


@dataclass(frozen=True, slots=True)
class RejectedReport:
    """A report, or a value of one, that a feed could not read.

    Attributes:
        station: its code as far as it could be read, else empty.
        text: what stood there, at most 200 characters, without control characters.
        hour: hours since 1970-01-01T00Z that it speaks of; None where that is not known.
        check: why, in a few words that are the same for the same cause.
    """

    station: str
    text: str
    hour: int | None
    check: str


@dataclass(frozen=True)
class Batch:
    """Hourly reports of some stations.

    Attributes:
        stations: those that `station` points at.
        station: (row,) index into `stations`.
        hour: (row,) hours since 1970-01-01T00Z.
        values: (row, 9) float32 in the contract's channels and units, NaN where nothing was reported.
        series: (row,) rows of one station that share it followed each other in nature.
        precipitation_type: (row,) the contract's class index from present weather; NaN where it says nothing.
            All NaN when not given.
        corrected: (row,) whether the report corrects an earlier one. All False when not given.
        rejected: reports that could not be read.
        passed_over: how many reports made no row though nothing is wrong with them, per reason: what was said
            twice, what speaks of no full hour, what a model made, ...
    """

    stations: tuple[StationReport, ...]
    station: IntArray
    hour: IntArray
    values: FloatArray
    series: IntArray
    precipitation_type: FloatArray = field(default_factory=lambda: np.empty(0, dtype=np.float32))
    corrected: BoolArray = field(default_factory=lambda: np.empty(0, dtype=bool))
    rejected: tuple[RejectedReport, ...] = ()
    passed_over: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not len(self.precipitation_type):
            object.__setattr__(self, "precipitation_type", np.full(len(self.hour), np.nan, np.float32))
        if not len(self.corrected):
            object.__setattr__(self, "corrected", np.zeros(len(self.hour), dtype=bool))

    def __len__(self) -> int:
        return len(self.hour)

    def take(self, rows: BoolArray | IntArray) -> Self:
        """The same batch with only these rows; stations, rejections and counts stay."""
        return type(self)(
            stations=self.stations,
            station=self.station[rows],
            hour=self.hour[rows],
            values=self.values[rows],
            series=self.series[rows],
            precipitation_type=self.precipitation_type[rows],
            corrected=self.corrected[rows],
            rejected=self.rejected,
            passed_over=self.passed_over,
        )

    def counted(self, passed_over: Mapping[str, int]) -> Self:
        """The same batch with these counts of reports that made no row."""
        return replace(self, passed_over=passed_over)


@dataclass(frozen=True)
class GuidanceBatch:
    """What a numerical model said would happen at some stations.

    Attributes:
        stations: those that `station` points at.
        source: name of the model, at most 32 characters.
        station: (row,) index into `stations`.
        init_hour: (row,) hours since 1970-01-01T00Z at which the model's run started.
        valid_hour: (row,) hours since 1970-01-01T00Z that the row speaks of.
        available_hour: (row,) first full hour at which this server could have known the row.
        values: (row, G) float32 in the contract's guidance channels and units, NaN where missing.
    """

    stations: tuple[StationReport, ...]
    source: str
    station: IntArray
    init_hour: IntArray
    valid_hour: IntArray
    available_hour: IntArray
    values: FloatArray

    def __len__(self) -> int:
        return len(self.valid_hour)


class Feed(Protocol[Raw]):
    """A source of reports: `fetch` does the I/O, `parse` is pure."""

    name: str

    def fetch(self, *, now: datetime) -> Raw:
        """Get what the source has for the hours up to `now` (aware UTC).

        Raises:
            FeedUnreadable: the source is missing or does not answer as it should.
        """
        ...

    def parse(self, raw: Raw) -> Batch:
        """Read reports out of what was fetched.

        Raises:
            FeedUnreadable: not the format that the feed reads.
        """
        ...


@runtime_checkable
class GuidanceFeed(Protocol[Raw]):
    """A feed that brings a numerical model's forecasts besides reports."""

    name: str

    def fetch(self, *, now: datetime) -> Raw:
        """As `Feed.fetch`."""
        ...

    def parse(self, raw: Raw) -> Batch:
        """As `Feed.parse`."""
        ...

    def parse_guidance(self, raw: Raw) -> GuidanceBatch:
        """Read the guidance out of what was fetched.

        Raises:
            FeedUnreadable: not the format that the feed reads.
        """
        ...
