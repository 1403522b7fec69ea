"""Plots that go into pages: what they say, and that nothing in them can be a script."""

import re
from xml.etree import ElementTree as ET

import pytest

from mobile_models.plots import STROKES, line_plot

SVG = "{http://www.w3.org/2000/svg}"


def plot(series, **given):
    words = {"title": "Failures", "x_label": "hours since the start", "y_label": "share in %", **given}
    drawn = line_plot(series, **words)
    return ET.fromstring(drawn.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1))


def luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one, other):
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_a_line_goes_through_its_points_from_left_to_right_and_upwards():
    line = plot({"exposed": [(0, 0.0), (5, 1.0), (10, 2.0)]}).find(f"{SVG}polyline")
    points = [tuple(map(float, point.split(","))) for point in line.get("points").split()]
    assert [x for x, _ in points] == sorted(x for x, _ in points)
    assert points[0][1] > points[1][1] > points[2][1]


def test_a_screen_reader_gets_the_title_and_where_each_line_goes():
    svg = plot({"exposed": [(0, 0.5), (4, 2.25)], "control": []}, marks=[(3, "halted")])
    named = svg.get("aria-labelledby").split()
    title, desc = svg.find(f"{SVG}title"), svg.find(f"{SVG}desc")
    assert named == [title.get("id"), desc.get("id")]
    assert title.text == "Failures"
    assert "exposed: 0.5 at 0, 2.25 at 4" in desc.text
    assert "control: nothing yet" in desc.text
    assert "halted at 3" in desc.text


def test_words_from_rows_are_escaped():
    drawn = line_plot(
        {"<script>a</script>": [(0, 1)]}, title="<b>", x_label="&", y_label='"', marks=[(0, "<i>")]
    )
    assert not re.search(r"<(script|b|i)>", drawn)


@pytest.mark.parametrize(
    "series", [{}, {"a": []}, {"a": [(1, 0)]}, {"a": [(1, 0), (2, 0)]}, {"a": [(0, -3), (1, 2)]}]
)
def test_nothing_one_point_zeros_and_negative_values_can_be_drawn(series):
    assert "nan" not in ET.tostring(plot(series), encoding="unicode")


def test_lines_differ_by_dashes_too_and_show_on_light_and_dark():
    assert len({re.sub("#[0-9a-f]{6}", "", stroke) for stroke in STROKES}) == len(STROKES)
    for colour in (re.search("#[0-9a-f]{6}", stroke).group() for stroke in STROKES):
        assert contrast(colour, "#ffffff") >= 3
        assert contrast(colour, "#111827") >= 3
