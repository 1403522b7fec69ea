"""A transfer moves biases, or shared values with their groups whole; everything else stays bit for bit."""

from functools import cache

import numpy as np
import pytest

from packager.compress.distil import DistilOptions, Lesson
from packager.compress.labels import teacher_labels
from packager.compress.retrain import RetrainOptions, retrain
from packager.compress.state import State, with_state
from packager.compress.transfer import SharedValues, movable
from packager.errors import TrainingFailed
from packager.student import load_student, read_description, save_student
from packager.student.normalisation import Normalisation
from tests.students import CONTRACT, FOLDER, description, student_folder
from tests.unit.packager.compress.test_retrain import TRAINING, windows

NORMALISATION = Normalisation.from_dict(description()["normalisation"])
CLUSTERED, SPARSE = "body_context", "body_decode0"


@cache
def clustered_folder():
    """The small student with four shared values in one matrix, and every other weight of another at zero."""
    model = load_student(student_folder())
    kernel, bias = model.get_layer(CLUSTERED).get_weights()
    edges = np.quantile(kernel, [0.25, 0.5, 0.75])
    values = np.array([-0.3, -0.05, 0.05, 0.3], np.float32)
    model.get_layer(CLUSTERED).set_weights([values[np.digitize(kernel, edges)], bias])
    kernel, bias = model.get_layer(SPARSE).get_weights()
    kernel.reshape(-1)[::2] = 0
    model.get_layer(SPARSE).set_weights([kernel, bias])
    state = State(clusters={CLUSTERED: 4}, sparse=(SPARSE,))
    save_student(model, with_state(read_description(student_folder()), state), FOLDER / "clustered")
    return FOLDER / "clustered"


def transferred(folder, parts, share=1.0):
    options = RetrainOptions(share, "body_", DistilOptions(training=TRAINING, hard_share=1.0), parts)
    facts = retrain(
        student=clustered_folder(),
        teacher=student_folder(),
        windows=windows(1),
        stopping=windows(2),
        options=options,
        folder=folder,
        progress=lambda *_: None,
    )
    return facts, load_student(clustered_folder()), load_student(folder)


def changed(before, after):
    """Names of layers whose matrices moved, and of those whose biases did."""
    moved = ([], [])
    for layer in before.layers:
        for old, new in zip(layer.get_weights(), after.get_layer(layer.name).get_weights(), strict=True):
            if (old != new).any():
                moved[old.ndim == 1].append(layer.name)
    return moved


def test_only_biases_move_and_no_more_of_them_than_may(tmp_path):
    facts, before, after = transferred(tmp_path, "biases", share=0.5)
    matrices, biases = changed(before, after)
    assert matrices == []
    assert biases
    count = sum(weight.shape[0] for weight in before.trainable_weights if len(weight.shape) == 1)
    assert facts["weights_moved"] == round(0.5 * count)


def test_shared_values_move_with_everyone_who_shares_them(tmp_path):
    _, before, after = transferred(tmp_path, "shared")
    matrices, biases = changed(before, after)
    assert matrices == [CLUSTERED]
    assert biases
    old, new = (model.get_layer(CLUSTERED).get_weights()[0] for model in (before, after))
    pairs = {(float(o), float(n)) for o, n in zip(old.ravel(), new.ravel(), strict=True)}
    assert len(pairs) == len(np.unique(old)) == 4


def test_zeros_that_pruning_chose_and_shared_values_stay_where_all_weights_may_move(tmp_path):
    _, before, after = transferred(tmp_path, "weights")
    matrices, _ = changed(before, after)
    assert CLUSTERED not in matrices
    assert SPARSE in matrices
    assert (after.get_layer(SPARSE).get_weights()[0].reshape(-1)[::2] == 0).all()


def test_a_student_that_shares_nothing_has_no_shared_values_to_move():
    model = load_student(student_folder())
    masks = movable(model, State(), layers="body_", parts="shared")
    assert all(mask.all() == (mask.ndim == 1) for mask in masks)
    with pytest.raises(TrainingFailed, match="no layer of it was clustered"):
        movable(model, State(), layers="nothing", parts="shared")


def test_a_group_takes_the_mean_of_its_weights():
    model = load_student(clustered_folder())
    shared = SharedValues(model, {CLUSTERED: 4})
    kernel, bias = model.get_layer(CLUSTERED).get_weights()
    model.get_layer(CLUSTERED).set_weights(
        [kernel + np.linspace(0, 1, kernel.size).reshape(kernel.shape), bias]
    )
    moved = model.get_layer(CLUSTERED).get_weights()[0]
    shared.tie()
    for value in np.unique(kernel):
        tied = model.get_layer(CLUSTERED).get_weights()[0][kernel == value]
        np.testing.assert_allclose(tied, moved[kernel == value].mean(), rtol=1e-5)
    assert SharedValues(model, {}).hook is None


def test_cases_that_are_kept_teach_what_the_released_student_says():
    kept = windows(7)
    lesson = Lesson.prepare(
        student_folder(), windows(1), windows(2), CONTRACT, NORMALISATION, DistilOptions(training=TRAINING)
    ).with_kept(kept, teacher_labels(student_folder(), kept, CONTRACT))
    count = len(windows(1))
    assert len(lesson.windows) == count + len(kept)
    assert np.isnan(lesson.targets["temperature"][count:]).all()
    said = load_student(student_folder())(kept.inputs, training=False)["temperature"].numpy()
    np.testing.assert_allclose(lesson.targets["teacher_temperature"][count:], said, atol=0.05)
    np.testing.assert_array_equal(lesson.targets["temperature"][:count], windows(1).targets["temperature"])
