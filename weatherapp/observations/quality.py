"""Checks on single reports, for every feed. Pure."""

from collections import Counter
from dataclasses import replace

import numpy as np

from packager.contract import Contract
from weatherapp.core.arrays import BoolArray
from weatherapp.observations.feeds.interface import Batch

DEW_POINT_EXCESS = 0.15  # K: sensors and rounding put a saturated dew point a little above the temperature


def check_batch(batch: Batch, contract: Contract, *, now_hour: int) -> tuple[Batch, Counter[str]]:
    """Blank what cannot be true and drop reports from the future.

    Args:
        batch: what a feed gave.
        contract: states the valid range of every channel.
        now_hour: hours since 1970-01-01T00Z; later reports are dropped.

    Returns:
        The checked batch, and how many values each check took ("temperature out of range", …).
    """
    rejected: Counter[str] = Counter()
    values = np.array(batch.values, dtype=np.float32)
    for column, channel in enumerate(contract.input("history").channels):
        low, high = channel.valid_range
        _blank(
            values[:, column],
            (values[:, column] < low) | (values[:, column] > high),
            f"{channel.name} out of range",
            rejected,
        )
    names = contract.input("history").channel_names
    temperature, dew_point = names.index("temperature"), names.index("dew_point")
    wrong = values[:, dew_point] > values[:, temperature] + DEW_POINT_EXCESS
    _blank(values[:, dew_point], wrong, "dew_point above temperature", rejected)
    keep = batch.hour <= now_hour
    if not keep.all():
        rejected["report from the future"] += int((~keep).sum())
    kept = replace(
        batch,
        station=batch.station[keep],
        hour=batch.hour[keep],
        values=values[keep],
        series=batch.series[keep],
    )
    return kept, rejected


def _blank(
    column: np.ndarray[tuple[int, ...], np.dtype[np.float32]],
    wrong: BoolArray,
    check: str,
    rejected: Counter[str],
) -> None:
    if wrong.any():
        column[wrong] = np.nan
        rejected[check] += int(wrong.sum())
