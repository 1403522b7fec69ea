"""How a student learns from its teacher, as recipes say it."""

from dataclasses import asdict, dataclass, field
from typing import Any

from packager.errors import TrainingFailed
from packager.student.training import TrainingOptions


@dataclass(frozen=True, slots=True)
class DistilOptions:
    """How a student learns from a teacher.

    Attributes:
        temperature: softens the classes' probabilities of both; above 1 the unlikely classes teach too.
        hard_share: weight of what really happened, 0..1; the rest is the teacher.
        quantile_matching: match all the teacher's quantiles; else only its median, and the spread is learned
            from what really happened.
        hints: layers of the teacher's first member whose numbers the student's layers of the same names
            learn to give; see `packager.compress.hints`.
        hint_weight: of the hints, against a weight of one for all outputs together.
        unlabelled: extra windows that only the teacher labels, as a share of the training windows; see
            `packager.dataset.extra`.
        training: epochs, rate, noise.
    """

    temperature: float = 2.0
    hard_share: float = 0.1
    quantile_matching: bool = True
    hints: tuple[str, ...] = ()
    hint_weight: float = 0.1
    unlabelled: float = 0.0
    training: TrainingOptions = field(
        default_factory=lambda: TrainingOptions(epochs=12, learning_rate=4e-3, weight_decay=1e-3, patience=12)
    )

    def __post_init__(self) -> None:
        """Refuse options that leave something without a teacher.

        Raises:
            TrainingFailed: medians alone teach no spread, and nothing that happened does.
        """
        if not self.quantile_matching and self.hard_share == 0:
            raise TrainingFailed(
                "Distillation with quantile_matching: false teaches medians only, and with hard_share 0 "
                "nothing teaches the other quantiles. Raise hard_share, or match the quantiles."
            )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self) | {"hints": list(self.hints)}
