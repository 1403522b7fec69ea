"""The page is one file that asks for nothing, and says in tables all that it draws."""

import re
from html.parser import HTMLParser

import pytest

from packager.comparison.goals import judge
from packager.comparison.page import by_wire, comparison_page
from tests.unit.packager.comparison.small_rows import failed, own, peer

ROWS = [
    own("tflite_a", 40, 0.9, worst_station="denver", worst_station_loss_percent=2.5),
    own("coreml_b", 30, -0.2),
    peer("stock_c", 120, 3.0),
    own("tflite_terrible", 20, 95.0),
    failed("tflite_d", "Died of <script>alert(1)</script>"),
]
VOID = {"meta", "br"}


class Tree(HTMLParser):
    """Elements with their attributes and text; fails where tags do not nest."""

    def __init__(self):
        super().__init__()
        self.open, self.seen = [], []

    def handle_starttag(self, name, attributes):
        self.seen.append((name, dict(attributes)))
        if name not in VOID:
            self.open.append(name)

    def handle_endtag(self, name):
        assert self.open.pop() == name

    def named(self, name):
        return [attributes for seen, attributes in self.seen if seen == name]


def page(rows=ROWS):
    return comparison_page(rows, judge(rows, 10_000_000), {"Profile": "tiny"}).decode()


@pytest.fixture(scope="module")
def tree():
    parsed = Tree()
    parsed.feed(page())
    assert parsed.open == []
    return parsed


def test_nothing_is_fetched_and_nothing_runs(tree):
    text = page()
    assert not tree.named("script") + tree.named("link") + tree.named("img") + tree.named("iframe")
    assert not re.search(r"url\(|@import|https?://", text)
    assert "&lt;script&gt;alert(1)" in text
    policy = next(meta["content"] for meta in tree.named("meta") if "http-equiv" in meta)
    assert policy.startswith("default-src 'none'")


def test_tables_have_captions_and_headings_with_a_scope(tree):
    assert len(tree.named("caption")) == len(tree.named("table")) == 3
    assert all(head.get("scope") in ("row", "col") for head in tree.named("th"))


def test_drawings_have_a_title_and_a_description(tree):
    drawings = tree.named("svg")
    assert len(drawings) == 1 + sum(bool(row.buckets) for row in ROWS)
    named = {
        attributes["id"]
        for name in ("title", "desc")
        for attributes in tree.named(name)
        if "id" in attributes
    }
    for drawing in drawings:
        assert drawing["role"] == "img"
        assert set(drawing["aria-labelledby"].split()) <= named


def test_it_is_readable_in_the_dark_and_on_paper():
    style = page().split("<style>")[1].split("</style>")[0]
    assert "prefers-color-scheme: dark" in style
    assert "@media print" in style


def test_every_row_is_listed_by_bytes_on_the_wire_and_failures_last():
    assert [row.recipe for row in by_wire(ROWS)] == [
        "tflite_terrible", "coreml_b", "tflite_a", "stock_c", "tflite_d"
    ]  # fmt: skip
    text = page()
    for row in ROWS:
        assert row.recipe in text
    assert "denver: 2.50" in text
    assert "stock_c (peer)" in text


def test_ours_and_peers_have_other_marks(tree):
    assert (len(tree.named("circle")), len(ROWS) - 2) == (3, 3)
    assert {"own", "peer"} <= {a.get("class") for a in tree.named("g")}


def test_what_loses_many_times_what_others_do_stands_at_the_edge_with_its_figure():
    assert "tflite_terrible (95 %)" in page()
    marks = [float(cy) for cy in re.findall(r'<circle cx="[\d.]+" cy="([\d.]+)"', page())]
    assert min(marks) == 20.0
    assert max(marks) - sorted(marks)[1] > 10


def test_what_rounds_to_zero_from_below_is_zero():
    assert "−0.00" not in page([own("tflite_a", 40, -0.001, skill_loss_low=-0.0, skill_loss_high=0.0)])


def test_goals_say_reached_or_missed():
    text = page()
    assert '<span class="good">reached</span>' in text
    assert '<span class="bad">MISSED</span>' in text


def test_a_page_of_nothing_is_a_page():
    assert "Nothing was measured yet." in page([failed("tflite_a")])
    assert "Recipes compared" in page([])
