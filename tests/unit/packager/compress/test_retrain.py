"""Retraining moves few weights, those that want to move most, and leaves the others bit for bit."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from packager.compress.distil import DistilOptions
from packager.compress.retrain import RetrainOptions, choose_moved, retrain
from packager.dataset.windows import Windows
from packager.errors import TrainingFailed
from packager.student import load_student
from packager.student.training import TrainingOptions
from tests.students import CONTRACT, expected, student_folder, weather

CASES = 64
TRAINING = TrainingOptions(epochs=1, batch=32, learning_rate=5e-3, weight_decay=0.0)


def windows(seed):
    """Cases whose targets are the student's own forecasts, a degree warmer: something to learn."""
    outputs = expected(CASES)
    targets = {}
    for spec in CONTRACT.outputs:
        values = outputs[spec.name]
        if spec.kind == "probabilities":
            targets[spec.name] = values.argmax(-1).astype(np.float32)
        else:
            targets[spec.name] = values[..., 3] + 1 if spec.kind == "quantiles" else values
    inputs = weather(CASES, seed=seed)
    return Windows(inputs=inputs, targets=targets, station=np.zeros(CASES, int), init_hour=np.arange(CASES))


def retrained(folder, share, layers=""):
    options = RetrainOptions(share, layers, DistilOptions(training=TRAINING, hard_share=1.0))
    facts = retrain(
        student=student_folder(),
        teacher=student_folder(),
        windows=windows(1),
        stopping=windows(2),
        options=options,
        folder=folder,
        progress=lambda *_: None,
    )
    return facts, load_student(folder)


def moved_by_layer(model):
    """How many weights of each layer are not what was released, bit for bit."""
    released = load_student(student_folder())
    return {
        layer.name: sum(
            int((new != old).sum())
            for new, old in zip(
                layer.get_weights(), released.get_layer(layer.name).get_weights(), strict=True
            )
        )
        for layer in model.layers
    }


def test_only_the_named_layers_move_and_of_them_no_more_weights_than_may(tmp_path):
    facts, model = retrained(tmp_path, 0.5, layers="body_out")
    moved = {name: count for name, count in moved_by_layer(model).items() if count}
    assert all(name.startswith("body_out") for name in moved)
    heads = sum(layer.count_params() for layer in model.layers if layer.name.startswith("body_out"))
    assert facts["weights"] == model.count_params()
    assert facts["weights_moved"] == round(0.5 * heads)
    # A weight that may move can, by chance, end where it was.
    assert 0.8 * facts["weights_moved"] < sum(moved.values()) <= facts["weights_moved"]
    assert len(facts["early_stopping_loss"]) == 2


def test_a_name_that_no_layer_has_trains_nothing(tmp_path):
    with pytest.raises(TrainingFailed, match="starts with 'body_tail'"):
        retrained(tmp_path, 0.5, layers="body_tail")
    assert list(tmp_path.iterdir()) == []


def test_weights_that_moved_far_for_their_layer_are_chosen():
    wide, narrow = np.array([100.0, -100, 100, -100]), np.array([0.1, -0.1, 0.1, -0.1])
    moved = [np.array([100.0, -99, 100, -100]), np.array([0.15, -0.1, 0.1, -0.1])]
    everything = [np.ones(4), np.ones(4)]
    first, second = choose_moved([wide, narrow], moved, everything, 1 / 8)
    assert (first.tolist(), second.tolist()) == ([0, 0, 0, 0], [1, 0, 0, 0])


@given(st.floats(0, 1), st.integers(0, 2**32 - 1))
def test_the_share_is_kept_and_nothing_outside_of_the_allowed_is_chosen(share, seed):
    random = np.random.default_rng(seed)
    released = [random.normal(size=(5, 4)), np.zeros(7), random.normal(size=3)]
    moved = [weight + random.normal(size=weight.shape) for weight in released]
    allowed = [np.ones((5, 4)), np.ones(7), np.zeros(3)]
    masks = choose_moved(released, moved, allowed, share)
    assert sum(mask.sum() for mask in masks) == round(share * 27)
    assert not masks[2].any()
    assert [mask.shape for mask in masks] == [weight.shape for weight in released]


def test_options_can_be_written_down():
    options = replace(RetrainOptions(0.1), layers="body_out").to_dict()
    assert (options["moved_share"], options["layers"]) == (0.1, "body_out")
    assert options["distil"]["training"]["weight_decay"] == 0
