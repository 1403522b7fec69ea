"""After training with simulated rounding a student's kernels are what int8 files will hold."""

from functools import cache

import numpy as np
import pytest
import tensorflow as tf
from tf_keras import layers

from packager.compress.layers import channel_axis, compressible, kernel_of, rounded
from packager.compress.quantize import quantize_aware
from packager.compress.quantizers import BodyConfig, KernelQuantizer, OutputQuantizer, rounded_kernel, wrap
from packager.compress.state import State, read_state, with_state
from packager.compress.steps import run_step
from packager.errors import RecipeInvalid
from packager.student import load_student, read_description, save_student
from tests.compression import material
from tests.students import FOLDER, description, student_folder


def result(student, folder, **options):
    facts = quantize_aware(student, folder, material=material(), progress=lambda *_: None, **options)
    return facts, kernels(folder), read_state(read_description(folder))


def kernels(folder):
    return {layer.name: kernel_of(layer).numpy() for layer in compressible(load_student(folder))}


def step(name, student, folder, **options):
    run_step(
        name, student=student, folder=folder, material=material(), options=options, progress=lambda *_: None
    )
    return folder


@cache
def folded():
    """The small student pruned, then clustered: both without training, which their own tests have."""
    pruned = step("prune_weights", student_folder(), FOLDER / "q-pruned", sparsity=0.6, epochs=0)
    return step("cluster", pruned, FOLDER / "q-clustered", clusters=8, epochs=0)


@cache
def trained():
    """Pruned, clustered and then trained with rounding (PCQAT)."""
    return step("quantize_aware", folded(), FOLDER / "q-trained", epochs=1)


def test_zeros_stay_zero_and_equal_weights_stay_equal_after_all_three_steps():
    before, after = kernels(folded()), kernels(trained())
    for name, old in before.items():
        assert not after[name][old == 0].any(), name
        for value in np.unique(old):
            assert np.unique(after[name][old == value]).size == 1, name
        assert not np.array_equal(after[name], old), name
    state = read_state(read_description(trained()))
    assert state.sparse == read_state(read_description(folded())).sparse
    assert state.clusters == {name: np.unique(values).size for name, values in after.items()}
    assert set(state.rounded) == set(after)
    assert [done["step"] for done in state.steps] == ["prune_weights", "cluster", "quantize_aware"]


def test_clustered_kernels_are_whole_numbers_of_one_scale():
    for name, values in kernels(trained()).items():
        codes = values / (np.abs(values).max() / 127)
        np.testing.assert_allclose(codes, np.round(codes), atol=1e-3, err_msg=name)


def test_other_kernels_are_what_exporters_round_them_to(tmp_path):
    facts, found, state = result(student_folder(), tmp_path, epochs=1)
    for layer in compressible(load_student(tmp_path)):
        again = rounded(found[layer.name], 8, channel_axis(layer))
        np.testing.assert_allclose(found[layer.name], again, atol=1e-6, err_msg=layer.name)
        assert not np.array_equal(found[layer.name], kernels(student_folder())[layer.name])
    assert facts["preserved"] == []
    assert len(facts["early_stopping_loss"]) == 1
    assert (state.sparse, state.clusters) == ((), {})


def test_without_training_weights_move_by_half_a_step_at_most(tmp_path):
    _, found, _ = result(student_folder(), tmp_path, weight_bits=4, epochs=0)
    for layer in compressible(load_student(student_folder())):
        old = kernel_of(layer).numpy()
        axes = tuple(axis for axis in range(old.ndim) if axis != channel_axis(layer))
        half = np.abs(old).max(axis=axes, keepdims=True) / 7 / 2
        assert (np.abs(found[layer.name] - old) <= half * 1.001).all(), layer.name


@pytest.mark.parametrize(
    ("preserve", "zeros", "shared"), [("sparsity", True, False), ("nothing", False, False)]
)
def test_what_is_not_preserved_is_no_longer_claimed(preserve, zeros, shared, tmp_path):
    facts, _, state = result(folded(), tmp_path, preserve=preserve, epochs=0)
    assert (bool(state.sparse), bool(state.clusters)) == (zeros, shared)
    assert facts["preserved"] == (["sparse"] if zeros else [])


def test_layers_of_half_precision_are_not_rounded_and_those_of_four_bits_coarsely(tmp_path):
    half, coarse, *_ = kernels(student_folder())
    mixed = with_state(description(), State(precision={half: 16, coarse: 4}))
    save_student(load_student(student_folder()), mixed, tmp_path / "mixed")
    facts, found, state = result(tmp_path / "mixed", tmp_path / "rounded", epochs=0)
    np.testing.assert_array_equal(found[half], kernels(student_folder())[half])
    assert np.unique(np.abs(found[coarse][..., 0])).size <= 8
    assert half not in state.rounded
    assert (facts["bits"][half], facts["bits"][coarse]) == (16, 4)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"weight_bits": 6}, "choose 4 or 8"),
        ({"preserve": "all"}, "choose auto, nothing, sparsity, clusters, both"),
        ({"preserve": "sparsity"}, "no step prune_weights came before"),
        ({"preserve": "clusters"}, "no step cluster came before"),
    ],
)
def test_what_cannot_be_is_refused(options, said, tmp_path):
    with pytest.raises(RecipeInvalid, match=said):
        result(student_folder(), tmp_path / "rounded", epochs=0, **options)
    assert list(tmp_path.iterdir()) == []


def test_depthwise_kernels_are_rounded_by_channel():
    layer = layers.DepthwiseConv2D((3, 1), use_bias=False)
    layer.build((None, 8, 1, 5))
    kernel = np.random.default_rng(1).normal(size=(3, 1, 5, 1)).astype(np.float32)
    kernel *= np.array([1, 10, 100, 1000, 0.1], np.float32)[:, None]
    layer.set_weights([kernel])
    quantizer = KernelQuantizer(layer, bits=8, sparse=False, clustered=False)
    wrapper = wrap(layer, BodyConfig("depthwise_kernel", quantizer, OutputQuantizer(-1.0, 2.0)))
    wrapper.build((None, 8, 1, 5))
    np.testing.assert_allclose(rounded_kernel(wrapper), rounded(kernel, 8, 2), rtol=1e-4, atol=1e-6)


def test_outputs_are_rounded_within_the_measured_range_from_the_first_step():
    layer = layers.ReLU()
    wrapper = wrap(layer, BodyConfig(None, None, OutputQuantizer(0.5, 2.55)))
    given = tf.constant([[0.0, 0.014, 1.0, 9.0]])
    # The range takes zero in, hence steps of a hundredth.
    np.testing.assert_allclose(wrapper(given, training=False), [[0.0, 0.01, 1.0, 2.55]], atol=1e-5)
