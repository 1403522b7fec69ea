"""One pass of a feed: hold it, read it, store it, write down how it went."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.utils import timezone

from weatherapp.observations import feed_state, services
from weatherapp.observations.errors import FeedUnreadable, ObservationError
from weatherapp.observations.feed_state import Claim, Outcome
from weatherapp.observations.feeds import SOURCED, Batch, Feed, StationReport, check_known, open_feed
from weatherapp.observations.feeds.interface import GuidanceFeed
from weatherapp.observations.models import Station
from weatherapp.observations.services import IngestReport

if TYPE_CHECKING:
    from weatherapp.observations.feeds.base import FeedOptions

MOST_SAID = 5  # troubles named in one reason
REJECTED_SHARE = 0.5  # of reports: beyond it something is wrong with the source, not with single reports


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a person asks of a pass besides the settings.

    Attributes:
        source: instead of the configured one; read whole, whatever was read before.
        stations: instead of the configured list.
        places: CODE,latitude,longitude,elevation, instead of the configured ones.
        since: rows before it are left out, and METARs are read back to it.
    """

    source: str = ""
    stations: str = ""
    places: tuple[str, ...] = ()
    since: datetime | None = None


@dataclass(frozen=True)
class PassReport:
    """What a pass did.

    Attributes:
        stored: what the service stored and refused.
        state: of the feed afterwards.
        reason: why it is not up.
        waiting: documents left for the next pass.
        unchanged: how many documents were as before.
        passed_over: reports that made no row though nothing is wrong with them, per reason.
        more: whether another pass would read on at once.
    """

    stored: IngestReport
    state: str
    reason: str
    waiting: tuple[str, ...]
    unchanged: int
    passed_over: Mapping[str, int]
    more: bool


def run_pass(
    *, name: str, now: datetime | None = None, wishes: Wishes | None = None, go_on: bool = False
) -> PassReport:
    """Fetch, check and store what a feed has.

    Args:
        name: of the feed.
        now: the present when not given.
        wishes: what differs from the settings.
        go_on: read on where the last pass of the same source ended, also with a source of one's own.

    Raises:
        FeedUnknown: no such feed.
        FeedBusy: another pass of it is under way.
        FeedUnreadable: the source is down or gives no data; what was stored before stays.
    """
    check_known(name)
    moment, asked = now or timezone.now(), wishes or Wishes()
    options = _options(name, asked)
    claim = feed_state.claim(feed=name, now=moment)
    try:
        remembered = {} if asked.source and not go_on else claim.validators
        feed = open_feed(name, options and replace(options, validators=remembered))
        return _pass(claim, feed, moment)
    except ObservationError as error:
        feed_state.record_failure(claim, str(error))
        raise
    except BaseException as error:
        # Also when a time limit or a person stops the worker: the next pass need not wait.
        feed_state.record_failure(claim, f"{type(error).__name__}: {error}"[:500])
        raise


class _Watched:
    """A feed whose batch is kept, to tell what was passed over."""

    def __init__(self, feed: Feed[Any]) -> None:
        self.feed, self.name, self.batch = feed, feed.name, None
        self.fetch = feed.fetch
        if isinstance(feed, GuidanceFeed):
            self.parse_guidance = feed.parse_guidance

    batch: Batch | None

    def parse(self, raw: Any) -> Batch:
        self.batch = self.feed.parse(raw)
        return self.batch


def _pass(claim: Claim, feed: Feed[Any], now: datetime) -> PassReport:
    # Readers are imported here: the web process, which sends this module's task, must not pay for them.
    from weatherapp.observations.feeds.base import EARLY, SourcedFeed
    from weatherapp.observations.feeds.sources import Reading

    watched = _Watched(feed)
    stored = services.ingest(feed=watched, now=now)
    sourced = feed if isinstance(feed, SourcedFeed) else None
    reading = sourced.reading if sourced else Reading()
    passed_over = watched.batch.passed_over if watched.batch is not None else {}
    again = sourced is not None and sourced.awaits_hours and EARLY in passed_over
    newest = max(filter(None, (claim.newest, stored.newest)), default=None)
    reason = " ".join(
        [
            *_named(reading.troubles),
            *_refused(watched.batch),
            *_stale(newest, now, sourced.stale_after if sourced else None),
        ]
    )
    outcome = Outcome(
        reports=stored.reports,
        rejected=sum(stored.rejected.values()),
        newest=newest,
        validators=claim.validators if again else reading.validators,
        reason=reason,
    )
    feed_state.record_feed(claim, outcome, now=now)
    return PassReport(
        stored=stored,
        state=str(feed_state.State.DEGRADED if reason else feed_state.State.UP),
        reason=reason,
        waiting=reading.waiting,
        unchanged=reading.unchanged,
        passed_over=passed_over,
        more=reading.more and not again,
    )


def _named(troubles: tuple[str, ...]) -> list[str]:
    more = len(troubles) - MOST_SAID
    return [*troubles[:MOST_SAID], *([f"And {more} more."] if more > 0 else [])]


def _refused(batch: Batch | None) -> list[str]:
    """Said where most reports could not be read."""
    refused = 0 if batch is None else len(batch.rejected)
    reports = refused + (0 if batch is None else len(batch))
    return (
        [f"{refused} of {reports} reports could not be read."] if refused > REJECTED_SHARE * reports else []
    )


def _stale(newest: datetime | None, now: datetime, stale_after: int | None) -> list[str]:
    """Said where a live feed has brought nothing of the last hours."""
    if stale_after is None or newest is None or now - newest <= timedelta(hours=stale_after):
        return []
    return [f"The newest report is of {newest:%Y-%m-%dT%H}Z."]


def _options(name: str, wishes: Wishes) -> "FeedOptions | None":
    """How to open a feed.

    Raises:
        FeedUnreadable: a wish that the feed cannot fulfil.
    """
    if name not in SOURCED:
        if wishes != Wishes():
            raise FeedUnreadable(f"Feed {name} takes no source, stations, places or times.")
        return None
    from weatherapp.observations.feeds.base import FeedOptions
    from weatherapp.observations.feeds.open_meteo import PREVIOUS_DAYS_MOST, read_place

    places = (wishes.places or settings.FEED_OPEN_METEO_PLACES) if name == "open_meteo" else ()
    return FeedOptions(
        source=wishes.source or settings.FEED_SOURCES[name],
        stations=wishes.stations or settings.FEED_STATIONS[name],
        places=tuple(read_place(place) for place in places),
        sites=tuple(settings.FEED_SITES[name]),
        model=settings.FEED_OPEN_METEO_MODEL,
        previous_days=min(settings.FEED_OPEN_METEO_PREVIOUS_DAYS, PREVIOUS_DAYS_MOST),
        since=wishes.since,
        max_age_hours=settings.FEED_METAR_MAX_AGE_HOURS,
        known=known_stations,
    )


def known_stations() -> dict[str, StationReport]:
    """The stored stations by code."""
    fields = ("code", "name", "latitude", "longitude", "elevation", "source")
    return {row[0]: StationReport(*row) for row in Station.objects.values_list(*fields)}
