"""Which rank each layer gets: by the energy that it must keep, or by a budget that all layers share."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from packager.compress.lowrank import Choice

# Singular values of float32 weights are known to about seven digits.
ROUNDING = 1e-9


def by_energy(choices: Sequence[Choice], energy: float) -> Choice:
    """The cheapest way that keeps enough; the whole kernel where no smaller one does."""
    return next(choice for choice in choices if choice.energy >= energy - ROUNDING)


def by_budget(layers: Mapping[str, Sequence[Choice]], parameters: int) -> dict[str, Choice] | None:
    """Spend a number of weights where each buys most energy.

    Every layer's energy is a share of its own kernel: a layer of small weights is worth as much as one of
    large ones. Spent along each layer's concave front, which is the best possible but for the last step; what
    is left then goes to the dearest choices that still fit.

    Args:
        layers: by layer, its choices, the cheapest first.
        parameters: for all of them together.

    Returns:
        By layer, its choice; None where even the cheapest of all layers are too many weights.
    """
    taken = {name: choices[0] for name, choices in layers.items()}
    left = parameters - sum(choice.parameters for choice in taken.values())
    if left < 0:
        return None
    full: set[str] = set()
    for name, choice in _by_gain(layers):
        more = choice.parameters - taken[name].parameters
        if name not in full and more <= left:
            taken[name] = choice
            left -= more
        else:
            full.add(name)
    for name, choices in layers.items():
        best = max(
            (c for c in choices if c.parameters <= taken[name].parameters + left), key=lambda c: c.energy
        )
        left -= best.parameters - taken[name].parameters
        taken[name] = best
    return taken


def _by_gain(layers: Mapping[str, Sequence[Choice]]) -> Iterator[tuple[str, Choice]]:
    """Steps of all layers, those that gain most energy per weight first; a layer's own stay in order."""
    steps = [
        (_gain(before, after), name, after)
        for name, choices in layers.items()
        for front in [_concave(choices)]
        for before, after in pairwise(front)
    ]
    for _, name, choice in sorted(steps, key=lambda step: -step[0]):
        yield name, choice


def _gain(before: Choice, after: Choice) -> float:
    return (after.energy - before.energy) / (after.parameters - before.parameters)


def _concave(choices: Sequence[Choice]) -> list[Choice]:
    """The choices above all lines between others: each step gains less per weight than the one before."""
    front: list[Choice] = []
    for choice in choices:
        while len(front) > 1 and _gain(front[-2], front[-1]) <= _gain(front[-1], choice):
            front.pop()
        front.append(choice)
    return front
