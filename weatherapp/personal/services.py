"""What a device can change about itself. Every change locks the device's row: they come one after another."""

from collections.abc import Callable, Mapping
from typing import Any

from django.db import connection, transaction
from django.db.models import Max, Model
from django.utils import timezone

from weatherapp.personal import limits, selectors, tokens
from weatherapp.personal.errors import InputInvalid, LimitReached, TokenRefused
from weatherapp.personal.models import BiasFilter, Commute, Device, OwnReport, Place, Rule
from weatherapp.personal.tokens import Token
from weatherapp.personal.variables import checked_unit

Changes = Mapping[str, Any]
PLAIN = (
    "temperature_unit", "wind_speed_unit", "precipitation_unit", "length_unit", "time_zone", "headline",
    "precision", "activities",
)  # fmt: skip
WINDOW = ("days", "start", "end")


def register(*, profile: Changes) -> tuple[Device, str]:
    """Make a device that nobody else knows; gives it with its token, which is not kept."""
    token = tokens.make_token()
    today = timezone.now().date()
    device = Device(token_prefix=token.prefix, token_sha256=token.sha256, created=today, last_seen=today)
    _apply(device, profile)
    device.save(force_insert=True)
    return device, token.text


def authenticate(*, token: str) -> Device:
    """The device of a token, whose day of last call is noted.

    Raises:
        TokenRefused: no device has it.
    """
    prefix = tokens.prefix_of(token)
    device = Device.objects.filter(token_prefix=prefix).first() if prefix else None
    if device is None or not tokens.matches(token, device.token_sha256):
        raise TokenRefused("This token belongs to no device. POST /v1/devices makes one.")
    today = timezone.now().date()
    if device.last_seen < today:
        Device.objects.filter(pk=device.pk, last_seen__lt=today).update(last_seen=today)
    return device


@transaction.atomic
def rotate_token(*, device: Device) -> str:
    """Give a device another token; the one before is dead."""
    held = locked(device)
    token: Token = tokens.make_token()
    held.token_prefix, held.token_sha256 = token.prefix, token.sha256
    held.save(update_fields=["token_prefix", "token_sha256"])
    return token.text


@transaction.atomic
def change_profile(*, device: Device, changes: Changes) -> Device:
    """Change some of a profile; a coarser precision rounds the stored places again."""
    held = locked(device)
    before = held.precision
    _apply(held, changes)
    held.save()
    if held.precision > before:
        for place in held.places.all():
            _move(place, place.latitude, place.longitude, held.precision)
            place.save()
    return held


def erase(*, device: Device) -> None:
    """Forget a device and everything that hangs on it; its token is dead at once."""
    with transaction.atomic():
        Device.objects.filter(pk=device.pk).delete()
    flush_erased()


def flush_erased() -> None:
    """Let nothing erased survive in SQLite's log of writes; PostgreSQL's vacuum does that in its own time."""
    if connection.vendor != "sqlite" or connection.in_atomic_block:
        return
    with connection.cursor() as cursor:
        # A reader may hold the log open: do not wait for it, the daily sweep comes again.
        cursor.execute("PRAGMA busy_timeout = 500")
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        cursor.fetchall()
        cursor.execute("PRAGMA busy_timeout = 20000")


@transaction.atomic
def add_place(*, device: Device, values: Changes) -> Place:
    """Keep a place, rounded.

    Raises:
        LimitReached: the device has as many as it may.
    """
    held = locked(device)
    place = Place(device=held, number=_next(held.places, limits.PLACES, "places"))
    _set_place(place, values, held.precision)
    place.save(force_insert=True)
    return place


@transaction.atomic
def change_place(*, device: Device, place_id: str, changes: Changes) -> Place:
    """Change some of a place. What was learned there is forgotten where it moves.

    Raises:
        NotYours: the device has no such place.
    """
    held = locked(device)
    place = selectors.place_of(held, place_id)
    _set_place(place, changes, held.precision)
    place.save()
    return place


@transaction.atomic
def remove_place(*, device: Device, place_id: str) -> None:
    """Forget a place with its commutes, rules and what was learned there.

    Raises:
        NotYours: the device has no such place.
    """
    selectors.place_of(locked(device), place_id).delete()


@transaction.atomic
def add_commute(*, device: Device, values: Changes) -> Commute:
    """Keep a commute.

    Raises:
        LimitReached: the device has as many as it may.
        NotYours: the device has no such place.
        InputInvalid: it leads nowhere.
    """
    held = locked(device)
    commute = Commute(device=held, number=_next(held.commutes, limits.COMMUTES, "commutes"))
    _set_commute(commute, values, held)
    commute.save(force_insert=True)
    return commute


@transaction.atomic
def change_commute(*, device: Device, commute_id: str, changes: Changes) -> Commute:
    """Change some of a commute; errors as `add_commute`."""
    held = locked(device)
    commute = selectors.commute_of(held, commute_id)
    _set_commute(commute, changes, held)
    commute.save()
    return commute


@transaction.atomic
def remove_commute(*, device: Device, commute_id: str) -> None:
    """Forget a commute with its rules.

    Raises:
        NotYours: the device has no such commute.
    """
    selectors.commute_of(locked(device), commute_id).delete()


@transaction.atomic
def add_rule(*, device: Device, values: Changes) -> Rule:
    """Keep a rule.

    Raises:
        LimitReached: the device has as many as it may.
        NotYours: the device has no such place or commute.
        InputInvalid: its parts do not go together.
    """
    held = locked(device)
    rule = Rule(device=held, number=_next(held.rules, limits.RULES, "rules"))
    _set_rule(rule, values, held)
    rule.save(force_insert=True)
    return rule


@transaction.atomic
def change_rule(*, device: Device, rule_id: str, changes: Changes) -> Rule:
    """Change some of a rule; errors as `add_rule`."""
    held = locked(device)
    rule = selectors.rule_of(held, rule_id)
    _set_rule(rule, changes, held)
    rule.save()
    return rule


@transaction.atomic
def remove_rule(*, device: Device, rule_id: str) -> None:
    """Forget a rule with what it found.

    Raises:
        NotYours: the device has no such rule.
    """
    selectors.rule_of(locked(device), rule_id).delete()


def locked(device: Device) -> Device:
    """The device's row as it is now, kept from others until the transaction ends.

    Raises:
        TokenRefused: it was erased meanwhile.
    """
    found = Device.objects.select_for_update().filter(pk=device.pk).first()
    if found is None:
        raise TokenRefused("This device was erased.")
    return found


def _apply(device: Device, changes: Changes) -> None:
    for name in PLAIN:
        if name in changes:
            setattr(device, name, changes[name])
    if "language" in changes:
        device.language = changes["language"] or ""
    if "quiet_hours" in changes:
        quiet = changes["quiet_hours"] or {"start": "", "end": ""}
        device.quiet_start, device.quiet_end = quiet["start"], quiet["end"]


def _next(rows: Any, most: int, name: str) -> int:
    if rows.count() >= most:
        raise LimitReached(f"This device has {most} {name}, and may not have more. Remove one first.")
    return int(rows.aggregate(last=Max("number"))["last"] or 0) + 1


def _set_place(place: Place, values: Changes, precision: float) -> None:
    for name in ("elevation", "label", "kind", "own_station"):
        if name in values:
            setattr(place, name, values[name])
    if "latitude" in values or "longitude" in values:
        latitude = values.get("latitude", place.latitude)
        longitude = values.get("longitude", place.longitude)
        _move(place, latitude, longitude, precision)


def _move(place: Place, latitude: float, longitude: float, precision: float) -> None:
    before = (place.latitude, place.longitude)
    place.latitude, place.longitude = rounded(latitude, precision), rounded(longitude, precision)
    if before != (place.latitude, place.longitude):
        # What was learned was about another forecast.
        BiasFilter.objects.filter(place=place).delete()
        OwnReport.objects.filter(place=place).delete()


def rounded(degrees: float, precision: float) -> float:
    """Degrees rounded to a precision; the digits that floating point adds are cut."""
    return round(round(degrees / precision) * precision, 6) + 0.0


def _set_commute(commute: Commute, values: Changes, device: Device) -> None:
    for name in WINDOW:
        if name in values:
            setattr(commute, name, values[name])
    for name in ("origin", "destination"):
        if name in values:
            setattr(commute, name, selectors.place_of(device, values[name]))
    if commute.start == commute.end:
        raise InputInvalid(f"end: {commute.end!r} is also the start; a commute takes some time.")


def _set_rule(rule: Rule, values: Changes, device: Device) -> None:
    _set_target(rule, values, device)
    for name in ("variable", "comparison", "threshold", "probability", "enabled", "days"):
        if name in values:
            setattr(rule, name, values[name])
    for name in ("start", "end"):
        if name in values:
            setattr(rule, name, values[name] or "")
    if "unit" in values or "variable" in values or not rule.unit:
        rule.unit = checked_unit(device, rule.variable, values.get("unit"))
    if bool(rule.start) != bool(rule.end):
        raise InputInvalid("end: start and end belong together; give both, or neither for the whole day.")
    if rule.commute_id and (rule.days or rule.start):
        raise InputInvalid("days: a commute has its own days and window; leave days, start and end out.")


def _set_target(rule: Rule, values: Changes, device: Device) -> None:
    choose: dict[str, Callable[[Device, str], Model]] = {
        "place": selectors.place_of,
        "commute": selectors.commute_of,
    }
    for name, find in choose.items():
        if name in values:
            setattr(rule, name, find(device, values[name]) if values[name] else None)
    if (rule.place_id is None) == (rule.commute_id is None):
        raise InputInvalid("place: a rule is for one place or one commute; give the id of either.")
