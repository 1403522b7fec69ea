"""What compression steps learn from and measure on: made once, and shared by the steps of all recipes."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from packager.compress.distil import DistilOptions, Lesson
from packager.contract import Contract
from packager.dataset.windows import Windows
from packager.student.normalisation import Normalisation
from packager.student.training import TrainingOptions

# Of fine-tuning after a step, where the step says nothing else: without weight decay, which would move what a
# step fixed, and with a lower rate than training from nothing.
EPOCHS, LEARNING_RATE = 3, 1e-3


@dataclass(frozen=True)
class Material:
    """Teacher, cases and contract of one run.

    Attributes:
        teacher: folder of the saved teacher.
        read_windows: gives the cases of a split: train, early_stopping.
        contract: inputs and outputs.
        normalisation: the students' own.
        distil: how students of this run learn.
    """

    teacher: Path
    read_windows: Callable[[str], Windows]
    contract: Contract
    normalisation: Normalisation
    distil: DistilOptions

    def lesson(self, *, epochs: int = EPOCHS, learning_rate: float = LEARNING_RATE) -> Lesson:
        """What a step fine-tunes with: cases that the teacher labelled, once for all steps."""
        training = TrainingOptions(epochs=epochs, learning_rate=learning_rate, weight_decay=0.0, patience=99)
        return self._labelled.with_training(training)

    @cached_property
    def stopping(self) -> Windows:
        """The early-stopping block: what sensitivity is measured on."""
        return self.read_windows("early_stopping")

    @cached_property
    def _labelled(self) -> Lesson:
        return Lesson.prepare(
            self.teacher,
            self.read_windows("train"),
            self.stopping,
            self.contract,
            self.normalisation,
            self.distil,
        )
