"""Distillation: a small model learns the teacher's quantiles and probabilities, mixed with what happened."""

from pathlib import Path

from packager.compress.hints import Hints
from packager.compress.lesson import Lesson
from packager.compress.options import DistilOptions
from packager.compress.soft_loss import soft_loss
from packager.contract import Contract
from packager.dataset.windows import Windows
from packager.student import describe, save_student
from packager.student.lead_decoder import LeadDecoderConfig, build_lead_decoder
from packager.student.normalisation import Normalisation
from packager.student.training import Progress, TrainingResult


def distil(
    *,
    teacher: Path,
    windows: Windows,
    stopping: Windows,
    contract: Contract,
    normalisation: Normalisation,
    config: LeadDecoderConfig,
    options: DistilOptions,
    folder: Path,
    progress: Progress,
) -> TrainingResult:
    """Train a student and save it.

    Args:
        teacher: folder of the saved teacher.
        windows: training cases; the teacher labels them first. Extra ones, without targets, may be among
            them.
        stopping: the early-stopping block, labelled too.
        contract: inputs and outputs.
        normalisation: the student's own.
        config: the student's sizes.
        options: how it learns.
        folder: where the student is saved.
        progress: told after every epoch.

    Raises:
        TrainingFailed: inputs, targets or labels are not finite, nothing would teach an output, or a hint
            names a layer that does not exist.
    """
    model = build_lead_decoder(contract, normalisation, config)
    lesson = Lesson.prepare(teacher, windows, stopping, contract, normalisation, options)
    taught = model
    if options.hints:
        hints = Hints.take(teacher, lesson.windows.inputs, options.hints)
        lesson, taught = hints.give(lesson, model, options.hint_weight)
    result = lesson.teach(taught, progress)
    save_student(model, describe("lead_decoder", contract, normalisation, [config]), folder)
    return result


__all__ = ["DistilOptions", "Lesson", "distil", "soft_loss"]
