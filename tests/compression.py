"""What compression steps are tested with: students of any size, and a small lesson from one of them."""

from functools import cache
from pathlib import Path

import numpy as np

from packager.compress.distil import DistilOptions
from packager.compress.material import Material
from packager.dataset.windows import Windows
from packager.student.normalisation import Normalisation
from tests.students import CONTRACT, FOLDER, description, small_student, student_folder, weather

# One batch.
CASES = 256


@cache
def windows(seed: int = 1, cases: int = CASES) -> Windows:
    """Cases whose targets are the small student's own forecasts, a degree warmer: something to learn."""
    inputs = weather(cases, seed=seed)
    outputs = {name: values.numpy() for name, values in small_student()(inputs, training=False).items()}
    targets = {}
    for spec in CONTRACT.outputs:
        values = outputs[spec.name]
        if spec.kind == "probabilities":
            targets[spec.name] = values.argmax(-1).astype(np.float32)
        else:
            targets[spec.name] = values[..., 3] + 1 if spec.kind == "quantiles" else values
    return Windows(inputs=inputs, targets=targets, station=np.zeros(cases, int), init_hour=np.arange(cases))


@cache
def material() -> Material:
    """A lesson of one batch whose teacher is the small student."""
    return Material(
        teacher=student_folder(),
        read_windows=lambda split: windows(1) if split == "train" else windows(2, 64),
        contract=CONTRACT,
        normalisation=Normalisation.from_dict(description()["normalisation"]),
        distil=DistilOptions(),
    )


@cache
def student_of(hidden: tuple[int, ...]) -> Path:
    """A saved student with these hidden widths and weights large enough that every output moves."""
    from packager.student import build, describe, save_student
    from packager.student.lead_decoder import LeadDecoderConfig

    config = LeadDecoderConfig(channels=8, context=12, per_lead=3, linear=6, hidden=hidden)
    own = describe("lead_decoder", CONTRACT, material().normalisation, [config])
    model, random = build(own), np.random.default_rng(7)
    model.set_weights([w + 0.1 * random.normal(size=w.shape).astype(np.float32) for w in model.get_weights()])
    folder = FOLDER / f"student-{'-'.join(map(str, hidden))}"
    save_student(model, own, folder)
    return folder
