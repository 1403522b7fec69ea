"""The forecast cycle: observations in, a stored run out."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import pairwise
from time import perf_counter

import numpy as np
from django.conf import settings
from django.db import DatabaseError
from django.db.models import Q
from django.utils import timezone

from mobile_models import selectors as delivery
from mobile_models.models import Bundle, Release
from packager.contract import Contract
from packager.types import Tensors
from weatherapp.forecasts import selectors, store
from weatherapp.forecasts.errors import NoCurrentRun, RunNotStored, RunRefused
from weatherapp.forecasts.inference import ServerModel
from weatherapp.forecasts.inputs import StationInputs, build_inputs
from weatherapp.forecasts.models import ForecastRun
from weatherapp.forecasts.past import past_hours
from weatherapp.observations.errors import ObservationError
from weatherapp.observations.feeds import ReplayFeed
from weatherapp.observations.models import Station
from weatherapp.observations.selectors import late_since
from weatherapp.observations.services import ingest

logger = logging.getLogger(__name__)
# A report carries the time at which its pass began; the run may have read before that pass was committed.
UNSEEN_SECONDS = 600
REPLACED_SECONDS = 600


def run_cycle(*, now: datetime | None = None, again: bool = False) -> ForecastRun:
    """Bring in the replay, forecast every station with the live release, store the run and make it current.

    Args:
        now: aware; the run starts at its full hour. The present when not given.
        again: make a new run even where this hour was forecast with this release already.

    Returns:
        The run of this hour; harmless to call twice.

    Raises:
        ForecastError: the run before stays current.
        DeliveryError, PackagerError: likewise.
    """
    moment = now or timezone.now()
    init_time = moment.replace(minute=0, second=0, microsecond=0)
    release = delivery.live_release()
    bundle = delivery.server_bundle(release)
    done = selectors.stored_run_of(init_time=init_time, release_id=release.pk, bundle_sha256=bundle.sha256)
    if done and not again:
        return done
    if settings.REPLAY_FEED:
        _replay(moment)
    run = _forecast(init_time=init_time, release=release, bundle=bundle)
    prune_runs(now=moment)
    return run


def renew_run(*, now: datetime | None = None) -> ForecastRun | None:
    """Make this hour's run again where late or corrected reports change what it was made from.

    Only the current run, only until the next cycle is due, and only with the model it was made with.

    Returns:
        The new run, which has taken the old one's place; None where nothing changed.

    Raises:
        ForecastError, DeliveryError, PackagerError: the run before stays current.
    """
    moment = now or timezone.now()
    run = selectors.last_run()
    if run is None or not run.stored or selectors.run_age(run, moment) >= timedelta(hours=1):
        return None
    release = delivery.live_release()
    bundle = delivery.server_bundle(release)
    if (release.pk, bundle.sha256) != (run.release_id, run.bundle_sha256):
        return None  # the next cycle takes the new release up
    stored = store.open_run(str(run.folder))
    since = run.created - timedelta(seconds=UNSEEN_SECONDS)
    if not late_since(since=since, init_time=run.init_time, hours=stored.contract.history_hours):
        return None
    inputs = build_inputs(init_time=run.init_time, contract=stored.contract)
    changed = changed_stations(stored, inputs)
    if not changed:
        return None
    logger.info("late reports of %d stations: run %s is made again", len(changed), run.folder)
    return _forecast(init_time=run.init_time, release=release, bundle=bundle)


def changed_stations(run: store.StoredRun, inputs: StationInputs) -> list[str]:
    """Codes of stations whose history is another than the one that a run was made from, or that came or went.

    A value counts as another when it differs by more than rounding; so does one that came or was withdrawn.
    """
    rows = {station.code: row for row, station in enumerate(run.stations)}
    codes = [station.code for station in inputs.stations]
    known = np.array([rows.get(code, -1) for code in codes])
    changed = known < 0
    old = {name: run.inputs[name][known[~changed]] for name in ("history", "history_mask")}
    new = {name: inputs.tensors[name][~changed] for name in ("history", "history_mask")}
    same = np.isclose(old["history"], new["history"], rtol=1e-4, atol=1e-3) & (
        old["history_mask"] == new["history_mask"]
    )
    changed[~changed] = ~same.all(axis=(1, 2))
    gone = sorted(rows.keys() - set(codes))
    return [code for code, differs in zip(codes, changed, strict=True) if differs] + gone


def prune_runs(*, now: datetime | None = None) -> int:
    """Forget all but the newest runs, those that were replaced, and what dead writers left.

    Returns:
        How many rows went.
    """
    kept = list(ForecastRun.objects.filter(state=ForecastRun.State.STORED)[: settings.RUNS_KEPT])
    if not kept:
        return 0
    # Whoever was answering from a replaced run when it was replaced has opened its files long since.
    settled = (now or timezone.now()) - timedelta(seconds=REPLACED_SECONDS)
    replaced = [
        old.pk
        for new, old in pairwise(kept)
        if old.init_time == new.init_time and new.stored and new.stored < settled
    ]
    old = ForecastRun.objects.filter(Q(init_time__lt=kept[-1].init_time) | Q(pk__in=replaced))
    folders = [name for name in old.values_list("folder", flat=True) if name]
    removed, _ = old.delete()
    for name in folders:
        store.remove_run(name)
    store.sweep({name for name in ForecastRun.objects.values_list("folder", flat=True) if name})
    return removed


def _replay(moment: datetime) -> None:
    """Bring in the replay; a feed that fails leaves the forecast to what is stored already."""
    try:
        ingest(feed=ReplayFeed(), now=moment)
    except ObservationError as error:
        logger.warning("the replay brought nothing: %s", error)


def _forecast(*, init_time: datetime, release: Release, bundle: Bundle) -> ForecastRun:
    run = ForecastRun.objects.create(init_time=init_time, release=release, bundle_sha256=bundle.sha256)
    try:
        inputs, outputs, contract = _infer(run)
        _store(run, inputs, outputs, contract)
    except Exception as error:
        reason = f"{error.__class__.__name__}: {error}"
        ForecastRun.objects.filter(pk=run.pk).update(state=ForecastRun.State.FAILED, reason=reason)
        raise
    parts = ", ".join(f"{part} {seconds:.1f} s" for part, seconds in run.seconds.items())
    logger.info("run %s of release %s: %d stations; %s", run.folder, release.version, run.stations, parts)
    return run


def _infer(run: ForecastRun) -> tuple[StationInputs, Tensors, Contract]:
    with ServerModel(delivery.blob_path(run.bundle_sha256)) as model:
        with _timed(run, "inputs"):
            inputs = build_inputs(init_time=run.init_time, contract=model.contract)
        with _timed(run, "model"):
            outputs = model.run(inputs.tensors)
    check_outputs(outputs, model.contract, stations=len(inputs.stations))
    return inputs, outputs, model.contract


@contextmanager
def _timed(run: ForecastRun, part: str) -> Iterator[None]:
    began = perf_counter()
    yield
    run.seconds[part] = round(perf_counter() - began, 3)


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
    with _timed(run, "past"):
        before = _run_before(run)
        past = past_hours(inputs.reports, stations, contract, init_hour=init_hour, before=before)
    with _timed(run, "store"):
        store.write_run(
            run.folder,
            init_time=run.init_time,
            contract=contract,
            stations=stations,
            inputs=inputs.tensors,
            outputs=outputs,
            past=past,
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
