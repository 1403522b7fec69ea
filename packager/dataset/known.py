"""What of the guidance was known at an init time, and what training hides of it."""

from typing import Any

import numpy as np

from packager.contract import GUIDANCE_VARIABLES
from packager.dataset.records import Guidance
from weatherapp.core.arrays import FloatArray, IntArray


def known_guidance(guidance: Guidance, *, station: IntArray, init_hour: IntArray, leads: int) -> FloatArray:
    """What was known of the coming hours at each init time: of every hour the newest run's word.

    A row counts only from its `available_hour` on: nothing of the future leaks into a window.

    Args:
        guidance: the rows.
        station: (case,) positions of stations.
        init_hour: (case,) hours since 1970-01-01T00Z.
        leads: hours after the init time, from 1.

    Returns:
        (case, lead, 7) float32, NaN where nothing was known.
    """
    valid = init_hour[:, None] + np.arange(1, leads + 1)
    found = _newest_known(guidance, np.broadcast_to(station[:, None], valid.shape), valid, init_hour[:, None])
    values = np.full((*valid.shape, len(GUIDANCE_VARIABLES)), np.nan, dtype=np.float32)
    values[found >= 0] = guidance.values[found[found >= 0]]
    return values


def hide_guidance(
    inputs: dict[str, FloatArray], rng: np.random.Generator, share: float
) -> dict[str, FloatArray]:
    """Hide the guidance of a share of the cases: half of them wholly, half from a random lead on.

    So a model learns to forecast without it, and with an old run that ends early. Inputs without guidance
    are given back as they are, and no random number is drawn.
    """
    if "guidance" not in inputs:
        return inputs
    mask = inputs["guidance_mask"]
    cases, leads = mask.shape[:2]
    chosen = rng.random(cases) < share
    kept = np.where(chosen, np.maximum(rng.integers(-leads, leads, cases), 0), leads)
    keep = (np.arange(leads)[None, :] < kept[:, None])[..., None].astype(np.float32)
    return inputs | {"guidance": inputs["guidance"] * keep, "guidance_mask": mask * keep}


def _newest_known(guidance: Guidance, station: IntArray, valid: IntArray, now: IntArray) -> IntArray:
    """Row of the newest run known by `now` for each station and valid hour; -1 where there is none."""
    order = np.lexsort((guidance.init_hour, guidance.available_hour, guidance.valid_hour, guidance.station))
    slot = _Slots(guidance)
    key = slot.of(guidance.station, guidance.valid_hour, guidance.available_hour)[order]
    group = key // slot.width
    # Of the rows known so far for one hour, the newest run's: a late old run does not replace a newer one.
    starts = np.flatnonzero(np.concatenate([[True], np.diff(group) != 0]))
    rank = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(group))))
    span = int(guidance.init_hour.max() - guidance.init_hour.min()) + 1
    newness = rank * span + guidance.init_hour[order] - guidance.init_hour.min()
    best = np.maximum.accumulate(
        np.where(newness == np.maximum.accumulate(newness), np.arange(len(order)), 0)
    )
    wanted = slot.of(station, valid, np.broadcast_to(now, valid.shape))
    last = np.searchsorted(key, wanted, side="right") - 1
    inside = (last >= 0) & slot.has(valid, now) & (group[last] == wanted // slot.width)
    return np.where(inside, order[best[last]], -1)


class _Slots:
    """One integer for station, valid hour and hour of availability, in that order of weight."""

    def __init__(self, guidance: Guidance) -> None:
        self.valid = int(guidance.valid_hour.min()), int(guidance.valid_hour.max())
        self.available = int(guidance.available_hour.min()), int(guidance.available_hour.max())
        self.width = self.available[1] - self.available[0] + 1

    def of(self, station: IntArray, valid: IntArray, available: IntArray) -> IntArray:
        hours = self.valid[1] - self.valid[0] + 1
        valid = np.clip(valid, *self.valid) - self.valid[0]
        # Later than the last is as good as the last; `has` says what is too early.
        available = np.clip(available, *self.available) - self.available[0]
        return np.asarray((station * hours + valid) * self.width + available)

    def has(self, valid: IntArray, now: IntArray) -> Any:
        return (valid >= self.valid[0]) & (valid <= self.valid[1]) & (now >= self.available[0])


def without_guidance(inputs: dict[str, FloatArray]) -> dict[str, FloatArray]:
    """The same inputs with all guidance hidden."""
    hidden = {name: np.zeros_like(inputs[name]) for name in ("guidance", "guidance_mask") if name in inputs}
    return inputs | hidden
