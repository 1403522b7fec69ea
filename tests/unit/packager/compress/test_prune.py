"""Pruned weights are exactly zero, as many as was asked for, and stay so while the others learn."""

from functools import cache

import numpy as np
import pytest
import tensorflow as tf

from packager.compress.layers import compressible, kernel_of
from packager.compress.prune import PruneOptions, prune_weights
from packager.compress.regularise import group_norm, weight_penalty
from packager.compress.state import read_state
from packager.errors import RecipeInvalid
from packager.student import load_student, read_description
from tests.compression import material
from tests.students import FOLDER, student_folder


def result(folder, **options):
    """The small student, pruned: facts, kernels by layer, state."""
    facts = prune_weights(student_folder(), folder, material=material(), progress=lambda *_: None, **options)
    return facts, kernels(folder), read_state(read_description(folder))


@cache
def trained(schedule, epochs):
    """Three of four weights pruned while training."""
    return result(FOLDER / f"pruned-{schedule}-{epochs}", sparsity=0.75, schedule=schedule, epochs=epochs)


def kernels(folder):
    return {layer.name: kernel_of(layer).numpy() for layer in compressible(load_student(folder))}


def before():
    return kernels(student_folder())


@pytest.mark.parametrize(("schedule", "epochs"), [("polynomial", 2), ("constant", 1), ("polynomial", 0)])
def test_the_asked_share_of_every_matrix_is_zero_and_noted(schedule, epochs):
    facts, found, state = trained(schedule, epochs)
    for name, values in found.items():
        assert (values == 0).mean() == pytest.approx(0.75, abs=0.6 / values.size), name
    assert set(state.sparse) == set(found)
    assert facts["zeros"] == sum(int((values == 0).sum()) for values in found.values())
    assert facts["weights"] == sum(values.size for values in found.values())
    assert len(facts["early_stopping_loss"]) == epochs


def test_what_stays_learns_and_zeros_have_no_sign():
    _, found, _ = trained("polynomial", 2)
    for name, values in found.items():
        assert not np.signbit(values[values == 0]).any(), name
        stayed = values != 0
        assert (values[stayed] != before()[name][stayed]).mean() > 0.9, name


def test_without_training_the_smallest_weights_go_and_all_others_are_untouched():
    _, found, _ = trained("polynomial", 0)
    for name, values in found.items():
        old, stayed = before()[name], values != 0
        np.testing.assert_array_equal(values[stayed], old[stayed])
        assert np.abs(old[~stayed]).max() <= np.abs(old[stayed]).min(), name


def test_a_layer_may_have_a_share_of_its_own_or_none_at_all(tmp_path):
    own, dense, other, *_ = before()
    facts, found, state = result(tmp_path, sparsity=0.5, per_layer={own: 0.9, dense: 0.0}, epochs=0)
    assert (found[own] == 0).mean() == pytest.approx(0.9, abs=1e-3)
    assert (found[dense] != 0).all()
    assert (found[other] == 0).mean() == pytest.approx(0.5, abs=1e-3)
    assert facts["left_dense"] == [dense]
    assert dense not in state.sparse


def test_only_named_layers_are_pruned(tmp_path):
    _, found, state = result(tmp_path, sparsity=0.5, layers="body_conv", epochs=0)
    assert state.sparse
    assert all(name.startswith("body_conv") for name in state.sparse)
    assert {name for name, values in found.items() if (values == 0).any()} == set(state.sparse)


def test_a_threshold_is_in_standard_deviations_of_each_matrix(tmp_path):
    first = next(iter(before()))
    _, found, _ = result(tmp_path, method="threshold", threshold=0.5, per_layer={first: 0.25}, epochs=0)
    for name, old in before().items():
        limit = (0.25 if name == first else 0.5) * old.std()
        np.testing.assert_array_equal(found[name] == 0, np.abs(old) < limit, err_msg=name)


def test_a_threshold_that_leaves_nothing_is_refused(tmp_path):
    with pytest.raises(RecipeInvalid, match="leaves no weight of body_"):
        result(tmp_path, method="threshold", threshold=50.0, epochs=0)


def test_two_of_four_inputs_stay_and_layers_without_whole_fours_are_named(tmp_path):
    facts, found, state = result(tmp_path, method="n_m", n_m="2:4", epochs=0)
    assert state.sparse
    for name in state.sparse:
        *_, inputs, outputs = found[name].shape
        fours = np.moveaxis(found[name], -2, -1).reshape(-1, outputs, inputs // 4, 4)
        assert ((fours != 0).sum(-1) == 2).all(), name
    assert facts["left_dense"] == [name for name in found if found[name].shape[-2] % 4]
    assert facts["left_dense"]
    assert all((found[name] != 0).all() for name in facts["left_dense"])


def test_groups_that_no_layer_has_are_refused(tmp_path):
    with pytest.raises(RecipeInvalid, match="no layer has a multiple of 95 inputs"):
        result(tmp_path, method="n_m", n_m="3:95", epochs=0)


def test_charged_weights_become_smaller(tmp_path):
    _, found, _ = result(tmp_path, method="threshold", threshold=0.01, epochs=1, l1=1.0)
    assert all(np.abs(found[name]).sum() < np.abs(old).sum() for name, old in before().items())


def test_norms_of_groups_are_of_columns_and_rows():
    kernel = tf.constant([[[[3.0, 0.0], [4.0, 0.0]]]])
    columns, rows = 5 * np.sqrt(2), (3 + 4) * np.sqrt(2)
    assert float(group_norm(kernel, 3)) == pytest.approx(columns + rows, rel=1e-4)
    variable = tf.Variable(kernel * 0)
    with tf.GradientTape() as tape:
        value = group_norm(variable, 3)
    assert np.isfinite(tape.gradient(value, variable).numpy()).all()


def test_a_penalty_is_the_sum_of_its_parts():
    layers = compressible(load_student(student_folder()))[:2]
    weights = [kernel_of(layer).numpy() for layer in layers]
    penalty = weight_penalty(layers, l1=0.1, l2=0.01, group=0.0)
    expected = sum(0.1 * np.abs(w).sum() + 0.01 * (w**2).sum() for w in weights)
    assert float(penalty()) == pytest.approx(expected, rel=1e-5)
    assert weight_penalty(layers, l1=0.0, l2=0.0, group=0.0) is None


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"method": "random"}, "choose magnitude, threshold or n_m"),
        ({"method": "threshold"}, "needs threshold"),
        ({"method": "magnitude", "threshold": 0.5}, "threshold belongs to method threshold"),
        ({"method": "n_m", "sparsity": 0.5}, "sparsity belongs to method magnitude"),
        ({"method": "n_m", "per_layer": {"body_conv0": 0.5}}, "Remove per_layer"),
        ({"schedule": "linear"}, "choose polynomial or constant"),
    ],
)
def test_options_that_contradict_each_other_are_refused(options, said):
    with pytest.raises(RecipeInvalid, match=said):
        PruneOptions(**options)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"method": "n_m", "n_m": "4:4"}, "keep at least one and fewer than all"),
        ({"per_layer": {"body_conv9": 0.5}}, "Did you mean 'body_conv"),
        ({"layers": "tail_"}, "starts with 'tail_'"),
    ],
)
def test_what_the_student_does_not_have_is_refused(options, said, tmp_path):
    with pytest.raises(RecipeInvalid, match=said):
        result(tmp_path / "pruned", epochs=0, **options)
    assert list(tmp_path.iterdir()) == []
