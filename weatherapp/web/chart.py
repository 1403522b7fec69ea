"""A forecast as a drawing: SVG with the temperature's quantile bands above and precipitation below. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape

import numpy as np

from weatherapp.core.arrays import FloatArray
from weatherapp.core.svg import nice_step

WIDTH, HEIGHT = 760, 320
LEFT, RIGHT, TOP = 54, 44, 14
TEMPERATURE_BOTTOM, RAIN_TOP, RAIN_BOTTOM = 196, 216, 280
LABEL_HOURS = 6
DAY_NAME_HOURS = 6
LEAST_RAIN = 2.0  # mm: so that drizzle does not look like a flood


@dataclass(frozen=True)
class ChartData:
    """What is drawn, one value per hour.

    Attributes:
        times: aware, in the place's zone.
        bands: pairs of lower and upper quantile in °C, the widest first.
        median: °C.
        precipitation: mm in the hour.
        probability: % of any precipitation.
    """

    times: Sequence[datetime]
    bands: Sequence[tuple[FloatArray, FloatArray]]
    median: FloatArray
    precipitation: FloatArray
    probability: FloatArray


@dataclass(frozen=True)
class _Scale:
    low: float
    high: float
    top: float
    bottom: float

    def y(self, value: float) -> float:
        return self.bottom - (value - self.low) / (self.high - self.low) * (self.bottom - self.top)


def draw(data: ChartData, title: str) -> str:
    """The SVG element; colours come from the page's style sheet."""
    parts = [
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="chart-title">',
        f'<title id="chart-title">{escape(title)}</title>',
        *_days(data),
        *_temperature(data),
        *_rain(data),
        *_hours(data),
        "</svg>",
    ]
    return "\n".join(parts)


def _x(data: ChartData, index: float) -> float:
    return LEFT + (index + 0.5) * (WIDTH - LEFT - RIGHT) / len(data.times)


def _points(data: ChartData, values: FloatArray, scale: _Scale) -> list[str]:
    return [f"{_x(data, index):.1f},{scale.y(float(value)):.1f}" for index, value in enumerate(values)]


def _temperature(data: ChartData) -> list[str]:
    low, high = float(data.bands[0][0].min()), float(data.bands[0][1].max())
    step = max(1.0, nice_step(high - low))
    floor = float(np.floor(low / step) * step)
    ceiling = max(floor + step, float(np.ceil(high / step) * step))
    scale = _Scale(floor, ceiling, TOP, TEMPERATURE_BOTTOM)
    parts = []
    for tick in np.arange(scale.low, scale.high + step / 2, step):
        y = scale.y(float(tick))
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(
            f'<text class="tick" x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{tick:.0f}°</text>'
        )
    for number, (lower, upper) in enumerate(data.bands):
        outline = _points(data, lower, scale) + _points(data, upper, scale)[::-1]
        parts.append(f'<polygon class="band band-{number}" points="{" ".join(outline)}"/>')
    parts.append(f'<polyline class="median" points="{" ".join(_points(data, data.median, scale))}"/>')
    return parts


def _rain(data: ChartData) -> list[str]:
    most = max(LEAST_RAIN, float(data.precipitation.max()))
    amount = _Scale(0.0, most, RAIN_TOP, RAIN_BOTTOM)
    chance = _Scale(0.0, 100.0, RAIN_TOP, RAIN_BOTTOM)
    width = (WIDTH - LEFT - RIGHT) / len(data.times) * 0.7
    bars = [
        f'<rect class="rain" x="{_x(data, index) - width / 2:.1f}" y="{amount.y(float(value)):.1f}" '
        f'width="{width:.1f}" height="{RAIN_BOTTOM - amount.y(float(value)):.1f}"/>'
        for index, value in enumerate(data.precipitation)
        if value > 0
    ]
    edge = WIDTH - RIGHT
    return [
        f'<line class="grid" x1="{LEFT}" x2="{edge}" y1="{RAIN_BOTTOM}" y2="{RAIN_BOTTOM}"/>',
        f'<line class="grid" x1="{LEFT}" x2="{edge}" y1="{RAIN_TOP}" y2="{RAIN_TOP}"/>',
        *bars,
        f'<polyline class="chance" points="{" ".join(_points(data, data.probability, chance))}"/>',
        f'<text class="tick" x="{LEFT - 6}" y="{RAIN_TOP + 4}" text-anchor="end">{most:.1f} mm</text>',
        f'<text class="tick" x="{LEFT - 6}" y="{RAIN_BOTTOM + 4}" text-anchor="end">0 mm</text>',
        f'<text class="tick" x="{edge + 6}" y="{RAIN_TOP + 4}">100 %</text>',
        f'<text class="tick" x="{edge + 6}" y="{RAIN_BOTTOM + 4}">0 %</text>',
    ]


def _hours(data: ChartData) -> list[str]:
    y = RAIN_BOTTOM + 18
    return [
        f'<text class="tick" x="{_x(data, index):.1f}" y="{y}" text-anchor="middle">{time:%H}</text>'
        for index, time in enumerate(data.times)
        if time.hour % LABEL_HOURS == 0
    ]


def _days(data: ChartData) -> list[str]:
    """A dashed line at each midnight, and the day's name where it has room."""
    parts = []
    for index, time in enumerate(data.times):
        x = f"{_x(data, index):.1f}"
        if time.hour == 0:
            parts.append(f'<line class="day" x1="{x}" x2="{x}" y1="{TOP}" y2="{RAIN_BOTTOM}"/>')
        crowded = any(later.hour == 0 for later in data.times[1:DAY_NAME_HOURS])
        if time.hour == 0 or (index == 0 and not crowded):
            parts.append(f'<text class="tick" x="{x}" y="{HEIGHT - 6}">{time:%a %d %b}</text>')
    return parts
