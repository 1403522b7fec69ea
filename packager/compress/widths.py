"""The widths of a student, and which units each of them counts."""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from packager.compress.layers import compressible, kernel_of
from packager.compress.rebuild import config_of, with_config
from packager.compress.units import FIXED, Units
from packager.student import build
from packager.student.lead_decoder import LeadDecoderConfig
from packager.types import IntArray

SIZES = ("channels", "context", "linear", "per_lead")


@dataclass(frozen=True)
class Width:
    """What one number of the configuration counts, or several whose layers sums tie together.

    Attributes:
        names: of the widths.
        units: (set, unit): layers that are equally wide without a sum between them have sets of their own.
    """

    names: tuple[str, ...]
    units: IntArray

    @property
    def size(self) -> int:
        """How wide."""
        return int(self.units.shape[1])


def find_widths(model: Any, description: Mapping[str, Any], units: Units) -> list[Width]:
    """The widths of a student whose units can be removed.

    A second model is built in which every width is another multiple of what it is: a layer's outputs belong
    to the width by whose multiple they grew.
    """
    config = config_of(description)
    times = {name: factor for factor, name in enumerate(width_names(config), start=2)}
    other = with_config(description, resized(config, {n: f * size_of(config, n) for n, f in times.items()}))
    now, then = _outputs(model), _outputs(build(other))
    widths: list[Width] = []
    for name, factor in times.items():
        made = [
            np.unique(labels) for layer, labels in units.made.items() if then[layer] == factor * now[layer]
        ]
        size = size_of(config, name)
        if made and all(len(own) == size and FIXED not in own for own in made):
            widths.append(Width((name,), np.unique(np.stack(made), axis=0)))
    return list(_joined(widths))


def keep_unalike(
    config: LeadDecoderConfig, widths: list[Width], removed: Mapping[tuple[str, ...], IntArray]
) -> dict[tuple[str, ...], IntArray]:
    """Keep single units more until hidden layers that were not equally wide still are not.

    The decoder sums layers of equal width: removal must not make a sum where there was none.
    """
    gone = dict(removed)
    owner = {name: width for width in widths for name in width.names}
    names = [f"hidden{index}" for index in range(len(config.hidden))]

    def size(name: str) -> int:
        width = owner.get(name)
        return size_of(config, name) - (gone[width.names].shape[1] if width else 0)

    while True:
        alike = [
            pair
            for pair in itertools.pairwise(names)
            if size(pair[0]) == size(pair[1]) and size_of(config, pair[0]) != size_of(config, pair[1])
        ]
        if not alike:
            return gone
        # Of two layers that differed and are alike now, one lost units.
        wider = max(alike[0], key=lambda name: size_of(config, name) - size(name))
        gone[owner[wider].names] = gone[owner[wider].names][:, :-1]


def width_names(config: LeadDecoderConfig) -> list[str]:
    """Names of all widths of a configuration, as recipes give them."""
    return [*SIZES, *(f"hidden{index}" for index in range(len(config.hidden)))]


def size_of(config: LeadDecoderConfig, name: str) -> int:
    """How wide a configuration is there."""
    if name in SIZES:
        return int(getattr(config, name))
    return config.hidden[int(name.removeprefix("hidden"))]


def resized(config: LeadDecoderConfig, sizes: Mapping[str, int]) -> LeadDecoderConfig:
    """The configuration with some other widths."""
    plain: dict[str, Any] = {name: size for name, size in sizes.items() if name in SIZES}
    hidden = tuple(sizes.get(f"hidden{index}", width) for index, width in enumerate(config.hidden))
    return replace(config, hidden=hidden, **plain)


def _joined(widths: list[Width]) -> Iterator[Width]:
    """Widths with the same units as one."""
    by_units: dict[bytes, Width] = {}
    for width in widths:
        key = width.units.tobytes()
        known = by_units.get(key)
        by_units[key] = replace(known, names=(*known.names, *width.names)) if known else width
    yield from by_units.values()


def _outputs(model: Any) -> dict[str, int]:
    return {layer.name: int(kernel_of(layer).shape[-1]) for layer in compressible(model)}
