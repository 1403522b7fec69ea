"""The forecast cycle: observations in, a stored run out."""

import logging
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from django.conf import settings
from django.db import DatabaseError
from django.utils import timezone

from mobile_models import selectors as delivery
from mobile_models.models import Bundle, Release
from packager.bundle import open_bundle
from packager.contract import Contract
from packager.runtimes import open_runtime
from packager.types import Tensors
from weatherapp.forecasts import selectors, store
from weatherapp.forecasts.errors import NoCurrentRun, RunNotStored, RunRefused
from weatherapp.forecasts.inputs import StationInputs, build_inputs
from weatherapp.forecasts.models import ForecastRun
from weatherapp.forecasts.past import past_hours
from weatherapp.observations.feeds import ReplayFeed
from weatherapp.observations.models import Station
from weatherapp.observations.services import ingest

logger = logging.getLogger(__name__)


def run_cycle(*, now: datetime | None = None, again: bool = False) -> ForecastRun:
    """Bring in the replay, forecast every station with the live release, store the run and make it current.

    Args:
        now: aware; the run starts at its full hour. The present when not given.
        again: make a new run even where this hour was forecast with this release already.

    Returns:
        The run of this hour; harmless to call twice.

    Raises:
        ForecastError: the run before stays current.
        ObservationError, DeliveryError, PackagerError: likewise.
    """
    moment = now or timezone.now()
    init_time = moment.replace(minute=0, second=0, microsecond=0)
    release = delivery.live_release()
    bundle = delivery.server_bundle(release)
    done = selectors.stored_run_of(init_time=init_time, release_id=release.pk, bundle_sha256=bundle.sha256)
    if done and not again:
        return done
    if settings.REPLAY_FEED:
        ingest(feed=ReplayFeed(), now=moment)
    run = _forecast(init_time=init_time, release=release, bundle=bundle)
    prune_runs()
    return run


def prune_runs() -> int:
    """Forget all but the newest runs, and folders that dead writers left; gives how many rows went."""
    kept = list(ForecastRun.objects.filter(state=ForecastRun.State.STORED)[: settings.RUNS_KEPT])
    if not kept:
        return 0
    old = ForecastRun.objects.filter(init_time__lt=kept[-1].init_time)
    folders = [name for name in old.values_list("folder", flat=True) if name]
    removed, _ = old.delete()
    for name in folders:
        store.remove_run(name)
    store.sweep({name for name in ForecastRun.objects.values_list("folder", flat=True) if name})
    return removed


def _forecast(*, init_time: datetime, release: Release, bundle: Bundle) -> ForecastRun:
    run = ForecastRun.objects.create(init_time=init_time, release=release, bundle_sha256=bundle.sha256)
    try:
        inputs, outputs, contract = _infer(bundle, init_time)
        _store(run, inputs, outputs, contract)
    except Exception as error:
        reason = f"{error.__class__.__name__}: {error}"
        ForecastRun.objects.filter(pk=run.pk).update(state=ForecastRun.State.FAILED, reason=reason)
        raise
    logger.info("run %s of release %s: %d stations", run.folder, release.version, run.stations)
    return run


def _infer(bundle: Bundle, init_time: datetime) -> tuple[StationInputs, Tensors, Contract]:
    archive = open_bundle(delivery.blob_path(bundle.sha256))
    inputs = build_inputs(init_time=init_time, contract=archive.contract)
    with TemporaryDirectory(prefix="skyfold-") as folder:
        runtime = open_runtime(archive.extract(Path(folder)), archive.format, contract=archive.contract)
        outputs = runtime.run(inputs.tensors)
    check_outputs(outputs, archive.contract, stations=len(inputs.stations))
    return inputs, outputs, archive.contract


def check_outputs(outputs: Tensors, contract: Contract, *, stations: int) -> None:
    """Refuse what cannot be a forecast.

    Raises:
        RunRefused: an output is missing, has another shape, or has numbers that are not finite.
    """
    for spec in contract.outputs:
        values = outputs.get(spec.name)
        wanted = (stations, *spec.shape[1:])
        if values is None or values.shape != wanted:
            seen = "nothing" if values is None else f"shape {values.shape}"
            raise RunRefused(
                f"The model gave {seen} for {spec.name}; {wanted} is due. Release another model."
            )
        if not np.isfinite(values).all():
            raise RunRefused(
                f"The model gave numbers for {spec.name} that are not finite. "
                "Look at the inputs of this hour, or release another model."
            )


def _store(run: ForecastRun, inputs: StationInputs, outputs: Tensors, contract: Contract) -> None:
    run.folder = f"{run.init_time:%Y%m%dT%H}Z-{run.pk}"
    stations = tuple(_station(station) for station in inputs.stations)
    init_hour = int(run.init_time.timestamp()) // 3600
    before = _run_before(run)
    store.write_run(
        run.folder,
        init_time=run.init_time,
        contract=contract,
        stations=stations,
        inputs=inputs.tensors,
        outputs=outputs,
        past=past_hours(inputs.reports, stations, contract, init_hour=init_hour, before=before),
    )
    run.stations, run.replay = len(inputs.stations), inputs.replay
    run.state, run.stored = ForecastRun.State.STORED, timezone.now()
    try:
        run.save()
    except DatabaseError as error:
        store.remove_run(run.folder)
        raise RunNotStored(
            f"The row of run {run.folder} could not be written; the run before stays current."
        ) from error


def _run_before(run: ForecastRun) -> store.StoredRun | None:
    """The stored run of an earlier hour, for the hours that nobody reported; None without its files."""
    row = selectors.run_ending(run.init_time - timedelta(hours=1))
    if row is None:
        return None
    try:
        return store.open_run(str(row.folder))
    except NoCurrentRun as error:
        logger.warning("gaps of the past stay open: %s", error)
        return None


def _station(station: Station) -> store.RunStation:
    return store.RunStation(
        code=station.code,
        name=station.name,
        latitude=station.latitude,
        longitude=station.longitude,
        elevation=station.elevation,
    )
