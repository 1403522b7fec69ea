import re
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from weatherapp.web import chart


def data(precipitation=None):
    first = datetime(2026, 7, 4, 19, tzinfo=UTC)
    median = 20 + np.sin(np.arange(48) / 4)
    return chart.ChartData(
        times=[first + timedelta(hours=hour) for hour in range(48)],
        bands=[(median - 3, median + 3), (median - 1, median + 1)],
        median=median,
        precipitation=np.zeros(48) if precipitation is None else precipitation,
        probability=np.full(48, 30.0),
    )


def test_the_drawing_is_well_formed_and_inside_its_frame():
    svg = ET.fromstring(chart.draw(data(np.linspace(0, 9, 48)), "a < b"))
    assert svg[0].text == "a < b"
    for shape in svg.iter():
        for x, y in re.findall(r"([\d.-]+),([\d.-]+)", shape.get("points", "")):
            assert 0 <= float(x) <= chart.WIDTH
            assert 0 <= float(y) <= chart.HEIGHT


def test_dry_hours_have_no_bar():
    wet = np.zeros(48)
    wet[[3, 7]] = 0.4
    svg = ET.fromstring(chart.draw(data(wet), "t"))
    bars = [shape for shape in svg if shape.get("class") == "rain"]
    assert len(bars) == 2
    assert all(float(bar.get("height")) > 0 for bar in bars)


@pytest.mark.parametrize(("span", "step"), [(4.0, 1), (7.0, 2), (23.0, 5), (41.0, 10), (0.3, 0.1)])
def test_ticks_are_round(span, step):
    assert chart.nice_step(span) == pytest.approx(step)


def test_a_constant_forecast_can_be_drawn():
    flat = data()
    still = np.full(48, 5.0)
    chart.draw(chart.ChartData(flat.times, [(still, still)], still, still * 0, still * 0), "t")
