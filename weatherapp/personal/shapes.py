"""Rows as the API shows them."""

from typing import Any

from weatherapp.personal import sentences
from weatherapp.personal.models import Commute, Device, FeedEntry, OwnReport, Place, Rule, Vote, Webhook

Body = dict[str, Any]


def device_body(device: Device) -> Body:
    """A profile."""
    quiet = {"start": device.quiet_start, "end": device.quiet_end} if device.quiet_start else None
    return {
        "id": str(device.pk),
        "created": device.created.isoformat(),
        "temperature_unit": device.temperature_unit,
        "wind_speed_unit": device.wind_speed_unit,
        "precipitation_unit": device.precipitation_unit,
        "length_unit": device.length_unit,
        "language": device.language or None,
        "time_zone": device.time_zone,
        "headline": device.headline,
        "precision": device.precision,
        "activities": device.activities,
        "quiet_hours": quiet,
    }


def place_body(place: Place) -> Body:
    """A place, rounded as it is stored."""
    return {
        "id": str(place.pk),
        "label": place.label,
        "kind": place.kind,
        "latitude": place.latitude,
        "longitude": place.longitude,
        "elevation": place.elevation,
        "own_station": place.own_station,
    }


def commute_body(commute: Commute) -> Body:
    """A commute."""
    return {
        "id": str(commute.pk),
        "days": commute.days,
        "start": commute.start,
        "end": commute.end,
        "origin": str(commute.origin_id),
        "destination": str(commute.destination_id),
    }


def rule_body(rule: Rule) -> Body:
    """A rule as it was given."""
    return {
        "id": str(rule.pk),
        "place": str(rule.place_id) if rule.place_id else None,
        "commute": str(rule.commute_id) if rule.commute_id else None,
        "variable": rule.variable,
        "comparison": rule.comparison,
        "threshold": rule.threshold,
        "unit": rule.unit,
        "probability": rule.probability,
        "days": rule.days,
        "start": rule.start or None,
        "end": rule.end or None,
        "enabled": rule.enabled,
    }


def report_body(report: OwnReport) -> Body:
    """A report in inside units (°C, hPa, m/s)."""
    return {
        "id": report.client_id,
        "place": str(report.place_id),
        "source": report.source,
        "variable": report.variable,
        "time": sentences.utc(report.time),
        "value": round(report.value, 2),
        "forecast": round(report.forecast, 2),
        "accepted": report.accepted,
        "reason": report.reason,
    }


def vote_body(vote: Vote) -> Body:
    """A vote."""
    return {
        "id": vote.client_id,
        "place": str(vote.place_id),
        "time": sentences.utc(vote.time),
        "vote": vote.vote,
        "utci": round(vote.utci, 1),
    }


def entry_body(entry: FeedEntry, device: Device, *, language: str) -> Body:
    """An entry with its sentence; without a language that of the profile, else English."""
    spoken = language or sentences.language_of(device, "")
    return {
        "id": str(entry.pk),
        "rule": str(entry.rule_id),
        "place": str(entry.place_id),
        "time": sentences.utc(entry.time),
        "probability": entry.probability,
        **entry.finding,
        "run": entry.run,
        "created": sentences.utc(entry.created),
        "text": sentences.sentence(entry, device, spoken),
    }


def webhook_body(webhook: Webhook) -> Body:
    """A webhook without its secret."""
    return {
        "url": webhook.url,
        "failures": webhook.failures,
        "disabled_because": webhook.disabled_because,
    }


def export_body(device: Device) -> Body:
    """Everything that is stored about a device, but for the secrets that were shown once."""
    webhook = Webhook.objects.filter(device=device).first()
    places = [
        {
            **place_body(place),
            "learned": [
                {"variable": row.variable, "base": row.base, "state": row.state}
                for row in place.filters.all()
            ],
        }
        for place in device.places.prefetch_related("filters")
    ]
    entries = device.entries.select_related("place").prefetch_related("deliveries")
    return {
        "profile": {
            **device_body(device),
            "last_seen": device.last_seen.isoformat(),
            "evaluated_run": device.evaluated_run,
            "feed_sequence": device.feed_sequence,
        },
        "comfort": device.comfort,
        "places": places,
        "commutes": [commute_body(row) for row in device.commutes.all()],
        "rules": [rule_body(row) for row in device.rules.all()],
        "reports": [report_body(row) for row in device.reports.all()],
        "votes": [vote_body(row) for row in device.votes.all()],
        "entries": [
            {**entry_body(row, device, language=""), "deliveries": _deliveries(row)} for row in entries
        ],
        "webhook": webhook_body(webhook) if webhook else None,
    }


def _deliveries(entry: FeedEntry) -> list[Body]:
    return [
        {"state": row.state, "attempts": row.attempts, "due": sentences.utc(row.due), "reason": row.reason}
        for row in entry.deliveries.all()
    ]
