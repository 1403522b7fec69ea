"""Extra training windows that only the teacher labels."""

from dataclasses import replace

import numpy as np

from packager.contract import Contract
from packager.dataset.records import Dataset
from packager.dataset.splits import Split
from packager.dataset.windows import Windows, make_windows
from weatherapp.core.arrays import BoolArray, IntArray


def extra_windows(dataset: Dataset, contract: Contract, *, stride: int, count: int) -> Windows | None:
    """Windows of the training split beside those that a stride gives, with their targets left out.

    They start at the init hours between those of the stride, and at the stride's own where nothing was
    reported afterwards. Like all of the split they share no hour with what is held out.

    Args:
        dataset: the rows, after quality control.
        contract: says how many hours of history and leads, and the channels.
        stride: of the training windows.
        count: how many are wanted, evenly spaced; all that there are where they are fewer.

    Returns:
        Windows whose targets are all NaN; None where the dataset has none beside those of the stride.
    """
    parts: list[Windows] = []
    for offset in range(stride):
        left = count - sum(len(part) for part in parts)
        found = make_windows(
            dataset, contract, stride=stride, split=Split.TRAIN, offset=offset, with_target=False
        )
        found = found if offset else found.take(_without_targets(found))
        wanted = -(-left // (stride - offset))
        parts.append(_without(found.take(_evenly(len(found), wanted))))
    joined = join_windows(parts)
    return joined if len(joined) else None


def join_windows(parts: list[Windows]) -> Windows:
    """Windows one after the other."""
    return Windows(
        inputs={name: np.concatenate([p.inputs[name] for p in parts]) for name in parts[0].inputs},
        targets={name: np.concatenate([p.targets[name] for p in parts]) for name in parts[0].targets},
        station=np.concatenate([p.station for p in parts]),
        init_hour=np.concatenate([p.init_hour for p in parts]),
    )


def _evenly(available: int, count: int) -> IntArray:
    return np.linspace(0, available - 1, min(count, available)).astype(int)


def _without_targets(windows: Windows) -> BoolArray:
    targets = [
        np.isfinite(values.reshape(len(windows), -1)).any(axis=1) for values in windows.targets.values()
    ]
    return np.asarray(~np.any(targets, axis=0))


def _without(windows: Windows) -> Windows:
    return replace(windows, targets={k: np.full_like(v, np.nan) for k, v in windows.targets.items()})
