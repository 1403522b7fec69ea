"""How a place differs from its public forecast, learned report by report with a Kalman filter.

The error of the forecast at a place has a lasting part, which may differ between day and night, and a passing
part, which is gone within hours. Only the lasting part is learned: reports that follow each other closely see
the same passing part, so that an hour of reports counts as much as one report an hour. What was learned fades
with age and with lead, and is held back as far as it is in doubt.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Self

import numpy as np

from weatherapp.core.arrays import FloatArray
from weatherapp.core.hourly import Hours
from weatherapp.core.personal.errors import ReportInvalid, StateInvalid

HOUR = 3600  # s
DAY = 24  # h
GATE = 3.5  # standard deviations: a report further off waits until others confirm it
ROBUST = 2.0  # standard deviations: from here on a report counts less, after Huber (1964)
CAUTION = 1.0  # a correction is held back by its variance over its square, after James and Stein (1961)
# A report far off is weather more often than news: a place has changed when nothing but such reports, this
# many, this far apart, came for this long.
CONFIRMATIONS = 4
CONFIRMING_STEP = 3 * HOUR  # s
CONFIRMING_SPAN = 24 * HOUR  # s
SUSPECTS_KEPT = 7 * 24 * HOUR  # s
MOST_SUSPECTS = 12


@dataclass(frozen=True)
class Model:
    """What is assumed about a variable's local error. Values are in the variable's units, or of its factor.

    Attributes:
        ratio: whether the lasting part is a share of the forecast, not an amount.
        harmonics: of the day, in the lasting part.
        lasting: standard deviation of the lasting part before any report.
        daily: the same for each coefficient of a harmonic.
        lasting_half_life: h, of the lasting part and of what is known of it.
        passing: standard deviation of the passing part.
        spell: h for which the passing part stays: reports closer than this share one report's weight.
        noise: standard deviation of a report, unless it says its own.
        limits: lowest and highest correction; of a ratio the lowest and highest factor.
        plausible: lowest and highest report.
        furthest: a report further than this from the forecast is never learned.
    """

    ratio: bool
    harmonics: int
    lasting: float
    daily: float
    lasting_half_life: float
    passing: float
    spell: float
    noise: float
    limits: tuple[float, float]
    plausible: tuple[float, float]
    furthest: float

    @property
    def size(self) -> int:
        """Numbers in the filter's state: the mean, and two per harmonic."""
        return 1 + 2 * self.harmonics


MODELS: Mapping[str, Model] = MappingProxyType(
    {
        "temperature": Model(
            ratio=False,
            harmonics=1,
            lasting=2.0,
            daily=0.7,
            lasting_half_life=120 * DAY,
            passing=2.5,
            spell=9.0,
            noise=0.5,
            limits=(-8.0, 8.0),
            plausible=(-90.0, 60.0),
            furthest=25.0,
        ),
        "pressure_msl": Model(
            ratio=False,
            harmonics=0,
            lasting=4.0,
            daily=0.0,
            lasting_half_life=90 * DAY,
            passing=3.0,
            spell=24.0,
            noise=0.5,
            limits=(-15.0, 15.0),
            plausible=(850.0, 1090.0),
            furthest=60.0,
        ),
        "wind_speed": Model(
            ratio=True,
            harmonics=0,
            lasting=0.3,
            daily=0.0,
            lasting_half_life=60 * DAY,
            passing=1.5,
            spell=6.0,
            noise=0.7,
            limits=(0.3, 2.0),
            plausible=(0.0, 110.0),
            furthest=30.0,
        ),
    }
)


@dataclass(frozen=True)
class Verdict:
    """Whether a report was learned, and why: one of the words below.

    learned: used. less: used with less weight, as it is far off. jump: used, as others confirm a new level.
    suspect: kept until others confirm it. implausible: outside what the variable can be, or too far from the
    forecast. late: not newer than the last one.
    """

    accepted: bool
    reason: str


@dataclass(frozen=True)
class BiasState:
    """What is known about one variable at one place. JSON-safe through `to_dict` and `from_dict`.

    Attributes:
        variable: one of MODELS.
        mean: (state,) the mean, then cos and sin of each harmonic of the UTC day.
        covariance: (state, state), row by row.
        updated: Unix s of the last report learned; None before the first.
        reports: how many were learned.
        suspects: Unix s and innovation of reports that wait for confirmation, oldest first.
    """

    variable: str
    mean: tuple[float, ...]
    covariance: tuple[float, ...]
    updated: int | None = None
    reports: int = 0
    suspects: tuple[tuple[int, float], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """A JSON-safe copy that `from_dict` reads."""
        return {
            "variable": self.variable,
            "mean": list(self.mean),
            "covariance": list(self.covariance),
            "updated": self.updated,
            "reports": self.reports,
            "suspects": [list(suspect) for suspect in self.suspects],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_dict` wrote.

        Raises:
            StateInvalid: anything that the filter cannot have written.
        """
        try:
            updated = data["updated"]
            state = cls(
                variable=str(data["variable"]),
                mean=tuple(float(value) for value in data["mean"]),
                covariance=tuple(float(value) for value in data["covariance"]),
                updated=None if updated is None else int(updated),
                reports=int(data["reports"]),
                suspects=tuple((int(time), float(value)) for time, value in data["suspects"]),
            )
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise StateInvalid(f"This is not a bias state: {type(error).__name__}: {error}.") from error
        _check(state)
        return state


def start(variable: str) -> BiasState:
    """The state before any report.

    Raises:
        StateInvalid: no such variable.
    """
    model = _model(variable)
    return BiasState(
        variable=variable,
        mean=(0.0,) * model.size,
        covariance=tuple(np.diag(_stationary(model)).ravel().tolist()),
    )


def update(
    state: BiasState, *, forecast: float, observed: float, time: int, noise: float | None = None
) -> tuple[BiasState, Verdict]:
    """Learn from one report.

    Args:
        state: so far.
        forecast: the public forecast for the place at that time, uncorrected: °C, hPa or m/s.
        observed: what was reported, same unit.
        time: Unix s of the report; reports must come in order.
        noise: standard deviation of the report, same unit; None takes the variable's. A thumb's "it was 3 °C"
            is no better than 1.

    Returns:
        The state after it, and what became of the report.

    Raises:
        ReportInvalid: numbers that are not finite, or noise that is not positive.
    """
    model = _model(state.variable)
    spread = model.noise if noise is None else noise
    if not all(np.isfinite([forecast, observed, spread])) or spread <= 0:
        raise ReportInvalid(
            f"Forecast {forecast}, observed {observed} and noise {spread} must be finite, and noise above 0."
        )
    if state.updated is not None and time <= state.updated:
        return state, Verdict(accepted=False, reason="late")
    low, high = model.plausible
    if not low <= observed <= high or abs(observed - forecast) > model.furthest:
        return state, Verdict(accepted=False, reason="implausible")
    return _learn(model, state, forecast, observed, time, spread)


def correction(state: BiasState, *, lead_hours: FloatArray, age_hours: float) -> FloatArray:
    """What to do to the public forecast: an amount to add, or for wind speed a factor.

    Args:
        state: of the place and variable.
        lead_hours: (hour,) h from the time that the correction is asked for; below 0 counts as 0.
        age_hours: h from the last report learned to that time, at least 0.

    Returns:
        (hour,) °C or hPa to add, or the factor of the wind speed: capped, fading to 0 (factor 1) with lead
        and with age. 0 (1) before the first report.

    Raises:
        ReportInvalid: an age that is negative or not a number.
    """
    if not age_hours >= 0:
        raise ReportInvalid(f"The last report is {age_hours} h old; give 0 or more.")
    model = _model(state.variable)
    leads = np.asarray(lead_hours, dtype=np.float64)
    neutral = 1.0 if model.ratio else 0.0
    if state.updated is None:
        return np.full(leads.shape, neutral)
    since = np.maximum(leads, 0.0) + age_hours
    pattern = _pattern(model, state.updated / HOUR + age_hours + leads)
    lasting = pattern @ np.asarray(state.mean)
    covariance = np.asarray(state.covariance).reshape(model.size, model.size)
    doubt = np.einsum("hi,ij,hj->h", pattern, covariance, pattern)
    trust = np.maximum(1.0 - CAUTION * doubt / np.maximum(lasting**2, 1e-12), 0.0)
    amount = trust * lasting * 0.5 ** (since / model.lasting_half_life)
    return np.asarray(np.clip(neutral + amount, *model.limits))


def correct_hours(hours: Hours, corrections: Mapping[str, FloatArray]) -> Hours:
    """Apply corrections to a place's outputs, so that everything worked out from them agrees.

    Args:
        hours: the public ones.
        corrections: (hour,) by variable, as `correction` gives them; variables left out stay as they are.

    Returns:
        New hours. Quantiles move together; wind speed and its components are scaled alike.
    """
    outputs = dict(hours.outputs)
    if "temperature" in corrections:
        outputs["temperature"] = outputs["temperature"] + corrections["temperature"][:, None]
    if "pressure_msl" in corrections:
        outputs["pressure_msl"] = outputs["pressure_msl"] + corrections["pressure_msl"]
    if "wind_speed" in corrections:
        factor = corrections["wind_speed"][:, None]
        outputs["wind_speed"] = outputs["wind_speed"] * factor
        outputs["wind"] = outputs["wind"] * factor
    return Hours(outputs, levels=hours.levels, ceiling_thresholds=hours.ceiling_thresholds)


def _model(variable: str) -> Model:
    if variable not in MODELS:
        raise StateInvalid(f"{variable!r} is not learned; choose one of {', '.join(MODELS)}.")
    return MODELS[variable]


def _stationary(model: Model) -> FloatArray:
    """(state,) variances that the state has when nothing is known."""
    parts = [model.lasting, *[model.daily] * (2 * model.harmonics)]
    return np.square(parts)


def _pattern(model: Model, hour: FloatArray | float) -> FloatArray:
    """(…, state): 1 and the harmonics of the UTC day at hours since 1970."""
    angle = 2 * np.pi * (np.asarray(hour, dtype=np.float64) % DAY) / DAY
    waves = [wave(k * angle) for k in range(1, model.harmonics + 1) for wave in (np.cos, np.sin)]
    return np.stack([np.ones_like(angle), *waves], axis=-1)


def _learn(
    model: Model, state: BiasState, forecast: float, observed: float, time: int, noise: float
) -> tuple[BiasState, Verdict]:
    mean, covariance = _predicted(model, state, time)
    seen = _pattern(model, time / HOUR) * (forecast if model.ratio else 1.0)
    innovation = float(observed - forecast - seen @ mean)
    doubt = float(seen @ covariance @ seen)
    deviation = (doubt + model.passing**2 + noise**2) ** 0.5
    off = abs(innovation) / deviation
    # A report that comes soon after another sees the same passing part: it weighs less, as more noise.
    apart = model.spell if state.updated is None else (time - state.updated) / HOUR
    variance = (model.passing**2 + noise**2) * max(model.spell / apart, 1.0)
    reason = "learned"
    if off > GATE:
        suspects = _suspects(state, time, innovation)
        if not _confirmed(suspects, deviation):
            return replace(state, suspects=suspects), Verdict(accepted=False, reason="suspect")
        # The place has changed: what was known of its level is let go, and these reports are the new one.
        level = float(np.median([value for _, value in suspects]))
        covariance[0, 0] += (level / max(abs(float(seen[0])), 1.0)) ** 2
        doubt, reason = float(seen @ covariance @ seen), "jump"
        variance = model.passing**2 + noise**2
    elif off > ROBUST:
        # Huber's weight, as more noise: the pull stays that of a report at the limit.
        variance, reason = variance * off / ROBUST, "less"
    gain = covariance @ seen / (doubt + variance)
    mean, covariance = mean + gain * innovation, covariance - np.outer(gain, seen @ covariance)
    learned = replace(
        state,
        mean=tuple(mean.tolist()),
        covariance=tuple(((covariance + covariance.T) / 2).ravel().tolist()),
        updated=time,
        reports=state.reports + 1,
        suspects=(),
    )
    return learned, Verdict(accepted=True, reason=reason)


def _predicted(model: Model, state: BiasState, time: int) -> tuple[FloatArray, FloatArray]:
    """Mean and covariance at a later time: what was learned fades, and with it what is known."""
    mean = np.asarray(state.mean)
    covariance = np.asarray(state.covariance).reshape(model.size, model.size).copy()
    if state.updated is None:
        return mean, covariance
    keep = 0.5 ** ((time - state.updated) / HOUR / model.lasting_half_life)
    return mean * keep, covariance * keep**2 + np.diag(_stationary(model) * (1 - keep**2))


def _suspects(state: BiasState, time: int, innovation: float) -> tuple[tuple[int, float], ...]:
    kept = [suspect for suspect in state.suspects if 0 <= time - suspect[0] <= SUSPECTS_KEPT]
    if kept and time - kept[-1][0] < CONFIRMING_STEP:
        return tuple(kept)
    return (*kept[-(MOST_SUSPECTS - 1) :], (time, innovation))


def _confirmed(suspects: tuple[tuple[int, float], ...], deviation: float) -> bool:
    """Whether the suspects agree with each other about a new level, over long enough a time."""
    times, innovations = zip(*suspects, strict=True)
    agree = max(innovations) - min(innovations) <= GATE * deviation
    return len(times) >= CONFIRMATIONS and agree and times[-1] - times[0] >= CONFIRMING_SPAN


def _check(state: BiasState) -> None:
    model = _model(state.variable)
    numbers = [*state.mean, *state.covariance, *(value for _, value in state.suspects)]
    if len(state.mean) != model.size or len(state.covariance) != model.size**2:
        raise StateInvalid(
            f"A state of {state.variable} has {model.size} means and {model.size**2} covariances, not "
            f"{len(state.mean)} and {len(state.covariance)}."
        )
    if not np.isfinite(numbers).all() or state.reports < 0 or len(state.suspects) > MOST_SUSPECTS:
        raise StateInvalid(f"A state of {state.variable} has numbers that are not finite, or too many.")
    covariance = np.asarray(state.covariance).reshape(model.size, model.size)
    if np.linalg.eigvalsh((covariance + covariance.T) / 2).min() < -1e-9:
        raise StateInvalid(f"The covariance of {state.variable} is not one: it has a negative variance.")
