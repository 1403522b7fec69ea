"""Kernels as products of thin ones: what each rank costs and keeps, and the thin kernels themselves.

A matrix is cut by its singular values. A convolution three hours wide is squeezed on both sides around a
smaller convolution (Tucker-2: Kim et al. 2016, arXiv:1511.06530), or becomes pointwise, depthwise over time,
pointwise (CP: Lebedev et al. 2015, arXiv:1412.6553). Energy is the share of the squared kernel that is kept.
"""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from tensorly.cp_tensor import cp_to_tensor
from tensorly.decomposition import parafac, partial_tucker

from packager.types import FloatArray

METHODS = ("svd", "tucker", "cp")
# CP has no closed form: so many ranks are tried on the way from one to the largest that saves anything.
CP_TRIALS = 10


@dataclass(frozen=True, slots=True)
class Choice:
    """One way to keep a kernel.

    Attributes:
        ranks: of the thin kernels; none where the kernel stays whole.
        parameters: weights of all its kernels.
        energy: share of the squared kernel that they give, 0..1.
    """

    ranks: tuple[int, ...]
    parameters: int
    energy: float


def cost(kernel: FloatArray, ranks: tuple[int, ...], method: str) -> int:
    """Weights of the thin kernels; of the kernel itself without ranks."""
    if not ranks:
        return int(kernel.size)
    hours, width, units = map(int, _cube(kernel).shape)
    if method == "tucker":
        return width * ranks[0] + hours * ranks[0] * ranks[1] + ranks[1] * units
    return ranks[0] * (width + units + (hours if method == "cp" else 0))


def choices(kernel: FloatArray, method: str) -> list[Choice]:
    """The ways to keep a kernel that are worth it: each costs more than the one before and keeps more.

    Args:
        kernel: (input, output) or (hour, 1, input, output).
        method: svd for one hour, tucker or cp for more.

    Returns:
        The cheapest first; the last is the whole kernel, and every other one is smaller than it.
    """
    whole = Choice((), int(kernel.size), 1.0)
    cube = _cube(kernel).astype(np.float64)
    if not cube.any():
        return [whole]
    tried = {"svd": _svd_energy, "tucker": _tucker_energy, "cp": _cp_energy}[method](cube)
    every = (Choice(ranks, cost(kernel, ranks, method), energy) for ranks, energy in tried.items())
    front: list[Choice] = []
    for choice in sorted(every, key=lambda choice: (choice.parameters, -choice.energy)):
        if choice.parameters < whole.parameters and (not front or choice.energy > front[-1].energy):
            front.append(choice)
    return [*front, whole]


def fitting_ranks(kernel: FloatArray, rank: int, method: str) -> tuple[int, ...]:
    """The ranks that one given number means for a kernel, no larger than it can have."""
    hours, width, units = _cube(kernel).shape
    if method == "tucker":
        return min(rank, width), min(rank, units)
    return (min(rank, min(width, units) * (hours if method == "cp" else 1)),)


def thin_kernels(kernel: FloatArray, ranks: tuple[int, ...], method: str) -> list[FloatArray]:
    """The thin kernels, in the order in which a student has their layers.

    Args:
        kernel: (input, output) or (hour, 1, input, output).
        ranks: one for svd and cp, two for tucker.
        method: one of `METHODS`.

    Returns:
        Float32, each with as many axes as the kernel.
    """
    cube = _cube(kernel).astype(np.float64)
    parts = {"svd": _svd, "tucker": _tucker, "cp": _cp}[method](cube, ranks)
    return [_shaped(part, kernel.ndim).astype(np.float32) for part in parts]


def kept_energy(kernel: FloatArray, ranks: tuple[int, ...], method: str) -> float:
    """Share of the squared kernel that its thin kernels give."""
    first, *between, last = (_cube(part) for part in thin_kernels(kernel, ranks, method))
    core = between[0] if between else np.eye(first.shape[-1])[None]
    if method == "cp":
        core = core[:, :, 0][:, :, None] * np.eye(first.shape[-1])
    lost = np.sum((_cube(kernel) - first @ core @ last) ** 2)
    return float(1 - lost / max(float(np.sum(kernel**2)), 1e-30))


def _cube(kernel: FloatArray) -> FloatArray:
    """(hour, input, output)."""
    return kernel.reshape(-1, *kernel.shape[-2:])


def _shaped(part: FloatArray, axes: int) -> FloatArray:
    """(input, output) or (hour, input, output) with the axes of the kernel that it comes from."""
    return part if axes == 2 else part.reshape(-1, 1, *part.shape[-2:])


def _svd(cube: FloatArray, ranks: tuple[int, ...]) -> list[FloatArray]:
    left, values, right = np.linalg.svd(cube[0], full_matrices=False)
    root = np.sqrt(values[: ranks[0]])
    return [left[:, : ranks[0]] * root, root[:, None] * right[: ranks[0]]]


def _svd_energy(cube: FloatArray) -> dict[tuple[int, ...], float]:
    squares = np.linalg.svd(cube[0], compute_uv=False) ** 2
    shares = np.cumsum(squares) / squares.sum()
    return {(rank,): float(share) for rank, share in enumerate(shares, start=1)}


def _tucker(cube: FloatArray, ranks: tuple[int, ...]) -> list[FloatArray]:
    (core, (inwards, outwards)), _ = partial_tucker(cube, rank=list(ranks), modes=[1, 2], init="svd")
    return [inwards, core, outwards.T]


def _tucker_energy(cube: FloatArray) -> dict[tuple[int, ...], float]:
    """What the singular vectors of both sides keep at every pair of ranks; iterating gains a little more."""
    _, width, units = cube.shape
    inwards = np.linalg.svd(cube.transpose(1, 0, 2).reshape(width, -1), full_matrices=False)[0]
    outwards = np.linalg.svd(cube.transpose(2, 0, 1).reshape(units, -1), full_matrices=False)[0]
    core = np.sum((inwards.T @ cube @ outwards) ** 2, axis=0)
    shares = core.cumsum(axis=0).cumsum(axis=1) / core.sum()
    return {(r + 1, s + 1): float(share) for (r, s), share in np.ndenumerate(shares)}


def _cp(cube: FloatArray, ranks: tuple[int, ...]) -> list[FloatArray]:
    hours, inwards, outwards = _cp_factors(cube, ranks[0])
    return [inwards, hours[:, :, None], outwards.T]


def _cp_factors(cube: FloatArray, rank: int) -> list[FloatArray]:
    """By hour, input and output, (length, rank), columns of equal length: training starts balanced."""
    with warnings.catch_warnings():
        # There are fewer hours than ranks; what is left of their factor starts at random, seeded.
        warnings.filterwarnings("ignore", "Trying to compute SVD with n_eigenvecs", UserWarning)
        cp = parafac(cube, rank, init="svd", random_state=0, n_iter_max=60, tol=1e-6)
    factors = [factor * cp.weights if axis == 0 else factor for axis, factor in enumerate(cp.factors)]
    lengths = [np.maximum(np.linalg.norm(factor, axis=0), 1e-30) for factor in factors]
    common = np.prod(lengths, axis=0) ** (1 / 3)
    return [factor * (common / length) for factor, length in zip(factors, lengths, strict=True)]


def _cp_energy(cube: FloatArray) -> dict[tuple[int, ...], float]:
    most = max(1, (cube.size - 1) // sum(cube.shape))
    tried = np.unique(np.geomspace(1, most, CP_TRIALS).round().astype(int)).tolist()
    return {(rank,): _cp_share(cube, rank) for rank in tried}


def _cp_share(cube: FloatArray, rank: int) -> float:
    given: Any = cp_to_tensor((np.ones(rank), _cp_factors(cube, rank)))
    return float(1 - np.sum((cube - given) ** 2) / np.sum(cube**2))
