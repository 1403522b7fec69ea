"""How long a search may still go on: nothing is started that cannot be finished in time."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from optuna.trial import FrozenTrial

from packager.search.front import finished

# Of ten trials one may take longer than what is planned with.
PLANNED_QUANTILE = 0.9
RECENT = 20


def trial_seconds(trials: Sequence[FrozenTrial]) -> float:
    """What the next trial may take, from the latest finished ones; 0 where none is finished."""
    seconds = [row.duration.total_seconds() for row in finished(trials) if row.duration is not None]
    return float(np.quantile(seconds[-RECENT:], PLANNED_QUANTILE)) if seconds else 0.0


@dataclass(frozen=True)
class Budget:
    """Wall time of one command.

    Attributes:
        seconds: in all.
        winner_scale: how many trials' time the winners take; 0 where none is built.
        clock: gives seconds; started when the budget is made.
    """

    seconds: float
    winner_scale: float = 0.0
    clock: Callable[[], float] = time.monotonic
    started: float = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "started", self.clock())

    @property
    def left(self) -> float:
        """Seconds until it is over; negative afterwards."""
        return self.seconds - (self.clock() - self.started)

    def has_room_for_trial(self, trials: Sequence[FrozenTrial]) -> bool:
        """Whether one more trial and then the winner can be finished in time."""
        one = trial_seconds(trials)
        return one * (1.0 + self.winner_scale) < self.left

    def has_room_for_winner(self, trials: Sequence[FrozenTrial], targets: int) -> bool:
        """Whether one of so many winners can be built in full."""
        return trial_seconds(trials) * self.winner_scale / targets < self.left


def winner_scale(trial_epochs: int, full_epochs: int, targets: int) -> float:
    """How many trials' time the winners take: their training is longer in proportion to its epochs."""
    return targets * max(1.0, full_epochs / trial_epochs)
