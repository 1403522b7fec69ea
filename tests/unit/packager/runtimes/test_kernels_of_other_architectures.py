"""Operations that converted PyTorch models have and the lead decoder has not, against numpy and scipy."""

import numpy as np
import pytest
import scipy.special

from packager.errors import ArtifactRefused
from packager.runtimes.milkernels import KERNELS
from tests.unit.packager.runtimes.single_operations import CASES, RANDOM, cases, each, evaluate

NAMED = """
    conv linear matmul einsum batch_norm layer_norm instance_norm gelu silu relu softplus sigmoid
    tanh softmax max_pool avg_pool reduce_sum reduce_mean reduce_max reduce_min reduce_prod
    reduce_l2_norm concat split stack slice_by_index slice_by_size gather gather_along_axis pad tile
    expand_dims squeeze transpose reshape exp log sqrt square rsqrt clip maximum minimum cumsum add
    sub mul real_div cast select erf scaled_dot_product_attention quantize dequantize
"""


def softmax(x):
    return scipy.special.softmax(x, axis=-1)


@pytest.mark.parametrize(
    ("kind", "function"),
    [
        ("erf", scipy.special.erf),
        ("tan", np.tan),
        ("atan", np.arctan),
        ("sinh", np.sinh),
        ("cosh", np.cosh),
        ("gelu", lambda x: x * scipy.special.ndtr(x)),
        ("log", lambda x: np.log(np.abs(x))),
    ],
)
def test_functions_of_one_number(kind, function):
    x = cases(2, 50)
    given = np.abs(x) if kind == "log" else x
    found = evaluate(kind, {"case_x": given}, {}, [(2, 50)])
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, function(x.astype(float)), rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("mode", "most"), [("EXACT", 1e-6), ("TANH_APPROXIMATION", 1e-3), ("SIGMOID_APPROXIMATION", 0.03)]
)
def test_every_mode_of_gelu(mode, most):
    x = 2 * cases(100)
    found = evaluate("gelu", {"case_x": x}, {"mode": mode}, [(100,)])
    np.testing.assert_allclose(found, x * scipy.special.ndtr(x), atol=most)


def test_an_unknown_mode_of_gelu_is_refused():
    with pytest.raises(ArtifactRefused, match="GELU of mode FAST does not run here; known are EXACT"):
        evaluate("gelu", {"case_x": cases(2)}, {"mode": "FAST"}, [(2,)])


@pytest.mark.parametrize(
    ("kind", "attributes", "function"),
    [
        ("threshold", {"alpha": np.float32(0.2)}, lambda x: np.maximum(x, 0.2)),
        (
            "clamped_relu",
            {"alpha": np.float32(0.1), "beta": np.float32(1)},
            lambda x: np.minimum(np.where(x >= 0, x, 0.1 * x), 1),
        ),
        (
            "scaled_tanh",
            {"alpha": np.float32(2), "beta": np.float32(0.5)},
            lambda x: 2 * np.tanh(0.5 * x),
        ),
        ("clip", {"alpha": np.float32(-1), "beta": np.float32(0.5)}, lambda x: np.clip(x, -1, 0.5)),
        ("rsqrt", {"epsilon": np.float32(9)}, lambda x: 1 / np.sqrt(x + 9)),
    ],
)
def test_functions_with_parameters(kind, attributes, function):
    x = cases(3, 7)
    np.testing.assert_allclose(evaluate(kind, {"case_x": x}, attributes, [(3, 7)]), function(x), rtol=1e-5)


def test_prelu_has_a_slope_for_each_channel():
    x, slopes = cases(1, 3, 4), np.array([0.1, 0.2, 0.3], np.float32)
    found = evaluate("prelu", {"case_x": x}, {"alpha": slopes}, [(1, 3, 4)])
    wanted = np.where(x > 0, x, slopes[:, None] * x)
    np.testing.assert_allclose(found, wanted, rtol=1e-6)


@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize(
    ("kind", "function"),
    [
        ("reduce_log_sum_exp", lambda x, **how: np.log(np.sum(np.exp(x), **how))),
        ("reduce_l1_norm", lambda x, **how: np.sum(np.abs(x), **how)),
        ("reduce_l2_norm", lambda x, **how: np.sqrt(np.sum(x * x, **how))),
        ("reduce_prod", np.prod),
        ("reduce_min", np.min),
    ],
)
def test_reductions(kind, function, keep):
    x = cases(2, 3, 4)
    wanted = each(lambda v: function(v, axis=(1, 2), keepdims=keep), x)
    found = evaluate(kind, {"case_x": x}, {"axes": np.array([1, 2]), "keep_dims": keep}, [wanted.shape[1:]])
    np.testing.assert_allclose(found, wanted, rtol=1e-5)


def test_log_sum_exp_does_not_overflow():
    x = np.full((CASES, 4), 500, np.float32)
    found = evaluate("reduce_log_sum_exp", {"case_x": x}, {"axes": np.array([0])}, [()])
    np.testing.assert_allclose(found, 500 + np.log(4), rtol=1e-6)


def test_the_place_of_the_largest():
    x = cases(3, 5)
    found = evaluate("reduce_argmax", {"case_x": x}, {"axis": np.int32(-1)}, [(3,)], dtype="int32")
    np.testing.assert_array_equal(found, x.argmax(-1))
    found = evaluate(
        "reduce_argmin", {"case_x": x}, {"axis": np.int32(0), "keep_dims": True}, [(1, 5)], dtype="int32"
    )
    np.testing.assert_array_equal(found, x.argmin(1, keepdims=True))


@pytest.mark.parametrize(
    ("equation", "shapes", "result"),
    [
        ("nchw,nwhu->nchu", [(1, 2, 3, 4), (1, 4, 3, 5)], (1, 2, 3, 5)),
        ("bid, bjd -> bij", [(2, 3, 4), (2, 5, 4)], (2, 3, 5)),
    ],
)
def test_einsum(equation, shapes, result):
    x, y = (cases(*shape) for shape in shapes)
    found = evaluate("einsum", {"case_values0": x, "case_values1": y}, {"equation": equation}, [result])
    wanted = each(lambda a, b: np.einsum(equation.replace(" ", ""), a, b), x, y)
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


def test_einsum_with_unnamed_axes_is_refused():
    with pytest.raises(ArtifactRefused, match=r"einsum.*name every axis"):
        evaluate(
            "einsum",
            {"case_values0": cases(2, 3), "case_values1": cases(3, 2)},
            {"equation": "...i,ij->...j"},
            [(2, 2)],
        )


def test_attention_with_and_without_a_mask():
    query, key, value = cases(2, 5, 8), cases(2, 7, 8), cases(2, 7, 3)
    given = {"case_query": query, "case_key": key, "case_value": value}
    scores = query @ np.swapaxes(key, -1, -2) / np.sqrt(8)
    kind = "scaled_dot_product_attention"
    found = evaluate(kind, given, {}, [(2, 5, 3)])
    np.testing.assert_allclose(found, softmax(scores) @ value, rtol=1e-4, atol=1e-5)
    allowed = np.tril(np.ones((5, 7), bool))
    found = evaluate(kind, given, {"attn_mask": allowed}, [(2, 5, 3)])
    wanted = softmax(np.where(allowed, scores, -np.inf)) @ value
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)
    added = RANDOM.normal(size=(5, 7)).astype(np.float32)
    found = evaluate(kind, given, {"attn_mask": added}, [(2, 5, 3)])
    np.testing.assert_allclose(found, softmax(scores + added) @ value, rtol=1e-4, atol=1e-5)


def test_instance_norm_normalises_each_channel():
    x = cases(1, 3, 4, 5)
    gamma, beta = np.array([1.0, 2.0, 3.0]), np.array([0.0, 1.0, -1.0])
    found = evaluate(
        "instance_norm",
        {"case_x": x},
        {"gamma": gamma, "beta": beta, "epsilon": np.float32(1e-6)},
        [(1, 3, 4, 5)],
    )
    np.testing.assert_allclose(found.mean((1, 3, 4)), np.tile(beta, (CASES, 1)), atol=1e-5)
    np.testing.assert_allclose(found.std((1, 3, 4)), np.tile(gamma, (CASES, 1)), rtol=1e-3)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_gather_by_numbers_that_are_computed(axis):
    x = cases(3, 4, 5)
    indices = RANDOM.integers(0, 3, (CASES, 2))
    wanted = np.stack([np.take(v, i, axis=axis) for v, i in zip(x, indices, strict=True)])
    found = evaluate(
        "gather", {"case_x": x, "case_indices": indices}, {"axis": np.int32(axis)}, [wanted.shape[1:]]
    )
    np.testing.assert_array_equal(found, wanted)


def test_a_table_that_all_cases_share_is_looked_up_for_each():
    table, indices = RANDOM.normal(size=(6, 2)).astype(np.float32), RANDOM.integers(0, 6, (CASES, 3))
    found = evaluate("gather", {"case_indices": indices}, {"x": table, "axis": np.int32(0)}, [(3, 2)])
    np.testing.assert_array_equal(found, table[indices])


def test_gather_along_an_axis():
    x, indices = cases(3, 4), RANDOM.integers(0, 4, (CASES, 3, 2))
    found = evaluate(
        "gather_along_axis", {"case_x": x, "case_indices": indices}, {"axis": np.int32(1)}, [(3, 2)]
    )
    np.testing.assert_array_equal(found, np.take_along_axis(x, indices, -1))


def test_concat_may_interleave():
    a, b = cases(2, 3), cases(2, 3)
    found = evaluate(
        "concat",
        {"case_values0": a, "case_values1": b},
        {"axis": np.int32(1), "interleave": True},
        [(2, 6)],
    )
    np.testing.assert_array_equal(found[:, :, ::2], a)
    np.testing.assert_array_equal(found[:, :, 1::2], b)


def test_stack_squeeze_and_expand():
    a, b = cases(2, 1), cases(2, 1)
    found = evaluate("stack", {"case_values0": a, "case_values1": b}, {"axis": np.int32(0)}, [(2, 2, 1)])
    np.testing.assert_array_equal(found, np.stack([a, b], 1))
    np.testing.assert_array_equal(evaluate("squeeze", {"case_x": a}, {}, [(2,)]), a[..., 0])
    np.testing.assert_array_equal(evaluate("expand_dims", {"case_x": a}, {}, [(1, 2, 1)]), a[:, None])


def test_strided_depthwise_convolution_in_one_dimension():
    x, weight = cases(1, 3, 10), RANDOM.normal(size=(6, 1, 3)).astype(np.float32)
    attributes = {
        "weight": weight,
        "pad_type": "custom",
        "pad": np.array([1, 1]),
        "strides": np.array([2]),
        "groups": np.int32(3),
    }
    padded = np.pad(x, [(0, 0), (0, 0), (0, 0), (1, 1)])
    wanted = np.zeros((CASES, 1, 6, 5))
    for out in range(6):
        for step in range(5):
            window = padded[:, 0, out // 2, 2 * step : 2 * step + 3]
            wanted[:, 0, out, step] = (window * weight[out, 0]).sum(-1)
    found = evaluate("conv", {"case_x": x}, attributes, [(1, 6, 5)])
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", NAMED.split())
def test_the_operations_that_the_documentation_names_have_kernels(name):
    assert name in KERNELS
