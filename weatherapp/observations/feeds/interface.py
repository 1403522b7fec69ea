"""What a feed is and what it gives."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar

from weatherapp.core.arrays import FloatArray, IntArray

Raw = TypeVar("Raw")


@dataclass(frozen=True, slots=True)
class StationReport:
    """Where a station stands; elevation in metres above mean sea level."""

    code: str
    name: str
    latitude: float
    longitude: float
    elevation: float
    source: str


@dataclass(frozen=True)
class Batch:
    """Hourly reports of some stations.

    Attributes:
        stations: those that `station` points at.
        station: (row,) index into `stations`.
        hour: (row,) hours since 1970-01-01T00Z.
        values: (row, 9) float32 in the contract's channels and units, NaN where nothing was reported.
        series: (row,) rows of one station that share it followed each other in nature.
    """

    stations: tuple[StationReport, ...]
    station: IntArray
    hour: IntArray
    values: FloatArray
    series: IntArray

    def __len__(self) -> int:
        return len(self.hour)


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
