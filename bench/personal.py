"""What the personal corrections are worth, on real forecasts of stations that no model was trained on.

`python bench/personal.py` takes the server model of the quickstart and the reference dataset. A device is a
held-out station for up to 28 days: a forecast every 6 hours, and a report every hour. Its place differs from
the station by a bias that is added here, and its sensor has some noise; nothing else is made up. The device
learns from the first six hours of each forecast and corrects the next one, which is scored over its leads
against what then came.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from packager.bundle import open_bundle
from packager.contract import reference_contract
from packager.dataset.quality import quality_control
from packager.dataset.reference import load_reference
from packager.dataset.windows import Windows, make_windows
from packager.runtimes import open_runtime
from packager.types import Tensors
from weatherapp.core.arrays import FloatArray, IntArray
from weatherapp.core.personal import bias, comfort
from weatherapp.core.personal.briefing import chance_of_any

ROOT = Path(__file__).resolve().parents[1]
VAR = Path(os.environ.get("SKYFOLD_VAR", ROOT / "var"))
STRIDE = 6  # h between two runs
DAYS, SHORTEST = 28, 20  # of a device
SENSOR_NOISE = {"temperature": 0.3, "pressure_msl": 0.3, "wind_speed": 0.3}
SHOWN_DAYS = (1, 2, 3, 5, 7, 10, 14, 21)
SHORT_LEADS = 12
LEAST_GAIN, MOST_LOSS = 30.0, 2.0  # %
DAY_HOURS = 14  # of a part of the day, as a briefing has it

# (valid hour since 1970, longitude, observed) → what the device's place has.
Local = Callable[[IntArray, float, FloatArray], FloatArray]


@dataclass(frozen=True)
class Case:
    """A bias that a place may have; `goal` says which goal it stands for."""

    name: str
    variable: str
    local: Local
    goal: str = ""


def _shift(amount: float) -> Local:
    return lambda _hour, _longitude, observed: observed + amount


def _at_night(amount: float) -> Local:
    def local(hour: IntArray, longitude: float, observed: FloatArray) -> FloatArray:
        solar = (hour + longitude / 15) % 24
        return observed + np.where((solar < 6) | (solar >= 20), amount, 0.0)

    return local


def _halved(_hour: IntArray, _longitude: float, observed: FloatArray) -> FloatArray:
    return observed / 2


CASES = (
    Case("none", "temperature", _shift(0), goal="no harm"),
    Case("+1 K", "temperature", _shift(1)),
    Case("+2 K", "temperature", _shift(2)),
    Case("+3 K", "temperature", _shift(3)),
    Case("+4 K", "temperature", _shift(4), goal="gain"),
    Case("-4 K", "temperature", _shift(-4), goal="gain"),
    Case("-1.5 K at night", "temperature", _at_night(-1.5)),
    Case("-4 K at night", "temperature", _at_night(-4)),
    Case("none", "pressure_msl", _shift(0), goal="no harm"),
    Case("+6 hPa", "pressure_msl", _shift(6), goal="gain"),
    Case("none", "wind_speed", _shift(0), goal="no harm"),
    Case("half the wind", "wind_speed", _halved, goal="gain"),
)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--split", default="unseen_station", help="of the reference dataset")
    options = parser.parse_args(arguments)
    path = VAR / "bundles" / "server_fp32.bundle"
    if not path.is_file():
        print(f"bench: there is no {path}. Run `make demo SERVE=0` first.", file=sys.stderr)
        return 2
    windows, names = _windows(options.split)
    outputs = _forecasts(path, windows)
    devices = split_devices(windows)
    print(f"Personal corrections: split {options.split}, {len(devices)} devices of up to {DAYS} days")
    reached = [_print_case(case, windows, outputs, devices, names) for case in CASES]
    _print_comfort()
    _print_rain(windows, outputs)
    return 0 if all(reached) else 1


def split_devices(windows: Windows) -> list[IntArray]:
    """Rows of consecutive runs of one station, cut into devices; shorter ones are left out."""
    hours, station = windows.init_hour, windows.station
    breaks = np.flatnonzero((np.diff(hours) != STRIDE) | (np.diff(station) != 0)) + 1
    runs = DAYS * 24 // STRIDE
    pieces = [
        stretch[first : first + runs]
        for stretch in np.split(np.arange(len(hours)), breaks)
        for first in range(0, len(stretch), runs)
    ]
    return [piece for piece in pieces if len(piece) >= SHORTEST * 24 // STRIDE]


def simulate(
    case: Case, hours: IntArray, longitude: float, forecast: FloatArray, observed: FloatArray, seed: int
) -> tuple[FloatArray, FloatArray]:
    """One device.

    Args:
        case: its bias.
        hours: (run,) init times, hours since 1970.
        longitude: degrees east.
        forecast: (run, lead) uncorrected.
        observed: (run, lead) at the station, NaN where nothing was reported.
        seed: of the sensor's noise.

    Returns:
        (run, lead) absolute errors of the public and of the corrected forecast.
    """
    leads = np.arange(1, forecast.shape[1] + 1)
    there = np.stack([case.local(h + leads, longitude, row) for h, row in zip(hours, observed, strict=True)])
    noise = np.random.default_rng(seed).normal(0, SENSOR_NOISE[case.variable], (len(hours), STRIDE))
    corrected = np.empty_like(there)
    state = bias.start(case.variable)
    for run, init in enumerate(hours.tolist()):
        age = 0.0 if state.updated is None else init - state.updated / bias.HOUR
        amount = bias.correction(state, lead_hours=leads, age_hours=age)
        corrected[run] = (
            forecast[run] * amount if bias.MODELS[case.variable].ratio else forecast[run] + amount
        )
        for lead in range(STRIDE):
            report = there[run, lead] + noise[run, lead]
            if np.isfinite(report):
                time = (init + lead + 1) * bias.HOUR
                told = {"forecast": float(forecast[run, lead]), "observed": max(float(report), _least(case))}
                state, _ = bias.update(state, **told, time=time, noise=SENSOR_NOISE[case.variable])
    return np.abs(forecast - there), np.abs(corrected - there)


def comfort_errors(*, people: int, votes: int, whim: float, seed: int) -> FloatArray:
    """(person,) K between what is learned of a person's comfort temperature and what it is.

    People differ from the average by an offset of 1 vote and a slope of 0.25 (standard deviations). They vote
    in weather from −10 to 38 °C UTCI, rounded to whole votes; `whim` is the standard deviation, in votes, of
    one person in the same weather.
    """
    rng = np.random.default_rng(seed)
    errors = np.empty(people)
    for person in range(people):
        offset, slope = rng.normal(0, 1), max(rng.normal(1, 0.25), 0.4)
        state = comfort.start()
        for index in rng.uniform(-10, 38, votes):
            felt = offset + slope * float(comfort.average_vote(index)) + rng.normal(0, whim)
            state = comfort.vote(state, utci=float(index), vote=int(np.clip(round(felt), -3, 3)))
        truth = float(comfort.utci_of_vote(np.asarray(-offset / slope)))
        errors[person] = abs(comfort.comfort_temperature(state) - truth)
    return errors


def _least(case: Case) -> float:
    return 0.0 if case.variable == "wind_speed" else -np.inf


def _windows(split: str) -> tuple[Windows, list[str]]:
    dataset, _ = quality_control(load_reference())
    windows = make_windows(dataset, reference_contract(), stride=STRIDE, split=split)
    return windows, [station.id for station in dataset.stations]


def _forecasts(path: Path, windows: Windows) -> Tensors:
    bundle = open_bundle(path)
    with tempfile.TemporaryDirectory() as folder:
        artifact = bundle.extract(Path(folder))
        return open_runtime(artifact, bundle.format, contract=bundle.contract).run(windows.inputs)


def _median(outputs: Tensors, variable: str) -> FloatArray:
    values = outputs[variable].astype(np.float64)
    return values[:, :, values.shape[2] // 2] if values.ndim > 2 else values


def _print_case(
    case: Case, windows: Windows, outputs: Tensors, devices: list[IntArray], names: list[str]
) -> bool:
    forecast, observed = _median(outputs, case.variable), windows.targets[case.variable].astype(np.float64)
    errors = [
        simulate(
            case,
            windows.init_hour[rows],
            float(windows.inputs["site"][rows[0], 1]),
            forecast[rows],
            observed[rows],
            seed=number,
        )
        for number, rows in enumerate(devices)
    ]
    known = np.nanmean(np.concatenate([np.abs(forecast[rows] - observed[rows]) for rows in devices]))
    public, corrected = (np.concatenate([pair[side] for pair in errors]) for side in (0, 1))
    day = np.concatenate([np.arange(len(rows)) * STRIDE // 24 + 1 for rows in devices])
    second_week = (day >= 8) & (day <= 14)
    print(f"\n{case.variable}, bias {case.name}: MAE {np.nanmean(public):.2f} → {np.nanmean(corrected):.2f}")
    if case.name != "none" and not bias.MODELS[case.variable].ratio:
        print(f"  with the bias known beforehand {100 * (known / np.nanmean(public) - 1):+.1f} %")
    shown = [f"day {d}: {_change(public, corrected, day == d):+.1f}" for d in SHOWN_DAYS]
    print(f"  % by day, leads 1–48: {', '.join(shown)}")
    weekly = _change(public, corrected, second_week)
    short = _change(public[:, :SHORT_LEADS], corrected[:, :SHORT_LEADS], second_week)
    print(f"  % in days 8–14: leads 1–48 {weekly:+.1f}, leads 1–{SHORT_LEADS} {short:+.1f}")
    whose = np.concatenate([windows.station[rows] for rows in devices])
    by_station = {names[s]: _change(public, corrected, whose == s) for s in np.unique(whose)}
    print("  % by station: " + ", ".join(f"{name} {change:+.1f}" for name, change in by_station.items()))
    worst = max(_change(*pair, np.ones(len(pair[0]), bool)) for pair in errors)
    print(f"  % of the worst device {worst:+.1f}")
    return _verdict(case, weekly, max(by_station.values()))


def _change(public: FloatArray, corrected: FloatArray, rows: FloatArray) -> float:
    return float(100 * (np.nanmean(corrected[rows]) / np.nanmean(public[rows]) - 1))


def _verdict(case: Case, weekly: float, worst_station: float) -> bool:
    if case.goal == "gain":
        return _told(f"MAE falls by at least {LEAST_GAIN:.0f} % within 14 days", weekly <= -LEAST_GAIN)
    if case.goal == "no harm":
        return _told(f"no station worse by more than {MOST_LOSS:.0f} %", worst_station <= MOST_LOSS)
    return True


def _told(goal: str, reached: bool) -> bool:
    print(f"  {'reached' if reached else 'MISSED'}: {goal}")
    return reached


def _print_comfort() -> None:
    print("\nComfort temperature of 400 simulated people: K off after n votes, median and 90 %")
    for whim in (0.5, 0.7):
        for votes in (0, 5, 10, 20, 40):
            errors = comfort_errors(people=400, votes=votes, whim=whim, seed=5)
            told = f"{np.median(errors):.2f}, {np.quantile(errors, 0.9):.2f}"
            print(f"  whim {whim} votes, {votes:3d} votes: {told}")


def _print_rain(windows: Windows, outputs: Tensors) -> None:
    """How often it rained in parts of the day, beside the bounds that a briefing tells."""
    print(f"\nChance of anything falling in {DAY_HOURS} hours: bounds, and how often it did")
    wet = 1 - outputs["precipitation_type"][:, :DAY_HOURS, 0].astype(np.float64)
    amount = windows.targets["precipitation"][:, :DAY_HOURS]
    whole = np.isfinite(amount).all(axis=1)
    bounds = np.array([chance_of_any(row) for row in wet[whole]])
    fell = (amount[whole] > 0).any(axis=1)
    for low, high in ((0.0, 0.05), (0.05, 0.2), (0.2, 0.4), (0.4, 0.6), (0.6, 1.01)):
        rows = (bounds[:, 0] >= low) & (bounds[:, 0] < high)
        if rows.any():
            lower, upper = 100 * bounds[rows].mean(axis=0)
            print(f"  {lower:.0f}–{upper:.0f} %: {100 * fell[rows].mean():.0f} % of {rows.sum()}")


if __name__ == "__main__":
    sys.exit(main())
