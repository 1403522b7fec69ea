import pytest
from tf_keras import Input, Model, layers

from packager.search.cost import least_bytes, multiplications


def document(quantization, *steps):
    return {"export": {"format": "tflite", "quantization": quantization}, "steps": list(steps)}


def test_a_weight_is_multiplied_at_every_position():
    given = Input((24, 1, 8))
    x = layers.Conv2D(16, (3, 1), padding="same", strides=(2, 1), name="body_conv")(given)
    x = layers.DepthwiseConv2D((3, 1), padding="same", name="body_depth")(x)
    x = layers.Flatten(name="body_flat")(x)
    x = layers.Dense(10, name="body_dense")(x)
    model = Model(given, layers.Dense(4, name="tail_dense")(x))
    assert multiplications(model) == 12 * 3 * 8 * 16 + 12 * 3 * 16 + 12 * 16 * 10


def test_fewer_bits_zeros_shared_values_and_channels_all_lower_the_bound():
    plain = least_bytes(10_000, document("w8a8"))
    assert plain == 8000
    assert least_bytes(10_000, document("fp16")) == 2 * plain
    for step in (
        {"prune_weights": {"sparsity": 0.8}},
        {"prune_weights": {"per_layer": {"body_a": 0.8}}},
        {"cluster": {"clusters": 16}},
        {"prune_structure": {"remove": 0.3}},
        {"factorize": {"energy": 0.9}},
    ):
        assert least_bytes(10_000, document("w8a8", step)) < plain


@pytest.mark.parametrize("sparsity", [0.0, 0.05, 0.5, 0.98])
def test_zeros_never_raise_the_bound(sparsity):
    step = {"prune_weights": {"sparsity": sparsity}}
    assert least_bytes(10_000, document("w4", step)) <= least_bytes(10_000, document("w4"))
