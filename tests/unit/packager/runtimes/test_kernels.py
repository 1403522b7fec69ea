"""Kernels against plain numpy on the declared shapes: every case alone, loops where loops are clearer."""

import itertools

import numpy as np
import pytest

from packager.errors import ArtifactRefused
from packager.runtimes.milevaluator import round_to_fp16
from packager.runtimes.milkernels import KERNELS
from tests.unit.packager.runtimes.single_operations import CASES, RANDOM, cases, each, evaluate


@pytest.mark.parametrize(
    ("kind", "function"),
    [
        ("relu", lambda x: np.maximum(x, 0)),
        ("tanh", np.tanh),
        ("sigmoid", lambda x: 1 / (1 + np.exp(-x))),
        ("softplus", lambda x: np.log(1 + np.exp(x.astype(float)))),
        ("exp", np.exp),
        ("square", np.square),
        ("silu", lambda x: x / (1 + np.exp(-x))),
        ("relu6", lambda x: np.minimum(np.maximum(x, 0), 6)),
        ("sign", np.sign),
    ],
)
def test_unary(kind, function):
    x = 3 * cases(1, 4, 5)
    np.testing.assert_allclose(
        evaluate(kind, {"case_x": x}, {}, [(1, 4, 5)]), function(x), rtol=1e-5, atol=1e-6
    )


def test_softplus_and_sigmoid_do_not_overflow():
    x = np.full((CASES, 2), 300, np.float32) * np.array([1, -1], np.float32)
    np.testing.assert_allclose(evaluate("softplus", {"case_x": x}, {}, [(2,)])[0], [300, 0])
    np.testing.assert_allclose(evaluate("sigmoid", {"case_x": x}, {}, [(2,)])[0], [1, 0])


@pytest.mark.parametrize(
    ("kind", "function"),
    [
        ("add", np.add),
        ("sub", np.subtract),
        ("mul", np.multiply),
        ("maximum", np.maximum),
        ("real_div", np.divide),
    ],
)
def test_binary_aligns_ranks_behind_the_case_axis(kind, function):
    # Three cases and a last axis of three: an evaluator that lets the case axis broadcast would not notice.
    x, y = cases(3), cases(2, 1, 3)
    wanted = each(function, x, y)
    np.testing.assert_allclose(evaluate(kind, {"case_x": x, "case_y": y}, {}, [(2, 1, 3)]), wanted, rtol=1e-6)


def test_binary_with_a_constant():
    x, y = cases(1, 4), RANDOM.normal(size=(2, 4)).astype(np.float32)
    np.testing.assert_allclose(evaluate("mul", {"case_x": x}, {"y": y}, [(2, 4)]), x * y, rtol=1e-6)


@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize(
    ("kind", "function"), [("reduce_sum", np.sum), ("reduce_mean", np.mean), ("reduce_max", np.max)]
)
def test_reductions(kind, function, keep):
    x = cases(2, 3, 4)
    wanted = each(lambda v: function(v, axis=(-1, 0), keepdims=keep), x)
    found = evaluate(kind, {"case_x": x}, {"axes": np.array([-1, 0]), "keep_dims": keep}, [wanted.shape[1:]])
    np.testing.assert_allclose(found, wanted, rtol=1e-5)


def test_softmax_sums_to_one_even_for_large_numbers():
    x = 100 * cases(4, 6)
    found = evaluate("softmax", {"case_x": x}, {"axis": np.int32(-1)}, [(4, 6)])
    np.testing.assert_allclose(found.sum(-1), 1, rtol=1e-6)
    np.testing.assert_array_equal(found.argmax(-1), x.argmax(-1))


@pytest.mark.parametrize("exclusive", [False, True])
@pytest.mark.parametrize("backwards", [False, True])
def test_cumsum(exclusive, backwards):
    x = cases(4, 5)
    wanted = np.zeros_like(x)
    for j in range(5):
        members = [k for k in range(5) if (k >= j if backwards else k <= j) and not (exclusive and k == j)]
        wanted[:, :, j] = x[:, :, members].sum(-1)
    attributes = {"axis": np.int32(1), "exclusive": exclusive, "reverse": backwards}
    np.testing.assert_allclose(
        evaluate("cumsum", {"case_x": x}, attributes, [(4, 5)]), wanted, rtol=1e-4, atol=1e-5
    )


def test_movers():
    x = cases(2, 3, 4)
    perm = np.array([2, 0, 1])
    np.testing.assert_array_equal(
        evaluate("transpose", {"case_x": x}, {"perm": perm}, [(4, 2, 3)]),
        each(lambda v: v.transpose(perm), x),
    )
    np.testing.assert_array_equal(evaluate("reshape", {"case_x": x}, {}, [(6, 4)]), x.reshape(CASES, 6, 4))
    np.testing.assert_array_equal(
        evaluate("tile", {"case_x": x}, {"reps": np.array([1, 2, 1])}, [(2, 6, 4)]),
        each(lambda v: np.tile(v, (1, 2, 1)), x),
    )
    np.testing.assert_array_equal(
        evaluate("reverse", {"case_x": x}, {"axes": np.array([1])}, [(2, 3, 4)]), x[:, :, ::-1]
    )
    np.testing.assert_array_equal(
        evaluate("gather", {"case_x": x}, {"indices": np.array([2, 0]), "axis": np.int32(-1)}, [(2, 3, 2)]),
        x[..., [2, 0]],
    )
    first, second = evaluate("split", {"case_x": x}, {"axis": np.int32(2)}, [(2, 3, 1), (2, 3, 3)])
    np.testing.assert_array_equal(np.concatenate([first, second], -1), x)


def test_slice_by_index_masks_and_squeezes():
    x = cases(4, 5, 6)
    attributes = {
        "begin": np.array([1, 3, -2]),
        "end": np.array([3, 0, 0]),
        "stride": np.array([1, -1, 1]),
        "begin_mask": np.array([False, False, False]),
        "end_mask": np.array([False, True, False]),
        "squeeze_mask": np.array([False, False, True]),
    }
    found = evaluate("slice_by_index", {"case_x": x}, attributes, [(2, 4)])
    np.testing.assert_array_equal(found, x[:, 1:3, 3::-1, -2])


def test_concat_of_a_constant_and_cases():
    a, b = cases(2, 3), cases(2, 1)
    found = evaluate("concat", {"case_values0": a, "case_values1": b}, {"axis": np.int32(-1)}, [(2, 4)])
    np.testing.assert_array_equal(found, np.concatenate([a, b], -1))


def test_pad_fills_the_last_axes():
    x = cases(2, 3)
    found = evaluate("pad", {"case_x": x}, {"pad": np.array([1, 2]), "constant_val": np.float32(7)}, [(2, 6)])
    np.testing.assert_array_equal(found, np.pad(x, [(0, 0), (0, 0), (1, 2)], constant_values=7))


def naive_conv(x, weight, bias, pads, strides, dilations, groups):
    """One case, straight from the definition."""
    x = np.pad(x[0], [(0, 0), *pads])
    outs, per_group, kh, kw = weight.shape
    height = (x.shape[1] - dilations[0] * (kh - 1) - 1) // strides[0] + 1
    width = (x.shape[2] - dilations[1] * (kw - 1) - 1) // strides[1] + 1
    result = np.zeros((1, outs, height, width))
    for o, i, j in itertools.product(range(outs), range(height), range(width)):
        group = o // (outs // groups)
        for c, a, b in itertools.product(range(per_group), range(kh), range(kw)):
            value = x[
                group * per_group + c, i * strides[0] + a * dilations[0], j * strides[1] + b * dilations[1]
            ]
            result[0, o, i, j] += weight[o, c, a, b] * value
        result[0, o, i, j] += bias[o]
    return result


@pytest.mark.parametrize(
    ("size", "kind", "strides", "dilations", "groups"),
    [
        ((3, 1), "same", (1, 1), (2, 1), 1),
        ((3, 1), "same", (2, 1), (1, 1), 1),
        ((3, 1), "same_lower", (2, 1), (1, 1), 1),
        ((2, 3), "valid", (1, 2), (1, 1), 2),
        ((2, 2), "custom", (1, 1), (1, 1), 1),
        ((1, 1), "valid", (1, 1), (1, 1), 1),
        ((3, 1), "valid", (1, 1), (1, 1), 4),
    ],
)
def test_conv(size, kind, strides, dilations, groups):
    x = cases(1, 4, 8, 5)
    weight = RANDOM.normal(size=(8, 4 // groups, *size)).astype(np.float32)
    bias = RANDOM.normal(size=8).astype(np.float32)
    pads = [(0, 0), (0, 0)]
    if kind == "custom":
        pads = [(1, 0), (0, 2)]
    elif kind.startswith("same"):
        total = max((-(-8 // strides[0]) - 1) * strides[0] + dilations[0] * (size[0] - 1) + 1 - 8, 0)
        small, large = total // 2, total - total // 2
        pads = [(small, large) if kind == "same" else (large, small), (0, 0)]
    wanted = each(lambda v: naive_conv(v, weight, bias, pads, strides, dilations, groups), x)
    attributes = {
        "weight": weight,
        "bias": bias,
        "pad_type": kind,
        "pad": np.ravel(pads),
        "strides": np.array(strides),
        "dilations": np.array(dilations),
        "groups": np.int32(groups),
    }
    found = evaluate("conv", {"case_x": x}, attributes, [wanted.shape[1:]])
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


def test_conv_in_one_dimension():
    x, weight = cases(1, 3, 9), RANDOM.normal(size=(2, 3, 3)).astype(np.float32)
    wanted = each(
        lambda v: naive_conv(v[..., None], weight[..., None], [0, 0], [(0, 0)] * 2, (1, 1), (1, 1), 1), x
    )
    found = evaluate("conv", {"case_x": x}, {"weight": weight, "pad_type": "valid"}, [(1, 2, 7)])
    np.testing.assert_allclose(found, wanted[..., 0], rtol=1e-4, atol=1e-5)


def test_pooling():
    x = cases(1, 2, 6, 1)
    windows = x.reshape(CASES, 1, 2, 3, 2, 1)
    attributes = {"kernel_sizes": np.array([2, 1]), "strides": np.array([2, 1]), "pad_type": "valid"}
    shape = [(1, 2, 3, 1)]
    np.testing.assert_array_equal(evaluate("max_pool", {"case_x": x}, attributes, shape), windows.max(-2))
    np.testing.assert_allclose(
        evaluate("avg_pool", {"case_x": x}, attributes, shape), windows.mean(-2), rtol=1e-6
    )


def test_average_pooling_may_leave_the_padding_out():
    x = np.ones((CASES, 1, 1, 3), np.float32)
    attributes = {
        "kernel_sizes": np.array([3]),
        "strides": np.array([1]),
        "pad_type": "custom",
        "pad": np.array([1, 1]),
    }
    with_padding = evaluate("avg_pool", {"case_x": x}, attributes, [(1, 1, 3)])
    without = evaluate(
        "avg_pool", {"case_x": x}, attributes | {"exclude_padding_from_average": True}, [(1, 1, 3)]
    )
    np.testing.assert_allclose(with_padding[0, 0, 0], [2 / 3, 1, 2 / 3], rtol=1e-6)
    np.testing.assert_array_equal(without, x)


@pytest.mark.parametrize("flip", [False, True])
def test_matmul_with_constant_and_with_cases(flip):
    x, y = cases(4, 5), RANDOM.normal(size=(6, 5) if flip else (5, 6)).astype(np.float32)
    wanted = each(lambda v: v @ (y.T if flip else y), x)
    attributes = {"transpose_y": flip}
    constant = evaluate("matmul", {"case_x": x}, attributes | {"y": y}, [(4, 6)])
    dynamic = evaluate("matmul", {"case_x": x, "case_y": np.stack([y] * CASES)}, attributes, [(4, 6)])
    np.testing.assert_allclose(constant, wanted, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(dynamic, wanted, rtol=1e-4, atol=1e-5)


def test_matmul_of_different_ranks():
    x, y = cases(5, 4), cases(2, 4, 3)
    found = evaluate("matmul", {"case_x": x, "case_y": y}, {}, [(2, 5, 3)])
    np.testing.assert_allclose(found, each(np.matmul, x, y), rtol=1e-4, atol=1e-5)


def test_linear_and_normalisations():
    x = cases(1, 5)
    weight, bias = RANDOM.normal(size=(4, 5)).astype(np.float32), RANDOM.normal(size=4).astype(np.float32)
    found = evaluate("linear", {"case_x": x}, {"weight": weight, "bias": bias}, [(1, 4)])
    np.testing.assert_allclose(found, x @ weight.T + bias, rtol=1e-4, atol=1e-5)
    y = cases(1, 3, 4)
    mean, variance = np.arange(3.0), np.arange(1.0, 4.0)
    found = evaluate(
        "batch_norm",
        {"case_x": y},
        {"mean": mean, "variance": variance, "epsilon": np.float32(0)},
        [(1, 3, 4)],
    )
    wanted = (y - mean[:, None]) / np.sqrt(variance)[:, None]
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)
    found = evaluate(
        "layer_norm", {"case_x": y}, {"axes": np.array([-1]), "epsilon": np.float32(0)}, [(1, 3, 4)]
    )
    np.testing.assert_allclose(found.mean(-1), 0, atol=1e-6)
    np.testing.assert_allclose(found.std(-1), 1, rtol=1e-4)


def test_quantize_and_dequantize_are_inverse_on_the_grid():
    x = (np.arange(CASES * 4).reshape(CASES, 4) - 6).astype(np.float32) * 0.5
    levels = evaluate(
        "quantize",
        {"case_input": x},
        {"scale": np.float32(0.5), "zero_point": np.int8(3)},
        [(4,)],
        dtype="int8",
    )
    np.testing.assert_array_equal(levels, x / 0.5 + 3)
    back = evaluate(
        "dequantize", {"case_input": levels}, {"scale": np.float32(0.5), "zero_point": np.int8(3)}, [(4,)]
    )
    np.testing.assert_array_equal(back, x)


def test_rounding_equals_numpys_conversion_everywhere():
    powers = RANDOM.normal(size=200_000) * 10.0 ** RANDOM.uniform(-9, 4.8, 200_000)
    edges = [
        0,
        65504,
        65519.99,
        2**-14,
        2**-24,
        2**-25,
        1.5 * 2**-24,
        1 + 2**-11,
        1 + 3 * 2**-11,
        -1 - 2**-11,
    ]
    x = np.concatenate([powers, edges]).astype(np.float32)
    x = x[np.abs(x) < 65520]
    np.testing.assert_array_equal(round_to_fp16(x), x.astype(np.float16).astype(np.float32))


def test_rounding_overflows_to_infinity_and_keeps_nan():
    x = np.array([65520, -1e6, np.inf, np.nan, 1.0], np.float32)
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(round_to_fp16(x), [np.inf, -np.inf, np.inf, np.nan, 1.0])


def test_only_values_declared_fp16_are_rounded():
    x = np.full((CASES, 1), 1 + 2**-12, np.float32)
    for dtype, wanted in (("fp16", 1.0), ("fp32", 1 + 2**-12)):
        found = evaluate("mul", {"case_x": x}, {"y": np.float32(1)}, [(1,)], dtype=dtype, rounding=True)
        assert found[0, 0] == np.float32(wanted)


def test_an_unknown_operation_is_refused_with_the_supported_ones():
    with pytest.raises(ArtifactRefused) as refused:
        evaluate("lstm", {"case_x": cases(2)}, {}, [(2,)])
    assert "Operations lstm have no kernel here" in str(refused.value)
    assert "conv" in str(refused.value)
    assert "softmax" in str(refused.value)


def test_computed_axes_are_refused():
    with pytest.raises(ArtifactRefused, match="transpose computes its perm while it runs"):
        evaluate("transpose", {"case_x": cases(2, 3), "case_perm": cases(2)}, {}, [(3, 2)])


def test_every_kernel_is_registered_once_with_its_tensors():
    assert len(KERNELS) > 70
    assert all(entry.tensors for entry in KERNELS.values())
