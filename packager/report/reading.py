"""Read a manifest's free parts: they may hold anything, and a card is written all the same."""

from collections.abc import Mapping
from typing import Any

LARGEST = 1e15


def mapping(value: object) -> Mapping[str, Any]:
    """The value, if it is an object of JSON; else an empty one."""
    return value if isinstance(value, Mapping) else {}


def number(value: object) -> float | None:
    """The value, if it is a number of a size that something measured can have."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # JSON's whole numbers have no limit, and only a float can be compared with what a card computes.
    return value if abs(value) < LARGEST else None


def shown(value: object, digits: int = 4) -> str:
    """A figure with so many significant digits; a dash for none."""
    figure = number(value)
    if figure is None:
        return "–"
    return f"{figure:,}" if isinstance(figure, int) else f"{figure:.{digits}g}"


def size(value: object) -> str | None:
    """Bytes for people; None for none."""
    figure = number(value)
    return None if figure is None else f"{figure / 1024:,.1f} KiB ({figure:,} bytes)"
