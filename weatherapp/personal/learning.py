"""What a device's own reports and votes teach.

Reports may come late and out of order. Those of the last days are kept; a filter's `base` is what older ones
taught. A report that is newer than all of them is learned at once; an older one makes the filter start from
its base again and learn the kept ones as they happened. The result is the same whatever order they come in.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, TypeVar

import numpy as np
from django.db import transaction
from django.utils import timezone

from weatherapp.core import thermo
from weatherapp.core.personal import bias, comfort
from weatherapp.personal import limits, selectors, services, weather
from weatherapp.personal.errors import AlreadySent, InputInvalid, LimitReached, NoForecastThere
from weatherapp.personal.models import BiasFilter, Device, OwnReport, Place, Vote
from weatherapp.personal.variables import checked_unit, inside

# A device's clock may be a little fast; a run must still be there to compare with.
FAST_CLOCK, LATEST = timedelta(minutes=2), timedelta(hours=48)
KEPT = timedelta(hours=72)
# Standard deviations of what a person says, by variable; instruments have the filter's own.
THUMB: Mapping[str, float] = MappingProxyType({"temperature": 1.5, "wind_speed": 2.0})
HOUR = 3600
Row = TypeVar("Row", OwnReport, Vote)
REASONS: Mapping[str, str] = MappingProxyType(
    {
        "learned": "",
        "less": "far from what was expected; learned with less weight",
        "jump": "others agreed with it; the place's level was learned anew",
        "suspect": "very far from what was expected; it counts once others agree for a day",
        "implausible": "outside what can be, or too far from the forecast",
        "late": "there is another report of the same moment",
    }
)


def report(*, device: Device, values: Mapping[str, Any]) -> tuple[OwnReport, bool]:
    """Learn from what a device measured or its person felt.

    Args:
        device: whose.
        values: of `serializers.ReportInput`.

    Returns:
        The report with the filter's verdict, and whether it is new.

    Raises:
        InputInvalid: its time is in the future or too long ago, or its unit is another variable's.
        NotYours: the device has no such place.
        NoForecastThere: nothing to compare with.
        AlreadySent: its id was used for another one.
        LimitReached: the device has sent too many of late.
    """
    now = timezone.now()
    content = digest(values)
    earlier = _earlier(device.reports.filter(client_id=values["id"]).first(), content)
    if earlier is not None:
        return earlier, False
    _check_time(values["time"], now)
    place = selectors.place_of(device, values["place"])
    made = _compared(place, values, checked_unit(device, values["variable"], values.get("unit")))
    made.content = content
    with transaction.atomic():
        held = services.locked(device)
        earlier = _earlier(held.reports.filter(client_id=values["id"]).first(), content)
        if earlier is not None:
            return earlier, False
        # The place may have been moved or removed since.
        if selectors.place_of(held, values["place"]).latitude != place.latitude:
            raise NoForecastThere("place: it has just been moved. Send the report again.")
        if held.reports.count() >= limits.REPORTS:
            raise LimitReached(f"More than {limits.REPORTS} reports in three days. Send fewer.")
        made.device = held
        _learn(made)
    return made, True


def vote(*, device: Device, values: Mapping[str, Any]) -> tuple[Vote, comfort.ComfortState, bool]:
    """Learn from how a person felt.

    Returns:
        The vote, what is known of the person after it, and whether the vote is new.

    Raises:
        InputInvalid, NotYours, NoForecastThere, AlreadySent, LimitReached: as `report`.
    """
    now = timezone.now()
    content = digest(values)
    earlier = _earlier(device.votes.filter(client_id=values["id"]).first(), content)
    if earlier is not None:
        return earlier, weather.comfort_of(Device.objects.get(pk=device.pk)), False
    _check_time(values["time"], now)
    place = selectors.place_of(device, values["place"])
    index = _index(place, values["time"])
    with transaction.atomic():
        held = services.locked(device)
        earlier = _earlier(held.votes.filter(client_id=values["id"]).first(), content)
        if earlier is not None:
            return earlier, weather.comfort_of(held), False
        if held.votes.count() >= limits.VOTES:
            raise LimitReached(f"More than {limits.VOTES} votes in three days. Send fewer.")
        state = comfort.vote(weather.comfort_of(held), utci=index, vote=values["vote"])
        held.comfort = state.to_dict()
        held.save(update_fields=["comfort"])
        made = Vote.objects.create(
            device=held,
            place=selectors.place_of(held, values["place"]),
            client_id=values["id"],
            content=content,
            time=values["time"],
            vote=values["vote"],
            utci=index,
        )
    return made, state, True


def forget_old(*, now: datetime) -> int:
    """Remove reports and votes too old to matter for order; what they taught stays. Gives how many."""
    oldest = now - KEPT
    removed, _ = Vote.objects.filter(time__lt=oldest).delete()
    for device in Device.objects.filter(reports__time__lt=oldest).distinct():
        removed += _fold(device, oldest)
    return removed


def digest(values: Mapping[str, Any]) -> str:
    """What tells whether the same thing was sent again."""
    return hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()


def _earlier(row: Row | None, content: str) -> Row | None:
    if row is not None and row.content != content:
        raise AlreadySent("id: it was used before, for something else. Make another id for each thing sent.")
    return row


def _check_time(time: datetime, now: datetime) -> None:
    if time > now + FAST_CLOCK:
        raise InputInvalid(f"time: {time:%Y-%m-%dT%H:%M:%S}Z lies in the future. Set the device's clock.")
    if time < now - LATEST:
        hours = LATEST // timedelta(hours=1)
        raise InputInvalid(
            f"time: {time:%Y-%m-%dT%H:%M:%S}Z is more than {hours} hours ago; later ones only."
        )


def _compared(place: Place, values: Mapping[str, Any], unit: str) -> OwnReport:
    """A report in inside units beside what the public forecast said; not saved."""
    said = weather.public_at(place, values["time"])
    variable = values["variable"]
    value = inside(variable, values["value"], unit)
    if variable == "surface_pressure":
        variable = "pressure_msl"
        value = float(
            thermo.mean_sea_level_pressure(value, said["temperature"], said["dew_point"], said["elevation"])
        )
    if not np.isfinite(value):
        raise InputInvalid(f"value: {values['value']:g} cannot be turned into {variable}.")
    return OwnReport(
        place=place,
        client_id=values["id"],
        source=values.get("source", OwnReport.Source.STATION),
        variable=variable,
        time=values["time"],
        value=value,
        forecast=said[variable],
    )


def _learn(report: OwnReport) -> None:
    fresh = bias.start(report.variable).to_dict()
    row, _ = BiasFilter.objects.get_or_create(
        place=report.place, variable=report.variable, defaults={"base": fresh, "state": fresh}
    )
    kept = report.place.reports.filter(variable=report.variable).order_by("time", "pk")
    if kept.filter(time__gte=report.time).exists():
        report.accepted = False
        report.save(force_insert=True)
        state, judged = _replay(bias.BiasState.from_dict(row.base), list(kept.all()))
        OwnReport.objects.bulk_update(judged, ["accepted", "reason"])
        learned = next(one for one in judged if one.pk == report.pk)
        report.accepted, report.reason = learned.accepted, learned.reason
    else:
        state, _ = _replay(bias.BiasState.from_dict(row.state), [report])
        report.save(force_insert=True)
    row.state = state.to_dict()
    row.save(update_fields=["state"])


def _replay(
    state: bias.BiasState, reports: Sequence[OwnReport]
) -> tuple[bias.BiasState, Sequence[OwnReport]]:
    """Learn reports in order; each is told its verdict."""
    for one in reports:
        state, verdict = bias.update(
            state,
            forecast=one.forecast,
            observed=one.value,
            time=int(one.time.timestamp()),
            noise=THUMB.get(one.variable) if one.source == OwnReport.Source.THUMB else None,
        )
        one.accepted, one.reason = verdict.accepted, REASONS[verdict.reason]
    return state, reports


@transaction.atomic
def _fold(device: Device, oldest: datetime) -> int:
    """Let the bases of a device's filters learn its oldest reports, and remove them."""
    held = Device.objects.select_for_update().filter(pk=device.pk).first()
    removed = 0
    for row in BiasFilter.objects.filter(place__device=held).select_related("place"):
        old = row.place.reports.filter(variable=row.variable, time__lt=oldest)
        learned = list(old.order_by("time", "pk"))
        if learned:
            state, _ = _replay(bias.BiasState.from_dict(row.base), learned)
            row.base = state.to_dict()
            row.save(update_fields=["base"])
            removed += old.delete()[0]
    return removed


def _index(place: Place, time: datetime) -> float:
    """UTCI of a place and moment, °C, with what was learned at the place."""
    said = weather.public_at(place, time)
    for row in place.filters.all():
        state = bias.BiasState.from_dict(row.state)
        if state.reports:
            _correct(said, state, time)
    index = float(
        comfort.utci(
            np.array(said["temperature"]),
            np.array(min(said["dew_point"], said["temperature"])),
            np.array(said["wind_speed"]),
            np.array(said["cloud_cover"]),
            np.array(said["cos_zenith"]),
        )
    )
    if not -60 <= index <= 60:
        raise NoForecastThere("time: the weather of then is beyond what the thermal index is made for.")
    return index


def _correct(said: dict[str, float], state: bias.BiasState, time: datetime) -> None:
    hours = (time.timestamp() - (state.updated or 0)) / HOUR
    amount = float(
        bias.correction(state, lead_hours=np.array([min(hours, 0.0)]), age_hours=max(hours, 0.0))[0]
    )
    said[state.variable] = (
        said[state.variable] * amount if bias.MODELS[state.variable].ratio else said[state.variable] + amount
    )
