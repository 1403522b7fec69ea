"""Numpy kernels of ML Program operations: elementwise, reductions, and the registry of all kernels.

Every tensor has a case axis in front of the shape that the program declares: 1 for constants, the number of
cases for the rest. So a program that is written for a batch of 1 runs for many cases at once, whatever it
does with its own batch axis. A builder looks at an operation once, when the program is opened, and returns
the function that is called for every chunk.

Source: coremltools 9, `converters/mil/mil/ops/defs/iOS15` to `iOS17`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from packager.errors import ArtifactRefused
from packager.runtimes.milprogram import Operation, Program, TensorType
from packager.types import FloatArray

Kernel = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Node:
    """An operation with what is known of its inputs before it runs."""

    operation: Operation
    program: Program

    @property
    def output(self) -> TensorType:
        """The declared type of the first output."""
        return self.operation.outputs[0][1]

    def has(self, parameter: str) -> bool:
        """Whether the operation gives this parameter."""
        return bool(self.operation.inputs.get(parameter))

    def rank(self, parameter: str) -> int:
        """The declared rank of an input."""
        return len(self.shape(parameter))

    def shape(self, parameter: str) -> tuple[int, ...]:
        """The declared shape of an input."""
        return self.program.types[self.operation.inputs[parameter][0]].shape

    def is_constant(self, parameter: str) -> bool:
        """Whether an input is known before the program runs."""
        return self.operation.inputs[parameter][0] in self.program.constants

    def constant(self, parameter: str, default: Any = None) -> Any:
        """The value of a constant input, or the default where it is not given.

        Raises:
            ArtifactRefused: the input is made by another operation; axes, weights and the like must be
                constant here.
        """
        if not self.has(parameter):
            return default
        if not self.is_constant(parameter):
            raise ArtifactRefused(
                f"Operation {self.operation.type} computes its {parameter} while it runs; "
                "only a constant one runs here."
            )
        return self.program.constants[self.operation.inputs[parameter][0]]

    def integers(self, parameter: str, default: Any = None) -> list[int]:
        """A constant vector of integers."""
        value = self.constant(parameter, default)
        return [int(item) for item in np.ravel(value)] if value is not None else []

    def number(self, parameter: str, default: float) -> FloatArray:
        """A constant scalar."""
        return np.float32(self.constant(parameter, default))  # type: ignore[return-value]

    def flag(self, parameter: str, *, default: bool = False) -> bool:
        """A constant boolean."""
        return bool(self.constant(parameter, default))


@dataclass(frozen=True, slots=True)
class Entry:
    """A kernel's builder, the inputs that it takes as tensors, and whether its results need no rounding.

    `exact` operations move or choose numbers that their inputs already hold, so that rounding them again
    changes nothing.
    """

    build: Callable[[Node], Kernel]
    tensors: tuple[str, ...]
    exact: bool


KERNELS: dict[str, Entry] = {}


def kernel(name: str, *tensors: str, exact: bool = False) -> Callable[[Callable[[Node], Kernel]], Any]:
    """Register a builder under an operation's name."""

    def register(build: Callable[[Node], Kernel]) -> Callable[[Node], Kernel]:
        KERNELS[name] = Entry(build, tensors, exact)
        return build

    return register


def axes_after_cases(axes: list[int], rank: int) -> tuple[int, ...]:
    """Declared axes, negative ones too, as axes of an array with the case axis in front."""
    return tuple(axis % rank + 1 for axis in axes)


def lift(x: Any, rank: int) -> Any:
    """Insert axes of 1 behind the case axis up to a declared rank, as broadcasting would in front."""
    missing = rank - (x.ndim - 1)
    return x.reshape(x.shape[0], *(1,) * missing, *x.shape[1:]) if missing > 0 else x


def _binary(function: Callable[[Any, Any], Any]) -> Callable[[Node], Kernel]:
    def build(node: Node) -> Kernel:
        rank = max(node.rank("x"), node.rank("y"))
        return lambda x, y: function(lift(x, rank), lift(y, rank))

    return build


_BINARY: dict[str, Callable[..., Any]] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "real_div": np.divide,
    "floor_div": np.floor_divide,
    "mod": np.mod,
    "pow": np.power,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "equal": np.equal,
    "not_equal": np.not_equal,
    "greater": np.greater,
    "greater_equal": np.greater_equal,
    "less": np.less,
    "less_equal": np.less_equal,
    "logical_and": np.logical_and,
    "logical_or": np.logical_or,
    "logical_xor": np.logical_xor,
}
for _name, _function in _BINARY.items():
    kernel(_name, "x", "y", exact=_name not in {"add", "sub", "mul", "real_div", "mod", "pow"})(
        _binary(_function)
    )


def sigmoid(x: Any) -> Any:
    """1 / (1 + e^−x); overflow of the exponential gives 0, which is right."""
    return 1.0 / (1.0 + np.exp(-x))


def softplus(x: Any) -> Any:
    """ln(1 + e^x), without overflow."""
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def gelu_tanh(x: Any) -> Any:
    """The tanh approximation of GELU (Hendrycks and Gimpel 2016, arXiv:1606.08415)."""
    return 0.5 * x * (1.0 + np.tanh(np.float32(0.7978845608) * (x + np.float32(0.044715) * x * x * x)))


# Abramowitz and Stegun (1964), 7.1.26: at most 1.5e-7 off, as far as float32 sees.
_ERF = (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592)
_ERF_SLOPE = 0.3275911


def erf(x: Any) -> Any:
    """The error function."""
    size = np.abs(x)
    t = 1.0 / (1.0 + np.float32(_ERF_SLOPE) * size)
    polynomial = np.float32(0.0)
    for coefficient in _ERF:
        polynomial = (polynomial + np.float32(coefficient)) * t
    return np.sign(x) * (1.0 - polynomial * np.exp(-size * size))


def gelu_exact(x: Any) -> Any:
    """GELU by the error function."""
    return 0.5 * x * (1.0 + erf(x * np.float32(np.sqrt(0.5))))


_UNARY: dict[str, Callable[[Any], Any]] = {
    "acos": np.arccos,
    "asin": np.arcsin,
    "atan": np.arctan,
    "atanh": np.arctanh,
    "cos": np.cos,
    "cosh": np.cosh,
    "erf": erf,
    "exp": np.exp,
    "exp2": np.exp2,
    "sigmoid": sigmoid,
    "silu": lambda x: x * sigmoid(x),
    "sin": np.sin,
    "sinh": np.sinh,
    "softplus": softplus,
    "softsign": lambda x: x / (1.0 + np.abs(x)),
    "sqrt": np.sqrt,
    "square": np.square,
    "tan": np.tan,
    "tanh": np.tanh,
}
_UNARY_EXACT: dict[str, Callable[[Any], Any]] = {
    "abs": np.abs,
    "ceil": np.ceil,
    "floor": np.floor,
    "identity": lambda x: x,
    "logical_not": np.logical_not,
    "relu": lambda x: np.maximum(x, 0),
    "relu6": lambda x: np.clip(x, 0, 6),
    "round": np.rint,
    "sign": np.sign,
}


def _always(function: Kernel) -> Callable[[Node], Kernel]:
    return lambda node: function  # noqa: ARG005 - a builder takes the node


for _name, _unary in _UNARY.items():
    kernel(_name, "x")(_always(_unary))
for _name, _unary in _UNARY_EXACT.items():
    kernel(_name, "x", exact=True)(_always(_unary))


@kernel("log", "x")
def _log(node: Node) -> Kernel:
    epsilon = node.number("epsilon", 1e-45)
    return lambda x: np.log(x + epsilon)


@kernel("rsqrt", "x")
def _rsqrt(node: Node) -> Kernel:
    epsilon = node.number("epsilon", 1e-12)
    return lambda x: 1.0 / np.sqrt(x + epsilon)


@kernel("inverse", "x")
def _inverse(node: Node) -> Kernel:
    epsilon = node.number("epsilon", 1e-4)
    return lambda x: 1.0 / (x + epsilon)


@kernel("clip", "x")
def _clip(node: Node) -> Kernel:
    low, high = node.number("alpha", -np.inf), node.number("beta", np.inf)
    return lambda x: np.clip(x, low, high)


@kernel("leaky_relu", "x")
def _leaky_relu(node: Node) -> Kernel:
    slope = node.number("alpha", 0.01)
    return lambda x: np.where(x > 0, x, slope * x)


@kernel("prelu", "x")
def _prelu(node: Node) -> Kernel:
    slopes = np.asarray(node.constant("alpha"), np.float32).reshape(-1, *(1,) * (node.rank("x") - 2))
    return lambda x: np.where(x > 0, x, slopes * x)


@kernel("threshold", "x", exact=True)
def _threshold(node: Node) -> Kernel:
    low = node.number("alpha", 0.0)
    return lambda x: np.maximum(x, low)


@kernel("clamped_relu", "x")
def _clamped_relu(node: Node) -> Kernel:
    slope, high = node.number("alpha", 1.0), node.number("beta", 1.0)
    return lambda x: np.minimum(np.where(x >= 0, x, slope * x), high)


@kernel("scaled_tanh", "x")
def _scaled_tanh(node: Node) -> Kernel:
    scale, slope = node.number("alpha", 1.0), node.number("beta", 1.0)
    return lambda x: scale * np.tanh(slope * x)


@kernel("elu", "x")
def _elu(node: Node) -> Kernel:
    scale = node.number("alpha", 1.0)
    return lambda x: np.where(x > 0, x, scale * np.expm1(np.minimum(x, 0)))


@kernel("linear_activation", "x")
def _linear_activation(node: Node) -> Kernel:
    slope, offset = node.number("alpha", 1.0), node.number("beta", 0.0)
    return lambda x: x * slope + offset


@kernel("sigmoid_hard", "x")
def _sigmoid_hard(node: Node) -> Kernel:
    slope, offset = node.number("alpha", 0.2), node.number("beta", 0.5)
    return lambda x: np.clip(x * slope + offset, 0, 1)


@kernel("gelu", "x")
def _gelu(node: Node) -> Kernel:
    modes: dict[str, Kernel] = {
        "EXACT": gelu_exact,
        "TANH_APPROXIMATION": gelu_tanh,
        "SIGMOID_APPROXIMATION": lambda x: x * sigmoid(np.float32(1.702) * x),
    }
    mode = node.constant("mode", "EXACT")
    if mode not in modes:
        raise ArtifactRefused(f"GELU of mode {mode} does not run here; known are {', '.join(modes)}.")
    return modes[mode]


@kernel("select", "cond", "a", "b", exact=True)
def _select(node: Node) -> Kernel:
    rank = max(node.rank(name) for name in ("cond", "a", "b"))
    return lambda cond, a, b: np.where(lift(cond, rank), lift(a, rank), lift(b, rank))


def _reduction(function: Callable[..., Any]) -> Callable[[Node], Kernel]:
    def build(node: Node) -> Kernel:
        rank = node.rank("x")
        axes = axes_after_cases(node.integers("axes", list(range(rank))), rank)
        keep = node.flag("keep_dims")
        return lambda x: function(x, axis=axes, keepdims=keep)

    return build


def _log_sum_exp(x: Any, *, axis: tuple[int, ...], keepdims: bool) -> Any:
    largest = x.max(axis=axis, keepdims=True)
    sums = np.log(np.sum(np.exp(x - largest), axis=axis, keepdims=True)) + largest
    return sums if keepdims else np.squeeze(sums, axis)


_REDUCTIONS: dict[str, Callable[..., Any]] = {
    "reduce_sum": np.sum,
    "reduce_mean": np.mean,
    "reduce_max": np.max,
    "reduce_min": np.min,
    "reduce_prod": np.prod,
    "reduce_sum_square": lambda x, **how: np.sum(np.square(x), **how),
    "reduce_l1_norm": lambda x, **how: np.sum(np.abs(x), **how),
    "reduce_log_sum": lambda x, **how: np.log(np.sum(x, **how)),
    "reduce_log_sum_exp": _log_sum_exp,
    "reduce_l2_norm": lambda x, **how: np.sqrt(np.sum(np.square(x), **how)),
}
for _name, _function in _REDUCTIONS.items():
    kernel(_name, "x", exact=_name in {"reduce_max", "reduce_min"})(_reduction(_function))


def _position(function: Callable[..., Any]) -> Callable[[Node], Kernel]:
    def build(node: Node) -> Kernel:
        (axis,) = axes_after_cases(node.integers("axis", -1), node.rank("x"))
        keep = node.flag("keep_dims")
        return lambda x: function(x, axis=axis, keepdims=keep).astype(np.int32)

    return build


for _name, _function in {"reduce_argmax": np.argmax, "reduce_argmin": np.argmin}.items():
    kernel(_name, "x", exact=True)(_position(_function))


@kernel("softmax", "x")
def _softmax(node: Node) -> Kernel:
    (axis,) = axes_after_cases(node.integers("axis", -1), node.rank("x"))

    def run(x: Any) -> Any:
        powers = np.exp(x - x.max(axis=axis, keepdims=True))
        return powers / powers.sum(axis=axis, keepdims=True)

    return run


@kernel("cumsum", "x")
def _cumsum(node: Node) -> Kernel:
    (axis,) = axes_after_cases(node.integers("axis", 0), node.rank("x"))
    exclusive, backwards = node.flag("exclusive"), node.flag("reverse")

    def run(x: Any) -> Any:
        ordered = np.flip(x, axis) if backwards else x
        sums = np.cumsum(ordered, axis=axis) - (ordered if exclusive else 0)
        return np.flip(sums, axis) if backwards else sums

    return run
