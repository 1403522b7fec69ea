"""Questions about devices."""

from datetime import date, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Count, QuerySet

from weatherapp.core.personal import bias
from weatherapp.personal.errors import NotYours
from weatherapp.personal.models import BiasFilter, Commute, Device, FeedEntry, Place, Rule

FEED_PAGE = 50


def place_of(device: Device, place_id: str) -> Place:
    """A place of a device.

    Raises:
        NotYours: it has none with this id.
    """
    found = device.places.filter(pk=_id(place_id, "place")).first()
    if found is None:
        raise NotYours(_unknown("place", place_id))
    return found


def commute_of(device: Device, commute_id: str) -> Commute:
    """A commute of a device with its places.

    Raises:
        NotYours: it has none with this id.
    """
    found = (
        device.commutes.select_related("origin", "destination").filter(pk=_id(commute_id, "commute")).first()
    )
    if found is None:
        raise NotYours(_unknown("commute", commute_id))
    return found


def rule_of(device: Device, rule_id: str) -> Rule:
    """A rule of a device.

    Raises:
        NotYours: it has none with this id.
    """
    found = device.rules.filter(pk=_id(rule_id, "rule")).first()
    if found is None:
        raise NotYours(_unknown("rule", rule_id))
    return found


def states_by_place(device: Device) -> dict[Any, list[bias.BiasState]]:
    """The filters of a device's places, by the place's key. One query."""
    found: dict[Any, list[bias.BiasState]] = {}
    for row in BiasFilter.objects.filter(place__device=device):
        found.setdefault(row.place_id, []).append(bias.BiasState.from_dict(row.state))
    return found


def feed(device: Device, after: int) -> tuple[list[FeedEntry], bool]:
    """Entries after a cursor, oldest first, and whether there are more."""
    entries = device.entries.filter(sequence__gt=after).select_related("place")
    rows = list(entries.order_by("sequence")[: FEED_PAGE + 1])
    return rows[:FEED_PAGE], len(rows) > FEED_PAGE


def devices_with_rules(run: str) -> QuerySet[Device]:
    """Devices whose rules were not held against a run yet."""
    waiting = Device.objects.filter(rules__enabled=True).exclude(evaluated_run=run)
    return waiting.distinct().order_by("pk")


def devices_per_day(today: date, days: int) -> list[tuple[date, int, int]]:
    """For each day, newest first, how many of today's devices were registered and were last seen on it."""
    since = today - timedelta(days=days - 1)
    made = _per_day("created", since)
    seen = _per_day("last_seen", since)
    every = [today - timedelta(days=step) for step in range(days)]
    return [(day, made.get(day, 0), seen.get(day, 0)) for day in every]


def _per_day(field: str, since: date) -> dict[date, int]:
    counted = Device.objects.filter(**{f"{field}__gte": since}).order_by().values_list(field)
    return dict(counted.annotate(Count("pk")))


def _id(text: str, kind: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise NotYours(_unknown(kind, text)) from error


def _unknown(kind: str, text: str) -> str:
    return f"{kind}: this device has none with the id {text[:40]!r}. GET /v1/devices/me/{kind}s lists them."
