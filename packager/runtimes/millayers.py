"""Kernels with weights or windows: linear, matmul, convolution, pooling, normalisation, quantization."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from packager.errors import ArtifactRefused
from packager.runtimes.milkernels import Kernel, Node, axes_after_cases, kernel, lift

Windows = tuple[list[tuple[int, int]], list[int], list[int]]


def _weights(node: Node, parameter: str) -> NDArray[np.float32] | None:
    value = node.constant(parameter)
    return None if value is None else np.ascontiguousarray(value, np.float32)


@kernel("linear", "x")
def _linear(node: Node) -> Kernel:
    weight = np.asarray(node.constant("weight"), np.float32)
    return _times_matrix(np.ascontiguousarray(weight.T), _weights(node, "bias"))


@kernel("matmul", "x", "y")
def _matmul(node: Node) -> Kernel:
    flip_x, flip_y = node.flag("transpose_x"), node.flag("transpose_y")
    if node.is_constant("y") and node.rank("y") == 2 and not flip_x:
        y = np.asarray(node.constant("y"), np.float32)
        times = _times_matrix(np.ascontiguousarray(y.T if flip_y else y), None)
        return lambda x, _: times(x)
    rank = max(node.rank("x"), node.rank("y"))

    def run(x: Any, y: Any) -> Any:
        left, right = lift(x, rank), lift(y, rank)
        return np.matmul(
            np.swapaxes(left, -1, -2) if flip_x else left, np.swapaxes(right, -1, -2) if flip_y else right
        )

    return run


@kernel("einsum", "values")
def _einsum(node: Node) -> Kernel:
    equation = str(node.constant("equation")).replace(" ", "")
    if "..." in equation or "->" not in equation:
        raise ArtifactRefused(f"Operation einsum with {equation!r} does not run here; name every axis.")
    # Z is the case axis, which every operand and the result have in front; equations are in small letters.
    operands, result = equation.split("->")
    with_cases = ",".join(f"Z{axes}" for axes in operands.split(",")) + f"->Z{result}"

    def run(*values: Any) -> Any:
        cases = max(len(value) for value in values)
        each = [np.broadcast_to(value, (cases, *value.shape[1:])) for value in values]
        return np.einsum(with_cases, *each, optimize=True)

    return run


@kernel("scaled_dot_product_attention", "query", "key", "value", "attn_mask")
def _attention(node: Node) -> Kernel:
    scale = np.float32(1.0 / np.sqrt(node.shape("query")[-1]))

    def run(query: Any, key: Any, value: Any, mask: Any = None) -> Any:
        scores = np.matmul(query * scale, np.swapaxes(key, -1, -2))
        if mask is not None:
            allowed = lift(mask, query.ndim - 1)
            scores = np.where(allowed, scores, -np.inf) if mask.dtype == np.bool_ else scores + allowed
        powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
        return np.matmul(powers / powers.sum(axis=-1, keepdims=True), value)

    return run


def _times_matrix(matrix: Any, bias: Any) -> Kernel:
    def run(x: Any) -> Any:
        # One product of two matrices is many times faster than a stack of products of one row.
        product = x.reshape(-1, x.shape[-1]) @ matrix
        if bias is not None:
            product += bias
        return product.reshape(*x.shape[:-1], matrix.shape[-1])

    return run


@kernel("conv", "x")
def _conv(node: Node) -> Kernel:
    weight, bias = _weights(node, "weight"), _weights(node, "bias")
    if weight is None or weight.ndim not in {3, 4}:
        raise ArtifactRefused(
            "Operation conv runs here in one or two dimensions; convert without 3-D convolutions."
        )
    groups = node.integers("groups", 1)[0]
    windows = _windows(node, list(weight.shape[2:]))
    outs, _, *size = _two_dimensional(weight).shape
    # (group, output channel, window × input channel): the order in which _columns lays out what it gathers.
    matrix = np.ascontiguousarray(
        _two_dimensional(weight).transpose(0, 2, 3, 1).reshape(groups, outs // groups, -1)
    )

    def run(x: Any) -> Any:
        columns = _columns(_two_dimensional(x.reshape(-1, *x.shape[2:])), size, windows, groups)
        result = np.matmul(matrix, columns).reshape(len(columns), outs, -1)
        if bias is not None:
            result += bias[:, None]
        return result.reshape(len(x), *node.output.shape)

    return run


def _columns(x: Any, size: list[int], windows: Windows, groups: int) -> Any:
    """Gather windows: (case, channel, height, width) → (case, group, window × channel, position)."""
    taps = _taps(x, size, windows, 0.0)
    cases, channels = x.shape[:2]
    if len(taps) == 1 and groups == 1:
        return taps[0].reshape(cases, 1, channels, -1)
    stacked = np.stack([tap.reshape(cases, groups, channels // groups, -1) for tap in taps], axis=2)
    return stacked.reshape(cases, groups, len(taps) * (channels // groups), -1)


def _taps(x: Any, size: list[int], windows: Windows, fill: float) -> list[Any]:
    """The input shifted to each position of the window: what that position sees at every output."""
    pads, strides, dilations = windows
    if any(before or after for before, after in pads):
        x = np.pad(x, [(0, 0), (0, 0), *pads], constant_values=fill)
    counts = [
        (extent - dilation * (taps - 1) - 1) // stride + 1
        for extent, taps, stride, dilation in zip(x.shape[2:], size, strides, dilations, strict=True)
    ]
    return [
        x[
            :,
            :,
            i * dilations[0] : i * dilations[0] + (counts[0] - 1) * strides[0] + 1 : strides[0],
            j * dilations[1] : j * dilations[1] + (counts[1] - 1) * strides[1] + 1 : strides[1],
        ]
        for i in range(size[0])
        for j in range(size[1])
    ]


def _two_dimensional(x: Any) -> Any:
    return x[..., None] if x.ndim == 3 else x


def _windows(node: Node, size: list[int]) -> Windows:
    """Padding, strides and dilations of two spatial axes; a missing second one is neutral."""
    spatial = len(size)
    strides, dilations = node.integers("strides", [1] * spatial), node.integers("dilations", [1] * spatial)
    kind = node.constant("pad_type", "valid")
    extents = node.shape("x")[2:]
    if kind == "custom":
        amounts = node.integers("pad", [0] * 2 * spatial)
        pads = [(amounts[2 * axis], amounts[2 * axis + 1]) for axis in range(spatial)]
    elif kind in {"same", "same_lower"}:
        needed = [
            max((-(-extent // stride) - 1) * stride + dilation * (taps - 1) + 1 - extent, 0)
            for extent, taps, stride, dilation in zip(extents, size, strides, dilations, strict=True)
        ]
        pads = [(n // 2, n - n // 2) if kind == "same" else (n - n // 2, n // 2) for n in needed]
    elif kind == "valid":
        pads = [(0, 0)] * spatial
    else:
        raise ArtifactRefused(
            f"Padding {kind!r} does not run here; known are valid, same, same_lower and custom."
        )
    extra = 2 - spatial
    return pads + [(0, 0)] * extra, strides + [1] * extra, dilations + [1] * extra


def _pool(node: Node, fill: float) -> tuple[Any, list[int], Windows]:
    size = node.integers("kernel_sizes")
    if node.flag("ceil_mode") or len(size) not in {1, 2}:
        raise ArtifactRefused("Pooling runs here in one or two dimensions and without ceil_mode.")
    windows = _windows(node, size)
    full = size + [1] * (2 - len(size))
    return (
        (lambda x: _taps(_two_dimensional(x.reshape(-1, *x.shape[2:])), full, windows, fill)),
        full,
        windows,
    )


@kernel("max_pool", "x", exact=True)
def _max_pool(node: Node) -> Kernel:
    taps, _, _ = _pool(node, -np.inf)
    shape = node.output.shape
    return lambda x: np.maximum.reduce(taps(x)).reshape(len(x), *shape)


@kernel("avg_pool", "x")
def _avg_pool(node: Node) -> Kernel:
    taps, size, windows = _pool(node, 0.0)
    shape = node.output.shape
    divisor: Any = size[0] * size[1]
    if node.flag("exclude_padding_from_average"):
        ones = _two_dimensional(np.ones((1, 1, *node.shape("x")[2:]), np.float32))
        divisor = sum(_taps(ones, size, windows, 0.0)).reshape(1, 1, *shape[2:])
    return lambda x: (sum(taps(x)).reshape(-1, *shape[1:]) / divisor).reshape(len(x), *shape)


@kernel("batch_norm", "x")
def _batch_norm(node: Node) -> Kernel:
    mean, variance = (np.asarray(node.constant(name), np.float32) for name in ("mean", "variance"))
    gamma, beta = _weights(node, "gamma"), _weights(node, "beta")
    scale = 1.0 / np.sqrt(variance + node.number("epsilon", 1e-5))
    scale = scale if gamma is None else scale * gamma
    offset = (0.0 if beta is None else beta) - mean * scale
    shape = (-1, *(1,) * (node.rank("x") - 2))
    return lambda x: x * scale.reshape(shape) + offset.reshape(shape)


@kernel("instance_norm", "x")
def _instance_norm(node: Node) -> Kernel:
    axes = tuple(range(3, node.rank("x") + 1))
    shape = (-1, *(1,) * (node.rank("x") - 2))
    gamma, beta = _weights(node, "gamma"), _weights(node, "beta")
    epsilon = node.number("epsilon", 1e-5)

    def run(x: Any) -> Any:
        centred = x - x.mean(axis=axes, keepdims=True)
        normal = centred / np.sqrt(np.square(centred).mean(axis=axes, keepdims=True) + epsilon)
        scaled = normal if gamma is None else normal * gamma.reshape(shape)
        return scaled if beta is None else scaled + beta.reshape(shape)

    return run


@kernel("layer_norm", "x")
def _layer_norm(node: Node) -> Kernel:
    rank = node.rank("x")
    axes = axes_after_cases(node.integers("axes", list(range(rank))), rank)
    gamma, beta = _weights(node, "gamma"), _weights(node, "beta")
    epsilon = node.number("epsilon", 1e-5)

    def run(x: Any) -> Any:
        centred = x - x.mean(axis=axes, keepdims=True)
        normal = centred / np.sqrt(np.square(centred).mean(axis=axes, keepdims=True) + epsilon)
        scaled = normal if gamma is None else normal * gamma
        return scaled if beta is None else scaled + beta

    return run


def _scale_and_zero(node: Node) -> tuple[Any, Any]:
    shape = [1] * node.rank("input")
    if node.has("axis") and np.ndim(node.constant("scale")):
        shape[node.integers("axis")[0]] = -1
    scale = np.asarray(node.constant("scale"), np.float32).reshape(
        shape if np.ndim(node.constant("scale")) else ()
    )
    zero = np.asarray(node.constant("zero_point", 0), np.float32)
    return scale, zero.reshape(shape) if zero.ndim else zero


@kernel("quantize", "input", exact=True)
def _quantize(node: Node) -> Kernel:
    scale, zero = _scale_and_zero(node)
    low, high = (0, 255) if node.output.dtype == "uint8" else (-128, 127)
    return lambda x: np.clip(np.rint(x / scale) + zero, low, high)


@kernel("dequantize", "input")
def _dequantize(node: Node) -> Kernel:
    scale, zero = _scale_and_zero(node)
    return lambda x: ((x - zero) * scale).astype(np.float32)
