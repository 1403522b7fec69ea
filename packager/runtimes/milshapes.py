"""Kernels that move numbers without changing them: reshape, slice, concatenate and the like."""

from typing import Any

import numpy as np

from packager.errors import ArtifactRefused
from packager.runtimes.milkernels import Kernel, Node, axes_after_cases, kernel, lift


def _declared_shape(node: Node) -> Kernel:
    shape = node.output.shape
    return lambda x: x.reshape(len(x), *shape)


for _name in ("reshape", "squeeze", "expand_dims", "flatten2d"):
    kernel(_name, "x", exact=True)(_declared_shape)


@kernel("cast", "x")
def _cast(node: Node) -> Kernel:
    # Both float types are computed in float32; the evaluator rounds what is declared fp16.
    dtype = {"fp16": np.float32, "fp32": np.float32, "bool": np.bool_}.get(node.output.dtype, np.int32)
    return lambda x: x.astype(dtype, copy=False)


@kernel("transpose", "x", exact=True)
def _transpose(node: Node) -> Kernel:
    order = (0, *axes_after_cases(node.integers("perm"), node.rank("x")))
    return lambda x: x.transpose(order)


@kernel("concat", "values", exact=True)
def _concat(node: Node) -> Kernel:
    (axis,) = axes_after_cases(node.integers("axis"), len(node.output.shape))
    shape, interleave = node.output.shape, node.flag("interleave")

    def run(*values: Any) -> Any:
        cases = max(len(value) for value in values)
        each = [_for_all(value, cases) for value in values]
        if interleave:
            return np.stack(each, axis=axis + 1).reshape(cases, *shape)
        return np.concatenate(each, axis=axis)

    return run


@kernel("stack", "values", exact=True)
def _stack(node: Node) -> Kernel:
    (axis,) = axes_after_cases(node.integers("axis"), len(node.output.shape))

    def run(*values: Any) -> Any:
        cases = max(len(value) for value in values)
        return np.stack([_for_all(value, cases) for value in values], axis=axis)

    return run


def _for_all(value: Any, cases: int) -> Any:
    return np.broadcast_to(value, (cases, *value.shape[1:]))


@kernel("split", "x", exact=True)
def _split(node: Node) -> Kernel:
    (axis,) = axes_after_cases(node.integers("axis"), node.rank("x"))
    widths = [declared.shape[axis - 1] for _, declared in node.operation.outputs]
    borders = np.cumsum(widths)[:-1]
    return lambda x: tuple(np.split(x, borders, axis=axis))


@kernel("slice_by_index", "x", exact=True)
def _slice_by_index(node: Node) -> Kernel:
    rank = node.rank("x")
    begin, end = node.integers("begin"), node.integers("end")
    stride = node.integers("stride", [1] * rank)
    begin_mask, end_mask, squeeze_mask = (
        node.integers(name, [0] * rank) for name in ("begin_mask", "end_mask", "squeeze_mask")
    )
    index: list[Any] = [slice(None)]
    for axis in range(rank):
        if squeeze_mask[axis]:
            index.append(begin[axis])
        else:
            start = None if begin_mask[axis] else begin[axis]
            index.append(slice(start, None if end_mask[axis] else end[axis], stride[axis]))
    where = tuple(index)
    return lambda x: x[where]


@kernel("slice_by_size", "x", exact=True)
def _slice_by_size(node: Node) -> Kernel:
    sizes = zip(node.integers("begin"), node.output.shape, strict=True)
    where = (slice(None), *(slice(begin, begin + size) for begin, size in sizes))
    return lambda x: x[where]


@kernel("tile", "x", exact=True)
def _tile(node: Node) -> Kernel:
    repeats = (1, *node.integers("reps"))
    return lambda x: np.tile(x, repeats)


@kernel("reverse", "x", exact=True)
def _reverse(node: Node) -> Kernel:
    rank = node.rank("x")
    axes = axes_after_cases(node.integers("axes", list(range(rank))), rank)
    return lambda x: np.flip(x, axes)


@kernel("gather", "x", "indices", exact=True)
def _gather(node: Node) -> Kernel:
    (axis,) = axes_after_cases(node.integers("axis", 0), node.rank("x"))
    if node.integers("batch_dims", 0) != [0]:
        raise ArtifactRefused("Operation gather with batch_dims does not run here; gather along one axis.")
    if node.is_constant("indices"):
        fixed = np.asarray(node.constant("indices"))
        return lambda x, _: np.take(x, fixed, axis=axis)

    def run(x: Any, indices: Any) -> Any:
        cases = max(len(x), len(indices))
        pairs = zip(_for_all(x, cases), _for_all(indices, cases), strict=True)
        return np.stack([np.take(values, index.astype(int), axis=axis - 1) for values, index in pairs])

    return run


@kernel("gather_along_axis", "x", "indices", exact=True)
def _gather_along_axis(node: Node) -> Kernel:
    (axis,) = axes_after_cases(node.integers("axis", 0), node.rank("x"))

    def run(x: Any, indices: Any) -> Any:
        cases = max(len(x), len(indices))
        return np.take_along_axis(_for_all(x, cases), _for_all(indices, cases).astype(int), axis)

    return run


@kernel("pad", "x", exact=True)
def _pad(node: Node) -> Kernel:
    amounts = np.array(node.integers("pad")).reshape(-1, 2)
    width = [(0, 0)] * (node.rank("x") + 1 - len(amounts)) + [(int(a), int(b)) for a, b in amounts]
    mode = node.constant("mode", "constant")
    if mode == "constant":
        fill = float(node.constant("constant_val", 0.0))
        return lambda x: np.pad(x, width, constant_values=fill)
    if mode == "reflect":
        return lambda x: np.pad(x, width, mode="reflect")
    return lambda x: np.pad(x, width, mode="edge")


@kernel("broadcast_to", "x", exact=True)
def _broadcast_to(node: Node) -> Kernel:
    shape = node.output.shape
    return lambda x: np.broadcast_to(lift(x, len(shape)), (len(x), *shape))
