"""Feeds fill the stations and observations; beat or `manage.py ingest FEED` starts one by its name."""

from typing import Any

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

FEEDS: dict[str, type[Feed[Any]]] = {ReplayFeed.name: ReplayFeed}

__all__ = [
    "FEEDS",
    "Batch",
    "Feed",
    "GuidanceBatch",
    "GuidanceFeed",
    "RejectedReport",
    "ReplayFeed",
    "StationReport",
    "open_feed",
]


def open_feed(name: str) -> Feed[Any]:
    """Make the feed of that name.

    Raises:
        FeedUnknown: no such feed; names the known ones.
    """
    if name not in FEEDS:
        raise FeedUnknown(f"There is no feed {name!r}; choose one of {', '.join(sorted(FEEDS))}.")
    return FEEDS[name]()
