"""The command that measures layers: what it prints, writes and refuses."""

import argparse
import json
import re
from html.parser import HTMLParser
from types import SimpleNamespace

import pytest

from packager.commands import sensitivity as command
from packager.compress.sensitivity import CLUSTERED, PRUNED, ROUNDED, Row, Sensitivity
from packager.errors import RecipeInvalid, UnknownRecipe
from packager.recipes import get_profile, get_recipe
from packager.report.sensitivity import heat_map, sensitivity_page
from packager.sensitivity import SensitivityPipeline
from packager.workspace import Workspace
from tests.compression import material
from tests.students import student_folder

FOUND = Sensitivity(
    (
        Row("body_conv0", PRUNED, 0.5, 0.25, 1000),
        Row("body_conv0", PRUNED, 0.9, 120.0, 1900),
        Row("body_conv0", CLUSTERED, 16, 1.5, 1600),
        Row("body_conv0", ROUNDED, 4, -0.1, 1700),
        Row("body_<out>", PRUNED, 0.5, 0.1, 100),
        Row("body_<out>", PRUNED, 0.9, 0.2, 190),
        Row("body_<out>", CLUSTERED, 16, 0.0, 160),
        Row("body_<out>", ROUNDED, 4, 12.0, 170),
    ),
    0.1234,
    512,
)


def parse(arguments):
    parser = argparse.ArgumentParser()
    command.add_parser(parser.add_subparsers(dest="command"))
    return parser.parse_args(["sensitivity", *arguments])


def run(monkeypatch, tmp_path, *arguments):
    asked = []

    def stage(_self, recipe, *, after_steps):
        asked.append((recipe.name, after_steps))
        return SimpleNamespace(facts=FOUND.to_dict())

    monkeypatch.setattr(SensitivityPipeline, "sensitivity", stage)
    options = parse([*arguments, "--work", str(tmp_path / "work"), "--out", str(tmp_path / "out")])
    options.run(options)
    return asked


def test_the_table_is_printed_and_written_as_json_and_as_a_page(monkeypatch, tmp_path, capsys):
    assert run(monkeypatch, tmp_path, "tflite_w8a8") == [("tflite_w8a8", False)]
    said = capsys.readouterr()
    folder = tmp_path / "out"
    assert said.out.split() == [str(folder / "sensitivity.json"), str(folder / "index.html")]
    assert re.search(r"body_conv0 .*\+0\.25 .*\+120\.00 .*\+1\.50 .*-0\.10", said.err)
    document = json.loads((folder / "sensitivity.json").read_text())
    assert Sensitivity.from_dict(document) == FOUND
    assert document["subject"] == "student of tflite_w8a8 before its steps, profile demo"
    assert b"before its steps" in (folder / "index.html").read_bytes()


def test_the_student_after_the_steps_can_be_asked_for(monkeypatch, tmp_path, capsys):
    assert run(monkeypatch, tmp_path, "tflite_w8a8", "--after-steps") == [("tflite_w8a8", True)]
    assert "after its steps" in " ".join(capsys.readouterr().err.split())


def test_an_unknown_recipe_is_refused_before_anything_is_trained(monkeypatch, tmp_path):
    with pytest.raises(UnknownRecipe, match="tflite_w4a4"):
        run(monkeypatch, tmp_path, "tflite_w4a4")
    assert not (tmp_path / "work").exists()


def test_a_recipe_without_a_student_is_refused(tmp_path):
    pipeline = SensitivityPipeline(tmp_path, get_profile("demo"))
    with pytest.raises(
        RecipeInvalid, match="server_fp32 has source teacher; sensitivity is that of a student"
    ):
        pipeline.sensitivity(get_recipe("server_fp32"))


def test_the_same_student_is_measured_once(monkeypatch, tmp_path):
    said = []
    pipeline = SensitivityPipeline(tmp_path, get_profile("demo"), progress=lambda *line: said.append(line))
    student = SimpleNamespace(key="a", folder=student_folder())
    monkeypatch.setattr(SensitivityPipeline, "student", lambda *_: student)
    monkeypatch.setattr(SensitivityPipeline, "data", lambda *_: SimpleNamespace(key="b"))
    monkeypatch.setattr(SensitivityPipeline, "_material", lambda *_: material())
    first = pipeline.sensitivity(get_recipe("tflite_w8a8"))
    again = pipeline.sensitivity(get_recipe("tflite_fp16"))
    assert (first.cached, again.cached) == (False, True)
    assert again.facts == first.facts
    assert Sensitivity.from_dict(first.facts).cases == 64
    assert [stage.key for stage in Workspace(tmp_path).finished("sensitivity")] == [first.key]
    assert next(message for *_, message in said).startswith("one layer")


class Page(HTMLParser):
    """Open tags in order, and every address that a page would fetch."""

    def __init__(self):
        super().__init__()
        self.open, self.fetched, self.count = [], [], {}

    def handle_starttag(self, name, attributes):
        self.count[name] = self.count.get(name, 0) + 1
        self.fetched += [value for key, value in attributes if key in {"src", "href", "data"}]
        if name != "meta":
            self.open.append(name)

    def handle_endtag(self, name):
        assert self.open.pop() == name


def test_the_page_is_whole_and_asks_for_nothing():
    document = sensitivity_page(FOUND, subject="a <student>").decode()
    page = Page()
    page.feed(document)
    assert page.open == []
    assert page.fetched == []
    assert page.count["svg"] == 3
    assert page.count["rect"] == len(FOUND.rows)
    assert "a &lt;student&gt;" in document
    assert "body_&lt;out&gt;" in document
    assert "url(" not in document


def test_equal_tables_give_equal_pages():
    again = Sensitivity.from_dict(json.loads(json.dumps(FOUND.to_dict())))
    assert sensitivity_page(FOUND, subject="s") == sensitivity_page(again, subject="s")


def test_a_cell_is_the_darker_the_more_is_lost():
    drawn = heat_map(FOUND, PRUNED)
    fills = [int(fill, 16) for fill in re.findall(r'fill="#([0-9a-f]{6})"', drawn)]
    figures = [float(figure) for figure in re.findall(r"([+-][\d.]+) %</text>", drawn)]
    assert figures == [0.25, 120.0, 0.1, 0.2]
    by_loss = [fill for _, fill in sorted(zip(figures, fills, strict=True))]
    assert by_loss == sorted(by_loss, reverse=True)
    assert fills[1] == 0x103E76
    assert heat_map(FOUND, ROUNDED).count('fill="#ffffff"') == 1


def test_the_page_lists_what_each_layer_bears():
    document = sensitivity_page(FOUND, subject="s").decode()
    at_half = document.split("At most 0.5 % in all")[1].split("</table>")[0]
    rows = re.findall(r'<th scope="row">(.*?)</th><td>(.*?)</td><td>(.*?)</td><td>(.*?)</td>', at_half)
    assert rows == [("body_conv0", "50%", "–", "4 bits"), ("body_&lt;out&gt;", "90%", "16 values", "–")]
