"""Climatology: what a station reports in this month at this solar hour; elsewhere, what its analogue does."""

from dataclasses import dataclass

import numpy as np

from packager.contract import Contract, Output
from packager.dataset.records import Dataset
from packager.dataset.windows import Windows, ceiling_class
from packager.types import BoolArray, FloatArray, IntArray, Tensors

MONTHS, HOURS = 12, 24
# Fewer values in a cell than this and the months beside it help out.
ENOUGH = 40


@dataclass(frozen=True)
class Climatology:
    """Tables of (station, month, solar hour, ...) for every output of the contract.

    Fitted on rows that training may see. A station without values of its own takes, output by output, the
    table of the station with values that is nearest in latitude: its analogue.
    """

    tables: dict[str, FloatArray]
    analogue: dict[str, IntArray]

    @classmethod
    def fit(cls, dataset: Dataset, rows: BoolArray, contract: Contract) -> "Climatology":
        """Measure the tables.

        Args:
            dataset: after quality control.
            rows: (row,), True where training may look.
            contract: outputs and levels.
        """
        columns = _columns(dataset, contract)
        cell = _cell(dataset.hour, _longitudes(dataset)[dataset.station])
        stations = []
        for index in range(len(dataset.stations)):
            mine = rows & (dataset.station == index)
            own = {name: values[mine] for name, values in columns.items()}
            stations.append(_station_tables(own, cell[mine], contract))
        tables = {spec.name: np.stack([own[spec.name] for own in stations]) for spec in contract.outputs}
        return cls(tables, {name: _analogues(dataset, table) for name, table in tables.items()})

    def forecast(self, windows: Windows, contract: Contract) -> Tensors:
        """Outputs by contract name, (case, lead, ...)."""
        valid = windows.init_hour[:, None] + np.arange(1, contract.lead_hours + 1)
        cell = _cell(valid, windows.inputs["site"][:, 1:2])
        return {
            name: table[self.analogue[name][windows.station][:, None], cell]
            for name, table in self.tables.items()
        }


def _columns(dataset: Dataset, contract: Contract) -> dict[str, FloatArray]:
    by_name = {spec.name: dataset.column(spec.name) for spec in contract.outputs if spec.kind == "median"}
    speed = np.hypot(dataset.column("wind_u"), dataset.column("wind_v"))
    amount = dataset.column("precipitation")
    return by_name | {
        "temperature": dataset.column("temperature"),
        "wind": np.stack([dataset.column("wind_u"), dataset.column("wind_v")], axis=-1),
        "wind_speed": speed,
        "cloud_cover": dataset.column("cloud_cover"),
        "cloud_base": ceiling_class(dataset.column("cloud_base"), contract.output("cloud_base").thresholds),
        "precipitation_type": dataset.precipitation_type,
        "precipitation": np.where(amount > 0, amount, np.nan),
    }


def _longitudes(dataset: Dataset) -> FloatArray:
    return np.array([station.longitude for station in dataset.stations])


def _cell(hour: IntArray, longitude: FloatArray) -> IntArray:
    """Month × 24 + hour of the mean solar day."""
    month = (hour * 3600).astype("datetime64[s]").astype("datetime64[M]").astype(int) % MONTHS
    solar = np.floor(hour + longitude / 15.0 + 0.5).astype(int) % HOURS
    return np.asarray(month * HOURS + solar)


def _station_tables(
    columns: dict[str, FloatArray], cell: IntArray, contract: Contract
) -> dict[str, FloatArray]:
    members: list[IntArray] = [np.flatnonzero(cell == index) for index in range(MONTHS * HOURS)]
    return {
        spec.name: np.stack(
            [_statistic(columns[spec.name], members, index, spec) for index in range(len(members))]
        )
        for spec in contract.outputs
    }


def _statistic(values: FloatArray, members: list[IntArray], index: int, spec: Output) -> FloatArray:
    """The statistic of one cell.

    Where it has too few values, of the neighbouring months too, then of all months, then of all hours.
    """
    month, hour = divmod(index, HOURS)
    choices = [
        [index],
        [((month + step) % MONTHS) * HOURS + hour for step in (-1, 0, 1)],
        [m * HOURS + h % HOURS for m in range(MONTHS) for h in (hour - 1, hour, hour + 1)],
        list(range(MONTHS * HOURS)),
    ]
    for choice in choices:
        sample = values[np.concatenate([members[c] for c in choice])]
        sample = sample[~np.isnan(sample if sample.ndim == 1 else sample[:, 0])]
        if len(sample) >= ENOUGH:
            return _summary(sample, spec)
    return _summary(sample, spec)


def _summary(sample: FloatArray, spec: Output) -> FloatArray:
    if not len(sample):
        return np.full(spec.shape[2:], np.nan, np.float32)
    if spec.kind == "probabilities":
        share = np.bincount(sample.astype(int), minlength=spec.width) / len(sample)
        return share.astype(np.float32)
    if spec.kind == "quantiles":
        return np.quantile(sample, spec.levels).astype(np.float32)
    return np.asarray(np.median(sample, axis=0), np.float32)


def _analogues(dataset: Dataset, table: FloatArray) -> IntArray:
    fitted = np.isfinite(table.reshape(len(table), -1)).any(axis=1)
    latitude = np.array([station.latitude for station in dataset.stations])
    distance = np.abs(latitude[:, None] - latitude[None, :]) + np.where(fitted, 0.0, np.inf)[None, :]
    return np.where(fitted, np.arange(len(latitude)), np.argmin(distance, axis=1))
