"""Clustered matrices have few different values, equal ones exactly, and the pruned zeros among them."""

from functools import cache

import numpy as np
import pytest

from packager.compress.cluster import cluster, settled
from packager.compress.layers import compressible, kernel_of
from packager.compress.state import State, read_state, with_state
from packager.errors import RecipeInvalid
from packager.student import load_student, read_description, save_student
from tests.compression import material
from tests.students import FOLDER, description, student_folder


def result(student, folder, **options):
    facts = cluster(student, folder, material=material(), progress=lambda *_: None, **options)
    return facts, kernels(folder), read_state(read_description(folder))


def kernels(folder):
    return {layer.name: kernel_of(layer).numpy() for layer in compressible(load_student(folder))}


@cache
def half_zero():
    """The small student without the smaller half of the weights of each matrix."""
    model = load_student(student_folder())
    for layer in compressible(model):
        values = kernel_of(layer).numpy()
        kernel_of(layer).assign(np.where(np.abs(values) < np.median(np.abs(values)), 0.0, values))
    state = State(sparse=tuple(layer.name for layer in compressible(model)))
    save_student(model, with_state(description(), state), FOLDER / "half-zero")
    return FOLDER / "half-zero"


@cache
def clustered():
    """Eight values, learned for an epoch, one layer fewer."""
    first = next(iter(kernels(half_zero())))
    return first, *result(half_zero(), FOLDER / "clustered", clusters=8, per_layer={first: 4}, epochs=1)


def test_the_averaged_weights_of_training_share_values_exactly():
    first, facts, found, state = clustered()
    for name, values in found.items():
        assert np.unique(values).size <= (4 if name == first else 8), name
    assert state.clusters == {name: np.unique(values).size for name, values in found.items()}
    assert facts["values"] == state.clusters
    assert len(facts["early_stopping_loss"]) == 1


def test_zeros_stay_zero_and_the_shared_values_learn():
    _, _, found, state = clustered()
    _, untrained, _ = result(half_zero(), FOLDER / "clustered-untrained", clusters=8, epochs=0)
    for name, old in kernels(half_zero()).items():
        assert not found[name][old == 0].any(), name
        assert not np.signbit(found[name][old == 0]).any(), name
    assert state.sparse == read_state(read_description(half_zero())).sparse
    moved = [set(np.unique(found[name])) - set(np.unique(untrained[name])) for name in found]
    assert all(moved)


def test_weights_take_the_nearest_value_and_signs_stay_apart(tmp_path):
    _, found, _ = result(student_folder(), tmp_path, clusters=16, epochs=0)
    for name, old in kernels(student_folder()).items():
        values = np.unique(found[name])
        nearest = values[np.abs(old[..., None] - values).argmin(-1)]
        np.testing.assert_array_equal(found[name], nearest, err_msg=name)


def test_zeros_may_share_other_values_where_nobody_wants_them_kept(tmp_path):
    _, _, state = result(half_zero(), tmp_path, preserve_sparsity=False, layers="body_conv", epochs=0)
    assert state.clusters
    assert all(name.startswith("body_conv") for name in state.clusters)
    assert set(state.sparse) == set(kernels(half_zero())) - set(state.clusters)


def test_a_matrix_with_no_more_weights_than_values_is_left_as_it_is(tmp_path):
    name, values = min(kernels(student_folder()).items(), key=lambda item: item[1].size)
    facts, found, state = result(student_folder(), tmp_path, per_layer={name: values.size}, epochs=0)
    assert facts["left"] == [name]
    assert name not in state.clusters
    np.testing.assert_array_equal(found[name], values)


def test_what_is_not_clustered_keeps_its_zeros_while_it_learns(tmp_path):
    _, found, _ = result(half_zero(), tmp_path, layers="body_conv", clusters=8, epochs=1)
    for name, old in kernels(half_zero()).items():
        assert not found[name][old == 0].any(), name
    learned = [name for name in found if not name.startswith("body_conv")]
    assert all(not np.array_equal(found[name], kernels(half_zero())[name]) for name in learned)


def test_zero_needs_a_value_on_each_side(tmp_path):
    with pytest.raises(RecipeInvalid, match=r"2 values for body_.* at least 3, zero and one on each side"):
        result(half_zero(), tmp_path / "clustered", clusters=2, epochs=0)
    with pytest.raises(RecipeInvalid, match="at least 2"):
        result(student_folder(), tmp_path / "clustered", clusters=1, epochs=0)
    assert list(tmp_path.iterdir()) == []


def test_k_means_settles_on_the_means_and_leaves_zero_where_it_is():
    weights = np.array([[-1.0, -0.8, 0.0], [0.0, 0.1, 2.0]], np.float32)
    free = settled(weights, np.array([-1.0, 0.1, 2.0], np.float32), keep_zero=False)
    np.testing.assert_allclose(free, [-0.9, 0.1 / 3, 2.0], rtol=1e-6)
    kept = settled(weights, np.array([-1.0, 0.0, 2.0], np.float32), keep_zero=True)
    np.testing.assert_allclose(kept, [-0.9, 0.0, 2.0], rtol=1e-6)
    unused = settled(weights, np.array([-0.9, 0.0, 2.0, 50.0], np.float32), keep_zero=False)
    assert unused[3] == 50
