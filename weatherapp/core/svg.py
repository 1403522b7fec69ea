"""The small parts that every drawing shares: the steps of an axis, and a line of text. Pure."""

from html import escape

import numpy as np


def nice_step(span: float, ticks: int = 5) -> float:
    """Distance of about so many ticks over a span: 1, 2 or 5 times a power of ten."""
    raw = max(span, 1e-9) / ticks
    power = 10.0 ** np.floor(np.log10(raw))
    return float(next(step * power for step in (1, 2, 5, 10) if step * power >= raw * (1 - 1e-9)))


def text(x: float, y: float, words: str, anchor: str, *, size: int = 10) -> str:
    """A line of text in the page's own colour."""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="currentColor" text-anchor="{anchor}">'
        f"{escape(words)}</text>"
    )
