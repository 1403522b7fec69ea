"""A student's layers learn what the teacher's layers of these names give, by a projection that goes."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from packager.compress.distil import DistilOptions, Lesson, distil
from packager.compress.hints import Hints
from packager.errors import TrainingFailed
from packager.student import build, describe, load_student, read_description, save_student
from packager.student.lead_decoder import LeadDecoderConfig, build_lead_decoder
from packager.student.normalisation import Normalisation
from packager.student.training import TrainingOptions
from tests.students import CONTRACT, FOLDER, description, small_student, student_folder, weather
from tests.unit.packager.compress.test_retrain import windows

NORMALISATION = Normalisation.from_dict(description()["normalisation"])
NARROW = LeadDecoderConfig(channels=8, context=12, per_lead=2, linear=4, hidden=(16, 8))
TRAINING = TrainingOptions(epochs=1, batch=32, learning_rate=5e-3, weight_decay=0.0)
LAYER = "body_context"


@cache
def ensemble_folder():
    """Two members: the small student, and one whose weights are all halved."""
    member = LeadDecoderConfig.from_dict(description()["members"][0])
    own = describe("ensemble", CONTRACT, NORMALISATION, [member, replace(member, seed=2)])
    model, weights = build(own), small_student().get_weights()
    model.set_weights([*weights, *[weight / 2 for weight in weights]])
    save_student(model, own, FOLDER / "ensemble")
    return FOLDER / "ensemble"


@cache
def lesson():
    options = DistilOptions(training=TRAINING)
    return Lesson.prepare(student_folder(), windows(1), windows(2), CONTRACT, NORMALISATION, options)


def narrow_student():
    return build_lead_decoder(CONTRACT, NORMALISATION, NARROW)


def test_the_first_member_of_an_ensemble_gives_the_hints():
    inputs = weather(8)
    first = Hints.take(ensemble_folder(), inputs, [LAYER]).values[LAYER]
    alone = Hints.take(student_folder(), inputs, [LAYER]).values[LAYER]
    assert first.shape == (8, 32)
    np.testing.assert_allclose(first, alone, rtol=1e-3)


def test_hints_bring_a_students_layer_nearer_to_its_teachers():
    hints = Hints.take(student_folder(), lesson().windows.inputs, [LAYER])
    quiet = replace(lesson(), loss=lambda *given: 0.0 * lesson().loss(*given))
    taught_lesson, taught = hints.give(quiet, narrow_student(), weight=1.0)
    taught_lesson = taught_lesson.with_training(replace(TRAINING, epochs=12, learning_rate=3e-2))

    def distance():
        outputs = taught(taught_lesson.windows.inputs, training=False)
        return float(taught_lesson.loss(outputs, taught_lesson.targets))

    before = distance()
    taught_lesson.teach(taught, lambda *_: None)
    assert distance() < 0.95 * before


def test_the_projection_exists_in_training_only(tmp_path):
    distil(
        teacher=ensemble_folder(),
        windows=windows(1),
        stopping=windows(2),
        contract=CONTRACT,
        normalisation=NORMALISATION,
        config=NARROW,
        options=DistilOptions(hints=(LAYER, "body_decode0"), training=TRAINING),
        folder=tmp_path,
        progress=lambda *_: None,
    )
    names = [layer.name for layer in load_student(tmp_path).layers]
    assert LAYER in names
    assert not [name for name in names if name.startswith("hint_")]
    assert read_description(tmp_path)["members"] == [NARROW.to_dict()]


def test_a_layer_that_the_teacher_lacks_is_named_with_those_that_it_has():
    with pytest.raises(
        TrainingFailed, match=r"teacher has no layer body_attention .* layers are body_conv0,"
    ):
        Hints.take(student_folder(), weather(8), ["body_attention"])


def test_a_layer_that_the_student_lacks_is_named_with_those_that_it_has():
    hints = Hints.take(student_folder(), weather(64), [LAYER])
    renamed = replace(hints, values={"body_extra": hints.values[LAYER]})
    with pytest.raises(TrainingFailed, match=r"student has no layer body_extra .* layers are body_conv0,"):
        renamed.give(lesson(), narrow_student(), weight=1.0)


def test_a_layer_of_another_shape_is_refused():
    inputs = weather(64)
    hints = Hints.take(student_folder(), inputs, ["body_conv0"])
    swapped = replace(hints, values={LAYER: hints.values["body_conv0"]}, spreads={LAYER: 1.0})
    with pytest.raises(TrainingFailed, match="a hint may differ in width only"):
        swapped.give(lesson(), narrow_student(), weight=1.0)


def test_a_teacher_from_elsewhere_has_no_layers_to_take_hints_from(tmp_path):
    with pytest.raises(TrainingFailed, match=r"layers are not known\. Remove hints from the recipe"):
        Hints.take(tmp_path, weather(8), [LAYER])
