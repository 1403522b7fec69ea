"""Helpers make recipes from the end while the comparison goes on from the beginning."""

import os
from typing import ClassVar

import pytest

from packager.comparison import ahead
from packager.comparison.ahead import Place, helpers, make_recipes
from packager.recipes import Profile, get_recipe

PROFILE = Profile("tiny", stride=24, members=1, teacher_epochs=1, student_epochs=1, scored_cases=10)
RECIPES = [
    get_recipe(name) for name in ("tflite_w8a8", "coreml_pal4", "tflite_fp16", "onnx_fp32", "tflite_w4")
]


class Started:
    """A process that only remembers."""

    made: ClassVar[list] = []

    def __init__(self, target, args, daemon):
        self.shares, self.events = [recipe.name for recipe in args[1]], []
        Started.made.append(self)

    def start(self):
        self.events.append("started")

    def kill(self):
        self.events.append("killed")

    def join(self):
        self.events.append("joined")


@pytest.fixture
def started(monkeypatch):
    class Spawn:
        Process = Started

    monkeypatch.setattr(ahead.multiprocessing, "get_context", lambda method: Spawn)
    Started.made = []
    return Started.made


@pytest.mark.parametrize(
    ("workers", "shares"),
    [
        (1, []),
        (2, [["tflite_w4", "onnx_fp32", "tflite_fp16", "coreml_pal4", "tflite_w8a8"]]),
        (3, [["tflite_w4", "tflite_fp16", "tflite_w8a8"], ["onnx_fp32", "coreml_pal4"]]),
    ],
)
def test_helpers_begin_with_the_last_and_share(started, tmp_path, workers, shares):
    with helpers(Place(tmp_path, PROFILE), RECIPES, workers):
        assert [process.shares for process in started] == shares
        assert all(process.events == ["started"] for process in started)
    assert all(process.events == ["started", "killed", "joined"] for process in started)


def test_helpers_end_with_a_comparison_that_is_stopped(started, tmp_path):
    with pytest.raises(KeyboardInterrupt), helpers(Place(tmp_path, PROFILE), RECIPES, 2):
        raise KeyboardInterrupt
    assert started[0].events == ["started", "killed", "joined"]


@pytest.fixture
def reported(monkeypatch):
    names = []

    def report(self, recipe):
        names.append(recipe.name)
        raise ValueError(recipe.name)

    monkeypatch.setattr(ahead.ComparisonPipeline, "report", report)
    return names


def test_a_recipe_that_fails_is_left_to_the_comparison(reported, tmp_path):
    make_recipes(Place(tmp_path, PROFILE), RECIPES[:2], os.getppid())
    assert reported == ["tflite_w8a8", "coreml_pal4"]


def test_a_helper_whose_comparison_is_gone_stops(reported, tmp_path):
    make_recipes(Place(tmp_path, PROFILE), RECIPES, parent=0)
    assert reported == []
