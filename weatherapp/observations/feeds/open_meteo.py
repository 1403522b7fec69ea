"""Open-Meteo's replies: reports for places without stations, and a numerical model's guidance.

Values of hours that were past when the reply was made count as reports of the place: they are a model's, and
the station's source says so. Values of later hours are guidance. The reply does not say when the model's run
started: the hour of asking stands for it, and the guidance counts as known from the next full hour on.

A column with the suffix `_previous_dayN` holds, for each hour, what the run of N days before said about it:
its init time is N days before the hour, and it counts as known six hours later, when the slowest of the
global models is out.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar
from urllib.parse import urlencode

import numpy as np

from packager.contract import GUIDANCE_VARIABLES
from weatherapp.core.arrays import BoolArray, FloatArray, IntArray
from weatherapp.observations.errors import FeedUnreadable
from weatherapp.observations.feeds.base import (
    Fetched,
    Positions,
    Rows,
    SourcedFeed,
    is_address,
    make_batch,
    rejected,
)
from weatherapp.observations.feeds.interface import Batch, GuidanceBatch, RejectedReport, StationReport
from weatherapp.observations.feeds.open_meteo_reply import UNITS, Reply, read_items
from weatherapp.observations.feeds.sources import Document
from weatherapp.observations.feeds.stations import make_station

SOURCE = "Open-Meteo (a model's analysis, no station)"
PAST_DAYS, FORECAST_DAYS = 2, 4
PLACES_AT_ONCE = 50
PREVIOUS_DAYS_MOST = 7
KNOWN_AFTER_HOURS = 6
GUIDED = tuple(name for name in UNITS if name not in {"visibility", "weather_code"})


class OpenMeteoFeed(SourcedFeed):
    """Replies asked for the configured places, or saved as PLACE.json in a folder."""

    name = "open_meteo"
    stale_after: ClassVar[int | None] = 3

    def positions(self) -> Positions:
        """The configured places by code."""
        return {place.code: place for place in self.options.places}

    def accepts(self, filename: str) -> bool:
        """As `SourcedFeed.accepts`."""
        return filename.endswith((".json", ".json.gz"))

    def addresses(self, now: datetime) -> tuple[str, ...]:  # noqa: ARG002 - the same at any time
        """One per fifty places."""
        if not self.options.places:
            raise FeedUnreadable(
                "Feed open_meteo has no places. Set FEED_OPEN_METEO_PLACES, or give --place "
                "CODE,latitude,longitude,elevation."
            )
        # The address may have a query of its own, such as a key.
        address = self.options.source + ("&" if "?" in self.options.source else "?")
        return tuple(address + urlencode(self._query(group)) for group in _groups(self.options.places))

    def _query(self, places: Sequence[StationReport]) -> dict[str, str]:
        names = list(UNITS) + [
            f"{name}_previous_day{day}" for day in range(1, self.options.previous_days + 1) for name in GUIDED
        ]
        query = {
            "latitude": ",".join(f"{place.latitude:.4f}" for place in places),
            "longitude": ",".join(f"{place.longitude:.4f}" for place in places),
            "elevation": ",".join(f"{place.elevation:.0f}" for place in places),
            "hourly": ",".join(names),
            "current": "temperature_2m",
            "wind_speed_unit": "ms",
            "timezone": "GMT",
            "past_days": str(PAST_DAYS),
            "forecast_days": str(FORECAST_DAYS),
        }
        return query | ({"models": self.options.model} if self.options.model else {})

    def parse(self, raw: Fetched) -> Batch:
        """As `Feed.parse`; a reply or a column that cannot be read is a rejection."""
        replies, rejections = self._replies(raw)
        rows = [
            Rows(reply.place, reply.hours[past], reply.observed()[past], reply.kinds()[past])
            for reply in replies
            for past in [reply.hours <= reply.asked_hour]
        ]
        wrong = [*rejections, *(fault for reply in replies for fault in reply.rejected)]
        return make_batch(rows, rejections=wrong, since=self.options.since, now=raw.now)

    def parse_guidance(self, raw: Fetched) -> GuidanceBatch:
        """As `GuidanceFeed.parse_guidance`."""
        replies, _ = self._replies(raw)
        parts = [part for reply in replies for part in _guidance(reply)]
        stations = {part.place.code: part.place for part in parts}
        index = {code: number for number, code in enumerate(stations)}
        return GuidanceBatch(
            stations=tuple(stations.values()),
            source=f"open-meteo/{self.options.model or 'best_match'}"[:32],
            station=_joined([np.full(len(part.valid), index[part.place.code]) for part in parts]),
            init_hour=_joined([part.init for part in parts]),
            valid_hour=_joined([part.valid for part in parts]),
            available_hour=_joined([part.available for part in parts]),
            values=np.concatenate(
                [np.empty((0, len(GUIDANCE_VARIABLES))), *(part.values for part in parts)]
            ).astype(np.float32),
        )

    def _replies(self, raw: Fetched) -> tuple[list[Reply], list[RejectedReport]]:
        """What the documents hold, of which those that are no replies are rejections.

        Raises:
            FeedUnreadable: none is a reply.
        """
        replies: list[Reply] = []
        rejections: list[RejectedReport] = []
        for document in raw.documents:
            try:
                replies += self._of(document, raw)
            except FeedUnreadable as error:
                rejections.append(rejected("not a reply of Open-Meteo", str(error)))
                if len(rejections) == len(raw.documents):
                    raise
        return replies, rejections

    def _of(self, document: Document, raw: Fetched) -> list[Reply]:
        items = read_items(document)
        if is_address(document.name):
            urls = self.addresses(raw.now)
            group = list(_groups(self.options.places))[urls.index(document.name)]
            if len(items) != len(group):
                raise FeedUnreadable(
                    f"{document.filename} answered for {len(items)} places; {len(group)} were asked for."
                )
            return [Reply(item, place, document, raw.now) for item, place in zip(items, group, strict=True)]
        stem = document.filename.removesuffix(".gz").removesuffix(".json")
        return [
            Reply(item, _place(item, stem if len(items) == 1 else f"{stem}-{number}", raw), document, raw.now)
            for number, item in enumerate(items)
        ]


@dataclass(frozen=True)
class _Guided:
    place: StationReport
    init: IntArray
    valid: IntArray
    available: IntArray
    values: FloatArray


def _guidance(reply: Reply) -> Iterator[_Guided]:
    """The latest run's hours to come, and each earlier day's run."""
    asked_up = math.ceil(reply.asked.timestamp() / 3600)
    coming = reply.hours > reply.asked_hour
    yield _told(
        reply, "", coming, np.full(len(reply.hours), reply.asked_hour), np.full(len(reply.hours), asked_up)
    )
    for day in range(1, PREVIOUS_DAYS_MOST + 1):
        init = reply.hours - 24 * day
        known = init + KNOWN_AFTER_HOURS
        yield _told(reply, f"_previous_day{day}", known <= reply.asked_hour, init, known)


def _told(reply: Reply, suffix: str, rows: BoolArray, init: IntArray, available: IntArray) -> _Guided:
    values = reply.channels(GUIDANCE_VARIABLES, suffix)
    kept = rows & np.isfinite(values).any(axis=1)
    return _Guided(reply.place, init[kept], reply.hours[kept], available[kept], values[kept])


def _groups(places: Sequence[StationReport]) -> Iterator[Sequence[StationReport]]:
    for first in range(0, len(places), PLACES_AT_ONCE):
        yield places[first : first + PLACES_AT_ONCE]


def _place(item: Mapping[str, Any], code: str, raw: Fetched) -> StationReport:
    """The configured place of that code, else where the reply says that it is."""
    latitude, longitude, elevation = (item.get(name) for name in ("latitude", "longitude", "elevation"))
    place = raw.stations.get(code) or make_station(code[:32], code, latitude, longitude, elevation, SOURCE)
    if place is None:
        raise FeedUnreadable(f"{code} has no usable position, and is not one of the configured places.")
    return place


def _joined(parts: Sequence[IntArray]) -> IntArray:
    return np.concatenate([np.empty(0, dtype=np.int64), *parts]).astype(np.int64)


def read_place(text: str) -> StationReport:
    """Read CODE,latitude,longitude,elevation.

    Raises:
        FeedUnreadable: says what is due.
    """
    parts = [part.strip() for part in text.split(",")]
    code, latitude, longitude, elevation = parts if len(parts) == 4 else [""] * 4
    place = make_station(code, code, latitude, longitude, elevation, SOURCE)
    if place is None:
        raise FeedUnreadable(
            f"{text!r} is not a place. Write CODE,latitude,longitude,elevation: degrees north and east, "
            "and metres."
        )
    return place
