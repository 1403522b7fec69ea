"""Quality control: drop what no weather can have made, and what was reported by a rule that biases it.

Every check looks at the rows as read, so that their order changes nothing; a value may fail several.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from packager.contract import GUIDANCE_VARIABLES
from packager.dataset.records import NO_CEILING, TYPE_FROM_CODE, VARIABLES, Dataset, Guidance
from weatherapp.core.arrays import BoolArray, FloatArray, IntArray

# Beyond the records of the surface of the Earth. Units as in the contract.
PHYSICAL_LIMITS: Mapping[str, tuple[float, float]] = {
    "temperature": (-70.0, 57.0),
    "dew_point": (-80.0, 36.0),
    "pressure_msl": (870.0, 1085.0),
    "wind_u": (-75.0, 75.0),
    "wind_v": (-75.0, 75.0),
    "precipitation": (0.0, 150.0),
    "cloud_cover": (0.0, 1.0),
    # No ceiling is higher than 12 km: such values come from interpolating towards a code for "unlimited".
    "cloud_base": (0.0, 12_000.0),
    "visibility": (0.0, 160_000.0),
}
# Dropped: what differs from both neighbours by more than SPIKE to one side, or from one by more than STEP.
SPIKE: Mapping[str, float] = {
    "temperature": 10.0,
    "dew_point": 12.0,
    "pressure_msl": 5.0,
    "wind_u": 20.0,
    "wind_v": 20.0,
}
STEP: Mapping[str, float] = {
    "temperature": 20.0,
    "dew_point": 25.0,
    "pressure_msl": 12.0,
    "wind_u": 40.0,
    "wind_v": 40.0,
}
# Hours with not a tenth of change: longer than calm or saturated weather holds a sensor still.
STUCK_HOURS: Mapping[str, int] = {"temperature": 18, "dew_point": 24, "pressure_msl": 24}
STUCK_WIND_HOURS = 12
ROUNDING = 0.11  # K: temperature and dew point are each rounded to a tenth
SELECTIVE_MISSING = 0.2
CLOUDY_SHARE_EXPECTED = 0.05
AMOUNTS_EXPECTED = 0.75
CODED_HOURS_WITHOUT_AMOUNT = 10
ROUNDED_MM = 0.01
GUIDANCE_CHECK = "guidance_limits"
GUIDANCE_DEW_POINT = 1.0  # K: a model's dew point may pass its temperature by interpolation between points


@dataclass(frozen=True)
class QualityReport:
    """How many values each check dropped; a value may fail several.

    `dropped` counts per (station id, variable, check), `reported` per (station id, variable) as read. A
    variable of guidance has `guidance_` before its name.
    """

    dropped: Mapping[tuple[str, str, str], int]
    reported: Mapping[tuple[str, str], int]

    def as_dict(self) -> dict[str, Any]:
        """Totals and details for JSON."""
        details = [
            {"station": s, "variable": v, "check": c, "dropped": n, "reported": self.reported[s, v]}
            for (s, v, c), n in self.dropped.items()
        ]
        return {"reported": sum(self.reported.values()), "dropped": self.totals(), "details": details}

    def totals(self) -> dict[str, int]:
        """Dropped values per check."""
        sums: dict[str, int] = dict.fromkeys(CHECKS, 0)
        for (_, _, check), count in self.dropped.items():
            sums[check] = sums.get(check, 0) + count
        return sums

    def table(self) -> str:
        """Lines of text for people."""
        rows = [("station", "variable", "check", "dropped", "reported")]
        rows += [(s, v, c, str(n), str(self.reported[s, v])) for (s, v, c), n in self.dropped.items()]
        widths = [max(len(row[i]) for row in rows) for i in range(5)]
        return "\n".join(
            "  ".join(
                cell.ljust(w) if i < 3 else cell.rjust(w)
                for i, (cell, w) in enumerate(zip(row, widths, strict=True))
            )
            for row in rows
        )


def quality_control(dataset: Dataset) -> tuple[Dataset, QualityReport]:
    """Replace what fails a check by NaN.

    Checks: physical limits; impossible hour-to-hour jumps; stuck sensors; dew point above temperature; values
    reported only in some weather; amounts too coarse to tell rain from none. A wind component falls with its
    other. Precipitation type falls with the amount that it was made from. Guidance must lie within physical
    limits, its dew point not a degree above its temperature.

    Args:
        dataset: as read; not changed.

    Returns:
        A dataset with the same rows, and the report.
    """
    faults = {name: check(dataset) & np.isfinite(dataset.values) for name, check in CHECKS.items()}
    bad = np.logical_or.reduce(list(faults.values()))
    values = np.where(bad, np.float32(np.nan), dataset.values)
    lost = bad[:, VARIABLES.index("precipitation")] & (dataset.precipitation_type_from != TYPE_FROM_CODE)
    cleaned = replace(
        dataset,
        values=values,
        precipitation_type=np.where(lost, np.float32(np.nan), dataset.precipitation_type),
        precipitation_type_from=np.where(lost, np.float32(np.nan), dataset.precipitation_type_from),
    )
    report = _report(dataset, faults)
    if dataset.guidance is None:
        return cleaned, report
    impossible = _impossible_guidance(dataset.guidance)
    kept = np.where(impossible, np.float32(np.nan), dataset.guidance.values)
    cleaned = replace(cleaned, guidance=replace(dataset.guidance, values=kept))
    return cleaned, _with_guidance(report, dataset, dataset.guidance, impossible)


def _with_guidance(
    report: QualityReport, dataset: Dataset, guidance: Guidance, impossible: BoolArray
) -> QualityReport:
    """The report with the guidance's counts."""
    stations = len(dataset.stations)
    dropped, reported = dict(report.dropped), dict(report.reported)
    for column, name in enumerate(GUIDANCE_VARIABLES):
        present = np.bincount(guidance.station, np.isfinite(guidance.values[:, column]), stations)
        bad = np.bincount(guidance.station, impossible[:, column], stations)
        for index, station in enumerate(dataset.stations):
            reported[station.id, f"guidance_{name}"] = int(present[index])
            if bad[index]:
                dropped[station.id, f"guidance_{name}", GUIDANCE_CHECK] = int(bad[index])
    return QualityReport(dropped=dropped, reported=reported)


def _impossible_guidance(guidance: Guidance) -> BoolArray:
    low, high = np.asarray([PHYSICAL_LIMITS[name] for name in GUIDANCE_VARIABLES], dtype=np.float32).T
    bad = (guidance.values < low) | (guidance.values > high)
    temperature, dew_point, u, v = (
        GUIDANCE_VARIABLES.index(name) for name in ("temperature", "dew_point", "wind_u", "wind_v")
    )
    excess = guidance.values[:, dew_point] - guidance.values[:, temperature]
    bad[:, dew_point] |= excess > GUIDANCE_DEW_POINT
    bad[:, u] = bad[:, v] = bad[:, u] | bad[:, v]
    return np.asarray(bad)


def _report(dataset: Dataset, faults: Mapping[str, BoolArray]) -> QualityReport:
    dropped, reported = {}, {}
    for index, station in enumerate(dataset.stations):
        mine = dataset.station == index
        present = np.isfinite(dataset.values[mine]).sum(axis=0)
        for column, variable in enumerate(VARIABLES):
            reported[station.id, variable] = int(present[column])
            for check, fault in faults.items():
                if count := int(fault[mine, column].sum()):
                    dropped[station.id, variable, check] = count
    return QualityReport(dropped=dropped, reported=reported)


def _physical_limits(dataset: Dataset) -> BoolArray:
    low, high = np.asarray([PHYSICAL_LIMITS[name] for name in VARIABLES], dtype=np.float32).T
    outside = (dataset.values < low) | (dataset.values > high)
    base = VARIABLES.index("cloud_base")
    outside[:, base] &= dataset.values[:, base] != NO_CEILING
    return _wind_together(outside)


def _jumps(dataset: Dataset) -> BoolArray:
    bad = np.zeros(dataset.values.shape, dtype=bool)
    # A wild value would make its good neighbours look like jumps: each stage sees what the one before left.
    values = np.where(_physical_limits(dataset), np.nan, dataset.values)
    for name in SPIKE:
        column = VARIABLES.index(name)
        rise, fall = _differences(values[:, column], dataset.segment)
        spike = (np.minimum(np.abs(rise), np.abs(fall)) > SPIKE[name]) & (rise * fall < 0)
        rise, fall = _differences(np.where(spike, np.nan, values[:, column]), dataset.segment)
        bad[:, column] = spike | (np.abs(rise) > STEP[name]) | (np.abs(fall) > STEP[name])
    return _wind_together(bad)


def _differences(values: FloatArray, segment: IntArray) -> tuple[FloatArray, FloatArray]:
    """Change from the hour before and to the hour after; 0 where the segment has none to compare with."""
    step = np.nan_to_num(np.where(np.diff(segment) == 0, np.diff(values), 0))
    return np.concatenate([[0], step]), np.concatenate([step, [0]])


def _stuck(dataset: Dataset) -> BoolArray:
    bad = np.zeros(dataset.values.shape, dtype=bool)
    for name, hours in STUCK_HOURS.items():
        column = VARIABLES.index(name)
        bad[:, column] = _runs(dataset.values[:, column], dataset.segment) >= hours
    u, v = dataset.column("wind_u"), dataset.column("wind_v")
    moving = np.hypot(u, v) > 0  # a calm may last; a wind does not keep its tenth of a metre per second
    still = np.minimum(_runs(u, dataset.segment), _runs(v, dataset.segment)) >= STUCK_WIND_HOURS
    bad[:, VARIABLES.index("wind_u")] = bad[:, VARIABLES.index("wind_v")] = still & moving
    return bad


def _dew_point_above_temperature(dataset: Dataset) -> BoolArray:
    bad = np.zeros(dataset.values.shape, dtype=bool)
    above = dataset.column("dew_point") > dataset.column("temperature") + ROUNDING
    bad[:, VARIABLES.index("dew_point")] = above
    return bad


def _selective_reporting(dataset: Dataset) -> BoolArray:
    """Values reported more readily in some weather than in other: a model would learn that weather."""
    bad = np.zeros(dataset.values.shape, dtype=bool)
    bad[:, VARIABLES.index("cloud_cover")] = _only_clear_skies(dataset)
    bad[:, VARIABLES.index("precipitation")] = _only_some_amounts(dataset) | _amounts_lost(dataset)
    return bad


def _only_clear_skies(dataset: Dataset) -> BoolArray:
    """Cover at those hours of the day at which a station leaves out cloudy skies."""
    cover = dataset.column("cloud_cover")
    present, cloudy = np.isfinite(cover), np.nan_to_num(cover) > 0.5
    group = _group(dataset.station, dataset.hour % 24)
    reports = np.maximum(np.bincount(group, present), 1)
    missing_share = 1 - np.bincount(group, present) / np.bincount(group)
    cloudy_share = np.bincount(group, cloudy) / reports
    selective = (missing_share > SELECTIVE_MISSING) & (cloudy_share < CLOUDY_SHARE_EXPECTED)
    return np.asarray(selective[group])


def _only_some_amounts(dataset: Dataset) -> BoolArray:
    """Amounts of months in which many reports have none: in them an amount was reported because it rained."""
    reporting = np.isfinite(dataset.column("temperature"))
    present = np.isfinite(dataset.column("precipitation"))
    group = _group(dataset.station, _local_month(dataset))
    expected = AMOUNTS_EXPECTED * np.bincount(group, reporting)
    return np.asarray((np.bincount(group, present & reporting) < expected)[group])


def _amounts_lost(dataset: Dataset) -> BoolArray:
    """Amounts of months with zero throughout and many hours whose weather code says rain or snow."""
    coded = (dataset.precipitation_type > 0) & (dataset.precipitation_type_from == TYPE_FROM_CODE)
    group = _group(dataset.station, _local_month(dataset))
    total = np.bincount(group, np.nan_to_num(dataset.column("precipitation")))
    return np.asarray(((total == 0) & (np.bincount(group, coded) >= CODED_HOURS_WITHOUT_AMOUNT))[group])


def _coarse_amounts(dataset: Dataset) -> BoolArray:
    """Amounts of stations that report whole millimetres only.

    Their zero is anything below half a millimetre, which is most rainy hours: taken for dry, they teach a
    model that it hardly ever rains.
    """
    bad = np.zeros(dataset.values.shape, dtype=bool)
    amount = dataset.column("precipitation")
    fraction = np.abs(amount - np.round(amount))
    stations = len(dataset.stations)
    fine = np.bincount(dataset.station, np.nan_to_num(fraction) > ROUNDED_MM, stations) > 0
    rained = np.bincount(dataset.station, np.nan_to_num(amount) > 0, stations) > 0
    bad[:, VARIABLES.index("precipitation")] = (rained & ~fine)[dataset.station]
    return bad


def _group(station: IntArray, key: IntArray) -> IntArray:
    """Number each pair of station and key from 0."""
    pair = station * (key.max() - key.min() + 1) + key - key.min()
    return np.asarray(np.unique(pair, return_inverse=True)[1])


def _local_month(dataset: Dataset) -> IntArray:
    """Months since 1970 by local mean time; the row of midnight closes the day before, as in the sources."""
    longitude = np.asarray([station.longitude for station in dataset.stations])[dataset.station]
    local = dataset.hour - 1 + np.round(longitude / 15).astype(np.int64)
    return np.asarray((local // 24).astype("datetime64[D]").astype("datetime64[M]").astype(np.int64))


def _runs(values: FloatArray, segment: IntArray) -> IntArray:
    """Length of the run of equal values in one segment that each row lies in; a NaN is a run of its own."""
    starts = np.concatenate([[True], (np.diff(values) != 0) | (np.diff(segment) != 0)])
    run = np.cumsum(starts) - 1
    return np.asarray(np.bincount(run)[run])


def _wind_together(bad: BoolArray) -> BoolArray:
    u, v = VARIABLES.index("wind_u"), VARIABLES.index("wind_v")
    bad[:, u] |= bad[:, v]
    bad[:, v] = bad[:, u]
    return bad


CHECKS: Mapping[str, Callable[[Dataset], BoolArray]] = {
    "physical_limits": _physical_limits,
    "jump": _jumps,
    "stuck": _stuck,
    "dew_point_above_temperature": _dew_point_above_temperature,
    "selective_reporting": _selective_reporting,
    "coarse_amounts": _coarse_amounts,
}
