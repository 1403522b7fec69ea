"""What the teacher is meant to reach beside the baselines: reported, never a reason to stop."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

SPLIT, BUCKET = "unseen_station", "1-24"
# (score, baseline, percent by which the teacher's score is to be lower)
GOALS = (
    ("temperature_mae", "ridge", 25.0),
    ("temperature_mae", "same_hour_yesterday", 35.0),
    ("precipitation_probability", "climatology", 15.0),
)


@dataclass(frozen=True, slots=True)
class Goal:
    """By how many percent the teacher's score is lower than a baseline's, and by how many it is to be."""

    score: str
    baseline: str
    percent_below: float
    wanted_percent: float

    @property
    def met(self) -> bool:
        """Whether the teacher reached it."""
        return self.percent_below >= self.wanted_percent

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "score": self.score,
            "baseline": self.baseline,
            "split": SPLIT,
            "leads": BUCKET,
            "percent_below": self.percent_below,
            "wanted_percent": self.wanted_percent,
            "met": self.met,
        }


def teacher_goals(teacher: Mapping[str, Any], baselines: Mapping[str, Any]) -> list[Goal]:
    """Compare the teacher with its goals.

    Args:
        teacher: scores by split, as a teacher's stage keeps them.
        baselines: the same by baseline.
    """
    goals = []
    for score, baseline, wanted in GOALS:
        own = teacher[SPLIT]["values"][score][BUCKET]
        reference = baselines[baseline][SPLIT]["values"][score][BUCKET]
        goals.append(Goal(score, baseline, round(100.0 * (1.0 - own / reference), 2), wanted))
    return goals
