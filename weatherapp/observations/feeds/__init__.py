"""Feeds fill the stations and observations; beat or `manage.py ingest FEED` starts one by its name.

A feed's module is imported when the feed is opened: the web process names feeds and must not pay for their
readers.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from weatherapp.observations.errors import FeedUnknown
from weatherapp.observations.feeds.interface import (
    Batch,
    Feed,
    GuidanceBatch,
    GuidanceFeed,
    RejectedReport,
    StationReport,
)
from weatherapp.observations.feeds.replay import ReplayFeed

if TYPE_CHECKING:
    from weatherapp.observations.feeds.base import FeedOptions

# Feeds that read files, by name; each class takes `FeedOptions`.
SOURCED: dict[str, str] = {
    "isd_lite": "weatherapp.observations.feeds.isd_lite.IsdLiteFeed",
    "metar": "weatherapp.observations.feeds.metar.MetarFeed",
    "meteostat": "weatherapp.observations.feeds.meteostat.MeteostatFeed",
    "open_meteo": "weatherapp.observations.feeds.open_meteo.OpenMeteoFeed",
}
FEEDS: tuple[str, ...] = tuple(sorted((ReplayFeed.name, *SOURCED)))

__all__ = [
    "FEEDS",
    "SOURCED",
    "Batch",
    "Feed",
    "GuidanceBatch",
    "GuidanceFeed",
    "RejectedReport",
    "ReplayFeed",
    "StationReport",
    "check_known",
    "open_feed",
]


def check_known(name: str) -> None:
    """Raise FeedUnknown, with the names of the known ones, if there is no such feed."""
    if name not in FEEDS:
        raise FeedUnknown(f"There is no feed {name!r}; choose one of {', '.join(FEEDS)}.")


def open_feed(name: str, options: "FeedOptions | None" = None) -> Feed[Any]:
    """Make the feed of that name.

    Args:
        name: one of `FEEDS`.
        options: where it reads and what; the replay has none.

    Raises:
        FeedUnknown: no such feed; names the known ones.
    """
    check_known(name)
    if name == ReplayFeed.name:
        return ReplayFeed()
    module, _, kind = SOURCED[name].rpartition(".")
    feed: Feed[Any] = getattr(import_module(module), kind)(options)
    return feed
