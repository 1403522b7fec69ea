"""Which inputs a model forecasts from: how much worse it gets when one of them belongs to another case."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from packager.contract import Contract
from packager.dataset.windows import Windows
from packager.types import IntArray, Tensors
from packager.verify.breakdown import Paired, loss_by_output, loss_percent, pair_scores

MASK = "_mask"
SEED, REPEATS = 7, 3
DIGITS = 3


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of the inputs that is shuffled together: one channel with its mask, or a whole input.

    Attributes:
        name: for people, e.g. `history temperature`.
        tensors: the inputs that it is in.
        channel: its place on their last axis; None for all of them.
    """

    name: str
    tensors: tuple[str, ...]
    channel: int | None = None


def input_parts(contract: Contract) -> list[Part]:
    """Every channel of an input that has a mask, together with the mask; every other input whole."""
    names = {spec.name for spec in contract.inputs}
    parts = []
    for spec in contract.inputs:
        if spec.name.removesuffix(MASK) in names - {spec.name}:
            continue
        if spec.name + MASK not in names:
            parts.append(Part(spec.name, (spec.name,)))
            continue
        both = (spec.name, spec.name + MASK)
        parts += [Part(f"{spec.name} {name}", both, i) for i, name in enumerate(spec.channel_names)]
    return parts


def shuffled(inputs: Tensors, part: Part, order: IntArray) -> Tensors:
    """The inputs with one part taken from the cases in another order; the rest, and the caller's, stay."""
    changed = dict(inputs)
    for name in part.tensors:
        if part.channel is None:
            changed[name] = inputs[name][order]
        else:
            changed[name] = inputs[name].copy()
            changed[name][..., part.channel] = inputs[name][order][..., part.channel]
    return changed


def permutation_importance(
    forecast: Callable[[Tensors], Tensors],
    windows: Windows,
    contract: Contract,
    *,
    repeats: int = REPEATS,
    seed: int = SEED,
) -> dict[str, dict[str, Any]]:
    """Shuffle one part of the inputs at a time across the cases, and score the forecasts again.

    The orders depend on the seed and the number of cases alone, so that two models are asked the same. A part
    that says what another part says too looks less important than it is.

    Args:
        forecast: from inputs to outputs, by contract name, (case, ...).
        windows: the cases, of several stations and seasons.
        contract: names and kinds.
        repeats: orders that the result is a mean of.
        seed: of the orders.

    Returns:
        By part: `percent`, the mean over outputs of score ÷ score with nothing shuffled − 1, a mean over the
        repeats; `spread`, the difference between the largest and the smallest of them; `outputs`, the same
        percent by output. A part has None for percent where nothing could be scored.

    Source: Breiman (2001), doi:10.1023/A:1010933404324; Fisher, Rudin and Dominici (2019),
    arXiv:1801.01489, for any model.
    """
    parts = input_parts(contract)
    orders = [np.random.default_rng([seed, repeat]).permutation(len(windows)) for repeat in range(repeats)]
    asked = [windows.inputs, *(shuffled(windows.inputs, part, order) for part in parts for order in orders)]
    intact, *answers = _ask_at_once(forecast, asked, len(windows))
    pairs = [pair_scores(outputs, intact, windows.targets, contract) for outputs in answers]
    return {part.name: _rise(pairs[i * repeats : (i + 1) * repeats]) for i, part in enumerate(parts)}


def _ask_at_once(
    forecast: Callable[[Tensors], Tensors], asked: list[Tensors], cases: int
) -> Iterator[Tensors]:
    """Outputs for each of several inputs of so many cases; a Keras model is traced once, not for each."""
    joined = forecast({name: np.concatenate([inputs[name] for inputs in asked]) for name in asked[0]})
    for start in range(0, cases * len(asked), cases):
        yield {name: values[start : start + cases] for name, values in joined.items()}


def _rise(pairs: list[Paired]) -> dict[str, Any]:
    rises = [rise for pair in pairs if (rise := loss_percent(pair)) is not None]
    return {
        "percent": round(float(np.mean(rises)), DIGITS) if rises else None,
        "spread": round(max(rises) - min(rises), DIGITS) if rises else None,
        "outputs": _mean_by_output([loss_by_output(pair) for pair in pairs]),
    }


def _mean_by_output(rises: list[Mapping[str, float]]) -> dict[str, float]:
    return {name: round(float(np.mean([rise[name] for rise in rises])), DIGITS) for name in rises[0]}
