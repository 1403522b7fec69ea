"""Each layer gets the fewest bits that it bears, and learns to live with them if it is asked to."""

import numpy as np
import pytest

from packager.compress.layers import channel_axis, compressible, kernel_of, rounded
from packager.compress.precision import Rounding, mixed_precision
from packager.compress.state import read_state
from packager.student import load_student, read_description
from tests.compression import material
from tests.students import bytes_of, student_folder


def chosen(folder, **options):
    facts = mixed_precision(
        student_folder(), folder, material=material(), progress=lambda *_: None, **options
    )
    return facts, read_state(read_description(folder)).precision


def test_bits_are_noted_for_every_layer_and_no_weight_moves(tmp_path):
    facts, precision = chosen(tmp_path, max_loss_percent=0.5)
    names = [layer.name for layer in compressible(load_student(student_folder()))]
    assert list(precision) == sorted(names)
    assert set(precision.values()) <= {4, 8, 16}
    assert len(set(precision.values())) > 1
    assert facts["precision"] == precision
    assert facts["loss_percent"] <= 0.5
    assert bytes_of(tmp_path)["weights.npz"] == bytes_of(student_folder())["weights.npz"]


def test_more_loss_allows_fewer_bits(tmp_path):
    strict, _ = chosen(tmp_path / "strict", bits=(8, 4), max_loss_percent=0.0)
    lax, _ = chosen(tmp_path / "lax", bits=(4, 8), max_loss_percent=1000.0)
    assert set(lax["precision"].values()) == {4}
    assert max(strict["precision"].values()) == 8
    assert lax["body_kernel_bytes"] < strict["body_kernel_bytes"]


def test_fine_tuning_leaves_the_weights_rounded(tmp_path):
    facts, precision = chosen(tmp_path, bits=(4, 16), max_loss_percent=1000.0, epochs=1, learning_rate=2e-2)
    assert len(facts["early_stopping_loss"]) == 1
    model = load_student(tmp_path)
    for layer in compressible(model):
        kernel = kernel_of(layer).numpy()
        assert precision[layer.name] == 4
        np.testing.assert_allclose(rounded(kernel, 4, channel_axis(layer)), kernel, atol=1e-6)


def test_steps_smaller_than_half_a_level_add_up():
    model = load_student(student_folder())
    layer = model.get_layer("body_context")
    rounding = Rounding(model, {"body_context": 4})
    start = kernel_of(layer).numpy()
    level = np.abs(start).max(axis=0) / 7
    place = int(np.argmin(np.abs(start[:, 0]))), 0
    exact = rounding.exact[0][place]
    step = (start[place] + 0.6 * level[0] - exact) / 2

    def move():
        kernel = kernel_of(layer).numpy()
        kernel[place] += step
        kernel_of(layer).assign(kernel)
        rounding.after_step(1, 2)
        return kernel_of(layer).numpy()[place]

    assert move() == start[place]
    assert move() == pytest.approx(start[place] + level[0], rel=1e-5)


def test_the_analysis_is_told(tmp_path):
    said = []
    mixed_precision(
        student_folder(), tmp_path, material=material(), progress=lambda *line: said.append(line), bits=(8, 4)
    )
    assert said == [(0.0, "sensitivity of every layer to 4, 8 bits")]
