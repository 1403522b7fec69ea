"""When a trial is given up. Optuna's pruners know one objective only, so a rung is judged here."""

import math
from collections.abc import Iterable

from optuna.trial import FrozenTrial

from packager.search.front import figures_of, finished
from packager.search.limits import Limits
from packager.search.trial import Hopeless

# By rung, the percentage points that a trial may still gain, while too few were finished to know.
USUAL_GAIN = {"short": 15.0, "steps": 1.0}
# Twice the largest gain that was ever seen, but never less than what two runs of one recipe differ by.
ENOUGH, FACTOR, LEAST_GAIN = 3, 2.0, 0.5
# The sampler takes no NaN.
UNKNOWN_LOSS = 1e6
WORDS = {"short": "after a short distillation", "steps": "after its steps"}


def possible_gain(rung: str, trials: Iterable[FrozenTrial]) -> float:
    """How many points of skill loss a trial may lose again between a rung and its end."""
    gains: list[float] = [
        row.user_attrs["rungs"][rung] - figures_of(row)["skill_loss_percent"]
        for row in finished(trials)
        if rung in row.user_attrs.get("rungs", {})
    ]
    if len(gains) < ENOUGH:
        return USUAL_GAIN[rung]
    return max(FACTOR * max(gains), LEAST_GAIN)


def check_rung(rung: str, loss: float, trials: Iterable[FrozenTrial], limits: Limits) -> None:
    """Give a trial up that is further outside than any finished one ever made good.

    Raises:
        Hopeless: says the loss and what it could have been at most. A loss that is no number is hopeless.
    """
    most = limits.max_skill_loss_percent + possible_gain(rung, trials)
    if not loss <= most:
        raise Hopeless(
            f"Skill loss is {loss:.2f} % {WORDS[rung]}; at most {most:.2f} % there can still become "
            f"{limits.max_skill_loss_percent:g} %.",
            skill_loss_percent=UNKNOWN_LOSS if math.isnan(loss) else loss,
        )
