"""Counting runs against reports: what is due, the sums, and each hour of a run once."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from django.conf import settings
from django.db import connection, models, transaction
from django.utils import timezone

from packager.contract import Contract
from packager.types import Tensors
from weatherapp.core.arrays import BoolArray, FloatArray, IntArray
from weatherapp.forecasts import store
from weatherapp.forecasts.errors import ForecastError, NoCurrentRun
from weatherapp.forecasts.inputs import Reports, read_reports
from weatherapp.forecasts.models import (
    ForecastRun,
    LeadScore,
    ReliabilityBin,
    StationScore,
    Verification,
)
from weatherapp.forecasts.past import observed_outputs, precipitation_class
from weatherapp.forecasts.verification.scoring import SUMS, Scores, Sums, score_hours, variables_of
from weatherapp.observations.models import VARIABLES, Station
from weatherapp.observations.selectors import active_stations

logger = logging.getLogger(__name__)
DAY = 24
RUNS_AT_ONCE = 48  # bounds the memory and the length of a transaction
# A station that said nothing for so long before a run began is not known to have gone on with its series.
SERIES_HOURS = 6


class CountedMeanwhile(ForecastError):
    """Another process counted the same hours first."""


@dataclass(frozen=True)
class Due:
    """Hours of a run that can be counted.

    Attributes:
        release: row id.
        init_time: aware UTC.
        stations: codes, rows of the outputs.
        outputs: by contract name, (station, lead[, k]), all leads.
        contract: of the run.
        first: lead in hours, the first that was not counted yet.
        last: lead in hours, the last whose reports are in.
        replay: made from replayed observations.
        hindcast: made after the fact.
    """

    release: int
    init_time: datetime
    stations: tuple[str, ...]
    outputs: Tensors
    contract: Contract
    first: int
    last: int
    replay: bool
    hindcast: bool = False

    @property
    def init_hour(self) -> int:
        """Hours since 1970-01-01T00Z."""
        return int(self.init_time.timestamp()) // 3600


def due_runs(now: datetime) -> list[ForecastRun]:
    """The newest stored run of every init time, oldest first, of which the delay has passed for some lead."""
    newest = now - timedelta(hours=settings.VERIFICATION_DELAY_HOURS + 1)
    stored = ForecastRun.objects.filter(state=ForecastRun.State.STORED, init_time__lte=newest)
    found: dict[datetime, ForecastRun] = {}
    for run in stored.order_by("init_time", "pk"):
        found[run.init_time] = run
    return list(found.values())


def due_hours(run: ForecastRun, *, now: datetime, counted: int) -> Due | None:
    """The hours of a stored run that are not counted yet; None without any, or without its files."""
    last = int((now - run.init_time).total_seconds() // 3600) - settings.VERIFICATION_DELAY_HOURS
    if last <= counted:
        return None
    try:
        opened = store.open_run(str(run.folder))
    except NoCurrentRun as error:
        logger.warning("run %s cannot be verified: %s", run.folder, error)
        return None
    last = min(last, opened.contract.lead_hours)
    if last <= counted:
        return None
    return Due(
        release=run.release_id,
        init_time=run.init_time,
        stations=tuple(station.code for station in opened.stations),
        outputs=opened.outputs,
        contract=opened.contract,
        first=counted + 1,
        last=last,
        replay=run.replay,
    )


def count(due: Sequence[Due]) -> int:
    """Count hours of runs, all of them or, if the process is killed or another was first, none.

    Returns:
        How many hours of runs were counted.

    Raises:
        CountedMeanwhile: another process counted some of them; nothing was changed.
    """
    if not due:
        return 0
    stations = tuple(active_stations())
    window = _read(stations, due)
    sums: dict[int, Sums] = {}
    for run in due:
        total = sums.setdefault(run.release, _no_sums(run.contract, len(stations)))
        window.add(run, total)
    with transaction.atomic():
        for run in due:
            _claim(run)
        for release, total in sums.items():
            _write(release, total, stations)
    return sum(run.last - run.first + 1 for run in due)


@dataclass(frozen=True)
class Window:
    """Reports of all stations over the hours that some runs need.

    Attributes:
        codes: position of a station by its code.
        first_hour: hours since 1970-01-01T00Z of the first column.
        reports: (station, hour).
        elevations: (station,) metres.
    """

    codes: dict[str, int]
    first_hour: int
    reports: Reports
    elevations: FloatArray

    def add(self, run: Due, sums: Sums) -> None:
        """Add a run's hours to sums."""
        here = [(self.codes[code], row) for row, code in enumerate(run.stations) if code in self.codes]
        if not here:
            return
        rows, there = np.array(here).T
        column = run.init_hour + run.first - self.first_hour
        width = run.last - run.first + 1
        now = self._slice(rows, column, width)
        comparable = self._same_series(rows, run, column, width)
        targets = targets_of(now, self.elevations[rows], run.contract)
        _blank(targets, ~comparable)
        outputs: Tensors = {
            name: np.asarray(values[there, run.first - 1 : run.last], dtype=np.float64)
            for name, values in run.outputs.items()
        }
        forecast = score_hours(outputs, targets, run.contract)
        reference = self._reference(run, rows, targets, now.series)
        kind = targets["precipitation_type"]
        sums.add(
            rows=rows,
            first_lead=run.first,
            init_hour=run.init_hour,
            forecast=forecast,
            reference=reference,
            chance=1.0 - outputs["precipitation_type"][..., 0],
            wet=np.where(np.isnan(kind), np.nan, kind > 0),
        )

    def _reference(self, run: Due, rows: IntArray, targets: Tensors, series: IntArray) -> dict[str, Scores]:
        """Scores of the same hour yesterday: of the last day that was known at the init time."""
        leads = np.arange(run.first, run.last + 1)
        back = DAY * ((leads - 1) // DAY + 1)
        column = run.init_hour + leads - back - self.first_hour
        earlier = self.reports.at(rows, column)
        outputs = observed_outputs(earlier, self.elevations[rows], run.contract)
        _blank(outputs, earlier.series != series)
        return score_hours(outputs, targets, run.contract)

    def _same_series(self, rows: IntArray, run: Due, column: int, width: int) -> BoolArray:
        """Whether an hour followed the run's history in nature: a replay leaps from year to year."""
        before = self._slice(rows, 0, column - run.first + 1)
        last = before.present.shape[1] - 1 - np.argmax(before.present[:, ::-1], axis=1)
        history = np.take_along_axis(before.series, last[:, None], axis=1)
        return np.asarray(
            before.present.any(axis=1, keepdims=True) & (self._slice(rows, column, width).series == history)
        )

    def _slice(self, rows: IntArray, column: int, width: int) -> Reports:
        return self.reports.between(column, column + width).take(rows)


def targets_of(reports: Reports, elevations: FloatArray, contract: Contract) -> Tensors:
    """Reports as what a forecast is scored against.

    Args:
        reports: of (station, hour).
        elevations: (station,) metres.
        contract: names the outputs.

    Returns:
        By contract name, (station, hour[, 2]) float64; classes as indices, NaN where nothing was reported.
    """
    from packager.dataset.windows import ceiling_class

    column = {name: reports.values[..., index].astype(np.float64) for index, name in enumerate(VARIABLES)}
    thresholds = contract.output("cloud_base").thresholds
    made = {
        **column,
        "wind": np.stack([column["wind_u"], column["wind_v"]], axis=-1),
        "wind_speed": np.hypot(column["wind_u"], column["wind_v"]),
        "cloud_base": ceiling_class(column["cloud_base"], thresholds).astype(np.float64),
        "precipitation_type": precipitation_class(reports, elevations).astype(np.float64),
    }
    return {spec.name: np.array(made[spec.name]) for spec in contract.outputs}


def _read(stations: tuple[Station, ...], due: Sequence[Due]) -> Window:
    first = min(run.init_hour + run.first for run in due) - 2 * DAY - SERIES_HOURS
    last = max(run.init_hour + run.last for run in due)
    reports, _ = read_reports(stations, datetime.fromtimestamp(last * 3600, UTC), last - first + 1)
    return Window(
        codes={station.code: index for index, station in enumerate(stations)},
        first_hour=first,
        reports=reports,
        elevations=np.array([station.elevation for station in stations]),
    )


def _blank(tensors: Tensors, where: BoolArray) -> None:
    for values in tensors.values():
        values[where] = np.nan


def _no_sums(contract: Contract, stations: int) -> Sums:
    names = tuple(variable.name for variable in variables_of(contract))
    return Sums(names, stations, contract.lead_hours)


def _claim(run: Due) -> None:
    """Say that the hours are counted; the row decides who does it."""
    row, _ = Verification.objects.get_or_create(
        release_id=run.release,
        init_time=run.init_time,
        defaults={"replay": run.replay, "hindcast": run.hindcast},
    )
    mine = Verification.objects.filter(pk=row.pk, leads=run.first - 1)
    if not mine.update(leads=run.last, updated=timezone.now()):
        raise CountedMeanwhile(
            f"The run of {run.init_time:%Y-%m-%dT%H}Z was counted by another process meanwhile."
        )


def _write(release: int, sums: Sums, stations: tuple[Station, ...]) -> None:
    _add(
        LeadScore,
        ("release_id", "variable", "day", "lead"),
        SUMS,
        ((release, variable, day, lead, *values) for day, variable, lead, values in sums.lead_rows()),
    )
    _add(
        StationScore,
        ("release_id", "variable", "day", "station_id", "bucket"),
        SUMS,
        (
            (release, variable, day, stations[station].pk, bucket, *values)
            for day, variable, station, bucket, values in sums.station_rows()
        ),
    )
    _add(
        ReliabilityBin,
        ("release_id", "day", "bucket", "tenth"),
        ("n", "probability", "occurred"),
        ((release, day, bucket, tenth, *values) for day, bucket, tenth, values in sums.tenth_rows()),
    )


def _add(
    model: type[models.Model], keys: tuple[str, ...], sums: tuple[str, ...], rows: Iterable[Sequence[object]]
) -> None:
    """Add to rows' sums, or begin them: the database adds, so that no sum is read and written back."""
    table = connection.ops.quote_name(model._meta.db_table)  # noqa: SLF001 - Django documents it
    adding = ", ".join(f"{name} = {table}.{name} + excluded.{name}" for name in sums)
    places = ", ".join(["%s"] * (len(keys) + len(sums)))
    statement = (
        f"INSERT INTO {table} ({', '.join((*keys, *sums))}) VALUES ({places}) "  # noqa: S608 - our own names
        f"ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {adding}"
    )
    day = keys.index("day")
    adapt = connection.ops.adapt_datefield_value
    with connection.cursor() as cursor:
        cursor.executemany(
            statement,
            [(*row[:day], adapt(row[day]), *row[day + 1 :]) for row in rows],  # type: ignore[arg-type]
        )
