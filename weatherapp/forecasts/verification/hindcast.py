"""Forecasts after the fact: what the live release would have said, counted without waiting for days."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone

from mobile_models import selectors as delivery
from mobile_models.models import Release
from packager.types import Tensors
from weatherapp.forecasts.errors import NothingToForecast
from weatherapp.forecasts.inference import ServerModel
from weatherapp.forecasts.inputs import Reports, StationInputs, assemble, check_served, read_reports
from weatherapp.forecasts.models import ForecastRun, Verification
from weatherapp.forecasts.services import check_outputs
from weatherapp.forecasts.verification.counting import Due, count
from weatherapp.observations.feeds import ReplayFeed
from weatherapp.observations.models import Station
from weatherapp.observations.selectors import active_stations
from weatherapp.observations.services import ingest

logger = logging.getLogger(__name__)
REPLAY_HOURS = 48  # what one pass of the replay brings
HINDCASTS_AT_ONCE = 16  # counted together: their hours overlap, and reports are read once
Progress = Callable[[float, str], None]


@dataclass(frozen=True)
class _Reported:
    """Reports of all stations over the whole span, read once."""

    stations: tuple[Station, ...]
    first: datetime
    reports: Reports
    replay: bool

    def until(self, init_time: datetime, hours: int) -> Reports:
        end = round((init_time - self.first).total_seconds() / 3600) + 1
        return self.reports.between(end - hours, end)


def hindcast(*, days: int, every: int = 3, now: datetime | None = None, progress: Progress) -> int:
    """Forecast from past hours with the live release, and count what is verified by now.

    Nothing is stored as a run, so that nobody is served a hindcast. Hours that a run of this release was made
    for, and hindcasts that were counted before, are left out: twice is harmless. Killed, it goes on where it
    was.

    Args:
        days: how far back the first one starts.
        every: hours from one to the next.
        now: aware; the present when not given.
        progress: is told a share and a text.

    Returns:
        How many hours of forecasts were counted.

    Raises:
        NothingToForecast: no station reported in any of the hours.
        CountedMeanwhile: another process did the same; what was counted stays.
        ForecastError, ObservationError, DeliveryError, PackagerError: as a cycle.
    """
    moment = (now or timezone.now()).replace(minute=0, second=0, microsecond=0)
    release = delivery.live_release()
    bundle = delivery.server_bundle(release)
    first = moment - timedelta(days=days)
    if settings.REPLAY_FEED:
        _replay(first, moment, progress)
    counted = made = 0
    with ServerModel(delivery.blob_path(bundle.sha256)) as model:
        check_served(model.contract)
        hours = model.contract.history_hours
        wanted = _init_times(release, first, moment, every)
        reported = _read(first - timedelta(hours=hours), moment)
        for start in range(0, len(wanted), HINDCASTS_AT_ONCE):
            progress(start / len(wanted), f"hindcasts: {wanted[start]:%Y-%m-%dT%H}Z")
            chosen = wanted[start : start + HINDCASTS_AT_ONCE]
            found = (_forecast(model, reported, init_time, release, moment) for init_time in chosen)
            due = [hours for hours in found if hours is not None]
            counted, made = counted + count(due), made + len(due)
    if wanted and not made:
        raise NothingToForecast(
            f"No station reported between {first:%Y-%m-%d} and {moment:%Y-%m-%d}. Run `manage.py ingest` "
            "with a feed that has these days, or set REPLAY_FEED."
        )
    progress(1.0, f"{made} hindcasts, {counted} of their hours counted")
    return counted


def _replay(first: datetime, last: datetime, progress: Progress) -> None:
    """Bring in the replay of every hour, two days at a time, the oldest first."""
    feed = ReplayFeed()
    begin = first - timedelta(hours=REPLAY_HOURS)
    moment = begin
    while moment < last:
        moment = min(moment + timedelta(hours=REPLAY_HOURS), last)
        ingest(feed=feed, now=moment)
        progress((moment - begin) / (last - begin), f"replay up to {moment:%Y-%m-%d}")


def _init_times(release: Release, first: datetime, now: datetime, every: int) -> list[datetime]:
    """The past hours that this release has no run of, and that some lead is verified of."""
    last = now - timedelta(hours=settings.VERIFICATION_DELAY_HOURS + 1)
    taken = set(Verification.objects.filter(release=release).values_list("init_time", flat=True))
    taken |= set(ForecastRun.objects.filter(release=release).values_list("init_time", flat=True))
    steps = int((last - first).total_seconds() // 3600)
    times = (first + timedelta(hours=step) for step in range(0, steps + 1, every))
    return [time for time in times if time not in taken]


def _read(first: datetime, last: datetime) -> _Reported:
    stations = tuple(active_stations())
    hours = round((last - first).total_seconds() / 3600) + 1
    reports, replay = read_reports(stations, last, hours)
    return _Reported(stations, first, reports, replay)


def _forecast(
    model: ServerModel, reported: _Reported, init_time: datetime, release: Release, now: datetime
) -> Due | None:
    reports = reported.until(init_time, model.contract.history_hours)
    try:
        inputs = assemble(
            reported.stations, reports, init_time=init_time, contract=model.contract, replay=reported.replay
        )
    except NothingToForecast:
        return None
    outputs = model.run(inputs.tensors)
    check_outputs(outputs, model.contract, stations=len(inputs.stations))
    return _due(model, inputs, outputs, init_time, release, now)


def _due(
    model: ServerModel,
    inputs: StationInputs,
    outputs: Tensors,
    init_time: datetime,
    release: Release,
    now: datetime,
) -> Due:
    passed = int((now - init_time).total_seconds() // 3600) - settings.VERIFICATION_DELAY_HOURS
    return Due(
        release=release.pk,
        init_time=init_time,
        stations=tuple(station.code for station in inputs.stations),
        outputs=outputs,
        contract=model.contract,
        first=1,
        last=min(passed, model.contract.lead_hours),
        replay=inputs.replay,
        hindcast=True,
    )
