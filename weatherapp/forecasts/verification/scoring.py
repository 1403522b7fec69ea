"""Scores of one run's hours, and sums of them. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta

import numpy as np

from packager.contract import Contract, Output
from packager.types import Tensors
from packager.verify.skill import LEAD_BUCKETS, case_scores, metric_of
from weatherapp.core.arrays import BoolArray, FloatArray, IntArray

BUCKETS = {name: LEAD_BUCKETS[name] for name in ("1-6", "7-12", "13-24", "25-48")}
RAIN_CHANCE = "precipitation_probability"  # not an output of its own: 1 − the probability of none
# What a sum of `ScoreSums` is a sum of, in the order of the last axis here.
SUMS = (
    "n",
    "error",
    "abs_error",
    "squared_error",
    "score",
    "paired",
    "paired_score",
    "reference_score",
)
TENTHS = 10
EPOCH = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Variable:
    """What is scored: its name, its unit, and the name of its score."""

    name: str
    unit: str
    metric: str


def variables_of(contract: Contract) -> tuple[Variable, ...]:
    """What is scored of a contract's outputs, in order; the probability of precipitation last."""
    outputs = (Variable(spec.name, spec.units, metric_of(spec)) for spec in contract.outputs)
    return (*outputs, Variable(RAIN_CHANCE, "1", "Brier"))


@dataclass(frozen=True)
class Scores:
    """One variable: (station, lead) each, NaN where it cannot be scored.

    `error` is forecast − reported of the median or probability, the length of the difference for a vector,
    and NaN for classes, which do not differ by an amount.
    """

    error: FloatArray
    score: FloatArray


def score_hours(outputs: Tensors, targets: Tensors, contract: Contract) -> dict[str, Scores]:
    """Score forecasts against reports.

    Args:
        outputs: by contract name, (station, lead[, k]), NaN where there is no forecast.
        targets: by contract name, (station, lead[, 2]), NaN where nothing was reported; class indices.
        contract: names, kinds and levels.

    Returns:
        By name of a variable. Precipitation amounts are scored in the hours that were wet.
    """
    scores = case_scores(outputs, targets, contract)
    result = {
        spec.name: Scores(_error(spec, outputs[spec.name], targets[spec.name]), scores[spec.name])
        for spec in contract.outputs
    }
    kind = targets["precipitation_type"]
    wet = np.where(np.isnan(kind), np.nan, kind > 0)
    chance = 1.0 - outputs["precipitation_type"][..., 0]
    result[RAIN_CHANCE] = Scores(chance - wet, scores[RAIN_CHANCE])
    return result


def _error(spec: Output, forecast: FloatArray, observed: FloatArray) -> FloatArray:
    if spec.kind == "probabilities":
        return np.full(observed.shape, np.nan)
    difference = forecast - observed if spec.kind != "quantiles" else np.empty(0)
    if spec.kind == "median":
        return difference
    if spec.kind == "vector_median":
        return np.asarray(np.hypot(*np.moveaxis(difference, -1, 0)))
    middle = int(np.argmin(np.abs(np.array(spec.levels) - 0.5)))
    error = forecast[..., middle] - observed
    return np.where(observed > 0, error, np.nan) if spec.name == "precipitation" else error


@dataclass
class Sums:
    """Sums of one release over days, leads, stations and tenths of probability.

    Attributes:
        variables: names, the second axis.
        leads: by day, (lead, variable, sum).
        stations: by day, (station, bucket, variable, sum).
        tenths: by day, (bucket, tenth, 3): pairs, sum of probabilities, how often it was wet.
    """

    variables: tuple[str, ...]
    station_count: int
    lead_count: int
    leads: dict[date, FloatArray] = field(default_factory=dict)
    stations: dict[date, FloatArray] = field(default_factory=dict)
    tenths: dict[date, FloatArray] = field(default_factory=dict)

    def add(
        self,
        *,
        rows: IntArray,
        first_lead: int,
        init_hour: int,
        forecast: dict[str, Scores],
        reference: dict[str, Scores],
        chance: FloatArray,
        wet: FloatArray,
    ) -> None:
        """Add the hours of one run.

        Args:
            rows: (station,) positions in the sums, of the rows of what follows.
            first_lead: hours, of the first column.
            init_hour: hours since 1970-01-01T00Z.
            forecast: scores by variable, (station, lead).
            reference: the same of the reference, NaN where it has nothing to say.
            chance: (station, lead) forecast probability of precipitation.
            wet: (station, lead) 1 where it was wet, 0 where not, NaN where unknown.
        """
        cube = np.stack(
            [_terms(forecast[name], reference[name]) for name in self.variables], axis=2
        )  # (station, lead, variable, sum)
        leads = first_lead + np.arange(cube.shape[1])
        day = (init_hour + leads) // 24
        for number in np.unique(day):
            columns = np.flatnonzero(day == number)
            when = EPOCH + timedelta(days=int(number))
            self._add_day(when, rows, leads, columns, cube, chance, wet)

    def _add_day(
        self,
        when: date,
        rows: IntArray,
        leads: IntArray,
        columns: IntArray,
        cube: FloatArray,
        chance: FloatArray,
        wet: FloatArray,
    ) -> None:
        shape = len(self.variables), len(SUMS)
        by_lead = self.leads.setdefault(when, np.zeros((self.lead_count, *shape)))
        by_station = self.stations.setdefault(when, np.zeros((self.station_count, len(BUCKETS), *shape)))
        by_tenth = self.tenths.setdefault(when, np.zeros((len(BUCKETS), TENTHS, 3)))
        by_lead[leads[columns] - 1] += cube[:, columns].sum(axis=0)
        for bucket, (first, last) in enumerate(BUCKETS.values()):
            chosen = columns[(leads[columns] >= first) & (leads[columns] <= last)]
            if len(chosen):
                by_station[rows, bucket] += cube[:, chosen].sum(axis=1)  # rows are distinct
                by_tenth[bucket] += tenths(chance[:, chosen], wet[:, chosen])

    def lead_rows(self) -> Iterator[tuple[date, str, int, list[float]]]:
        """Day, variable, lead and sums, where anything was counted."""
        for day, cube in self.leads.items():
            for lead, variable in np.argwhere(cube[..., 0] > 0).tolist():
                yield day, self.variables[variable], lead + 1, cube[lead, variable].tolist()

    def station_rows(self) -> Iterator[tuple[date, str, int, str, list[float]]]:
        """Day, variable, position of the station, bucket and sums, where anything was counted."""
        names = tuple(BUCKETS)
        for day, cube in self.stations.items():
            for station, bucket, variable in np.argwhere(cube[..., 0] > 0).tolist():
                sums = cube[station, bucket, variable].tolist()
                yield day, self.variables[variable], station, names[bucket], sums

    def tenth_rows(self) -> Iterator[tuple[date, str, int, list[float]]]:
        """Day, bucket, tenth and sums, where anything was counted."""
        names = tuple(BUCKETS)
        for day, cube in self.tenths.items():
            for bucket, tenth in np.argwhere(cube[..., 0] > 0).tolist():
                yield day, names[bucket], tenth, cube[bucket, tenth].tolist()


def tenths(chance: FloatArray, wet: FloatArray) -> FloatArray:
    """How often it was wet, by tenths of the forecast probability.

    Args:
        chance: 0..1, any shape.
        wet: same shape, 0 or 1, NaN where unknown.

    Returns:
        (10, 3): pairs, sum of probabilities, how often it was wet.
    """
    known = np.isfinite(wet) & np.isfinite(chance)
    probability, occurred = chance[known].astype(np.float64), wet[known].astype(np.float64)
    index = np.clip((probability * TENTHS).astype(np.int64), 0, TENTHS - 1)
    weights = (np.ones(len(index)), probability, occurred)
    return np.stack([np.bincount(index, weights=weight, minlength=TENTHS) for weight in weights], axis=1)


def _terms(forecast: Scores, reference: Scores) -> FloatArray:
    """(station, lead, sum) what each hour adds to the sums."""
    known: BoolArray = np.isfinite(forecast.score)
    paired: BoolArray = known & np.isfinite(reference.score)
    error = np.where(known, np.nan_to_num(forecast.error), 0.0)
    score = np.where(known, np.nan_to_num(forecast.score), 0.0)
    return np.stack(
        [
            known.astype(np.float64),
            error,
            np.abs(error),
            error**2,
            score,
            paired.astype(np.float64),
            np.where(paired, score, 0.0),
            np.where(paired, np.nan_to_num(reference.score), 0.0),
        ],
        axis=-1,
    )
