"""Windows: history, targets and clock of every init time, cut from the rows at once."""

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from packager.contract import GUIDANCE_VARIABLES, Contract
from packager.dataset.known import known_guidance
from packager.dataset.records import NO_CEILING, VARIABLES, Dataset
from packager.dataset.splits import parse_split, windows_of_split
from weatherapp.core.arrays import BoolArray, FloatArray, IntArray
from weatherapp.core.solar import clock_features

# A forecast from a history that is mostly holes would be scored on what it cannot know.
TEMPERATURE_REPORTED = 0.75


@dataclass(frozen=True)
class Windows:
    """Cases for training and scoring.

    `inputs` are what the contract takes, float32, missing values 0 with 0 in the mask: history (case, 48, 9),
    history_mask (case, 48, 9), site (case, 3), clock (case, 4); where the contract has them guidance and
    guidance_mask (case, 48, 7), what was known of each lead at the init time. `targets` are float32,
    (case, lead), wind (case, lead, 2), NaN where nothing was reported: values in the contract's units, class
    indexes for cloud_base and precipitation_type. `precipitation` is the amount in the hour, dry hours
    included. `init_hour` (case,) counts hours since 1970-01-01T00Z.
    """

    inputs: dict[str, FloatArray]
    targets: dict[str, FloatArray]
    station: IntArray
    init_hour: IntArray

    def __len__(self) -> int:
        return len(self.init_hour)

    def take(self, index: IntArray | BoolArray | slice) -> "Windows":
        """The cases at `index`, in that order."""
        return Windows(
            inputs={name: array[index] for name, array in self.inputs.items()},
            targets={name: array[index] for name, array in self.targets.items()},
            station=self.station[index],
            init_hour=self.init_hour[index],
        )


def make_windows(
    dataset: Dataset,
    contract: Contract,
    *,
    stride: int,
    split: str,
    offset: int = 0,
    with_target: bool = True,
) -> Windows:
    """Cut the windows of one split.

    Args:
        dataset: the rows, after quality control.
        contract: says how many hours of history and leads, and the channels.
        stride: init times are the hours since 1970 that leave `offset` when divided by it.
        split: "train", "early_stopping", "unseen_period" or "unseen_station".
        offset: hours; other offsets give other windows of the same weather.
        with_target: leave out windows without any target.

    Returns:
        Windows, sorted by station and init time. Each has a temperature in three quarters of its history.

    Raises:
        SplitUnknown: no such split.
        ValueError: the contract's inputs have other channels than the dataset, or the stride is not positive.
    """
    _check(dataset, contract, stride)
    length = contract.history_hours + contract.lead_hours
    first_row = _window_starts(dataset, contract, stride, offset)
    chosen = first_row[windows_of_split(dataset, first_row, length, parse_split(split))]
    chosen = chosen[_usable(dataset, chosen, contract, with_target=with_target)]
    init_row = chosen + contract.history_hours - 1
    return Windows(
        inputs=_inputs(dataset, chosen, init_row, contract),
        targets=_targets(dataset, init_row + 1, contract),
        station=dataset.station[init_row],
        init_hour=dataset.hour[init_row],
    )


def ceiling_class(cloud_base: FloatArray, thresholds: tuple[float, ...]) -> FloatArray:
    """Class of a ceiling between ascending thresholds; the last class is "no ceiling".

    Args:
        cloud_base: metres above ground, `NO_CEILING` without one, NaN where missing; any shape.
        thresholds: metres, ascending; a ceiling at a threshold is in the class above it.

    Returns:
        Class index, same shape, NaN where missing.
    """
    classes = np.searchsorted(np.asarray(thresholds), cloud_base, side="right").astype(np.float32)
    classes[cloud_base >= NO_CEILING] = len(thresholds) + 1
    classes[np.isnan(cloud_base)] = np.nan
    return classes


def _check(dataset: Dataset, contract: Contract, stride: int) -> None:
    channels = contract.input("history").channel_names
    if channels != VARIABLES:
        raise ValueError(
            f"The contract's history has {', '.join(channels)}; the dataset has {', '.join(VARIABLES)}."
        )
    given = GUIDANCE_VARIABLES if dataset.guidance else ()
    if contract.has_guidance and contract.input("guidance").channel_names != given:
        raise ValueError(
            f"The contract's guidance has {', '.join(contract.input('guidance').channel_names)}; the dataset "
            f"has {', '.join(given) or 'none'}."
        )
    if stride < 1:
        raise ValueError(f"Stride {stride} is not a positive number of hours.")


def _window_starts(dataset: Dataset, contract: Contract, stride: int, offset: int) -> IntArray:
    """First rows of all windows that stay in one segment and start from an init time on the stride."""
    length = contract.history_hours + contract.lead_hours
    if len(dataset) < length:
        return np.empty(0, dtype=np.int64)
    whole = dataset.segment[: len(dataset) - length + 1] == dataset.segment[length - 1 :]
    init_hour = dataset.hour[contract.history_hours - 1 : len(dataset) - contract.lead_hours]
    return np.flatnonzero(whole & (init_hour % stride == offset % stride))


def _usable(dataset: Dataset, first_row: IntArray, contract: Contract, *, with_target: bool) -> BoolArray:
    reported = np.isfinite(dataset.values)
    temperatures = np.concatenate([[0], np.cumsum(reported[:, VARIABLES.index("temperature")])])
    init = first_row + contract.history_hours
    in_history = temperatures[init] - temperatures[first_row]
    any_value = reported.any(axis=1) | np.isfinite(dataset.precipitation_type)
    targets = np.concatenate([[0], np.cumsum(any_value)])
    has_target = targets[init + contract.lead_hours] > targets[init]
    enough = in_history >= TEMPERATURE_REPORTED * contract.history_hours
    return np.asarray(enough & has_target if with_target else enough)


def _stretch(column: FloatArray, first_row: IntArray, length: int) -> FloatArray:
    """(case, length, …) copies of the rows from each first row on."""
    view = sliding_window_view(column, length, axis=0)
    return np.ascontiguousarray(np.moveaxis(view[first_row], -1, 1), dtype=np.float32)


def _inputs(
    dataset: Dataset, first_row: IntArray, init_row: IntArray, contract: Contract
) -> dict[str, FloatArray]:
    history = _stretch(dataset.values, first_row, contract.history_hours)
    reported = np.isfinite(history)
    sites = np.asarray([(s.latitude, s.longitude, s.elevation) for s in dataset.stations], dtype=np.float32)
    site = sites[dataset.station[init_row]]
    inputs = {
        "history": np.where(reported, history, np.float32(0)),
        "history_mask": reported.astype(np.float32),
        "site": site,
        "clock": clock_features(dataset.hour[init_row], site[:, 0], site[:, 1]),
    }
    if dataset.guidance is None or not contract.has_guidance:
        return inputs
    guidance = known_guidance(
        dataset.guidance,
        station=dataset.station[init_row],
        init_hour=dataset.hour[init_row],
        leads=contract.lead_hours,
    )
    known = np.isfinite(guidance)
    masked = {"guidance": np.where(known, guidance, np.float32(0)), "guidance_mask": known.astype(np.float32)}
    return inputs | masked


def _targets(dataset: Dataset, first_row: IntArray, contract: Contract) -> dict[str, FloatArray]:
    hours = contract.lead_hours
    future = _stretch(dataset.values, first_row, hours)
    by_name = {name: future[:, :, column] for column, name in enumerate(VARIABLES)}
    wind = np.stack([by_name["wind_u"], by_name["wind_v"]], axis=-1)
    plain = {
        name: by_name[name]
        for name in ("temperature", "dew_point", "pressure_msl", "cloud_cover", "precipitation")
    }
    return {
        **{name: np.ascontiguousarray(values) for name, values in plain.items()},
        "wind": wind,
        "wind_speed": np.hypot(wind[..., 0], wind[..., 1]),
        "cloud_base": ceiling_class(by_name["cloud_base"], contract.output("cloud_base").thresholds),
        "precipitation_type": _stretch(dataset.precipitation_type, first_row, hours),
    }
