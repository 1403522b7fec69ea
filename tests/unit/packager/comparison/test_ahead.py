"""Helpers make recipes from the end while the comparison goes on from the beginning."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import ClassVar

import pytest

from packager.comparison import ahead
from packager.comparison.ahead import Place, helpers, make_recipes
from packager.recipes import Profile, get_recipe

PROFILE = Profile("tiny", stride=24, members=1, teacher_epochs=1, student_epochs=1, scored_cases=10)
RECIPES = [
    get_recipe(name) for name in ("tflite_w8a8", "coreml_pal4", "tflite_fp16", "onnx_fp32", "tflite_w4")
]


ROOT = Path(__file__).resolve().parents[4]
ENDED = ["asked to end", "joined", "killed", "joined"]


class Started:
    """A process that only remembers."""

    made: ClassVar[list] = []

    def __init__(self, target, args, daemon):
        self.shares, self.events = [recipe.name for recipe in args[1]], []
        Started.made.append(self)

    def start(self):
        self.events.append("started")

    def terminate(self):
        self.events.append("asked to end")

    def kill(self):
        self.events.append("killed")

    def join(self, timeout=None):
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
    assert all(process.events == ["started", *ENDED] for process in started)


def test_helpers_end_with_a_comparison_that_is_stopped(started, tmp_path):
    with pytest.raises(KeyboardInterrupt), helpers(Place(tmp_path, PROFILE), RECIPES, 2):
        raise KeyboardInterrupt
    assert started[0].events == ["started", *ENDED]


def wait_until(holds, seconds=60.0):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_helper_takes_the_converter_that_it_started_with_it(tmp_path):
    code = (
        "import os, sys, pathlib\n"
        "from packager.comparison import ahead\n"
        "from packager.processes import run_apart\n"
        "from packager.recipes import Profile, get_recipe\n"
        "def report(self, recipe):\n"
        "    script = 'import os, time; print(os.getpid(), flush=True); time.sleep(600)'\n"
        "    run_apart([sys.executable, '-c', script], pathlib.Path('log'), 600.0, dict(os.environ))\n"
        "ahead.ComparisonPipeline.report = report\n"
        "profile = Profile('tiny', 24, 1, 1, 1, 10)\n"
        "place = ahead.Place(pathlib.Path('work'), profile)\n"
        "ahead.make_recipes(place, [get_recipe('tflite_fp16')], os.getppid())\n"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    helper = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, env=environment)
    log = tmp_path / "log"
    wait_until(lambda: log.exists() and log.read_text().strip())
    converter = int(log.read_text())
    helper.terminate()
    assert helper.wait(60) == 0
    wait_until(lambda: not Path(f"/proc/{converter}").exists())


@pytest.fixture
def reported(monkeypatch):
    names = []

    def report(self, recipe):
        names.append(recipe.name)
        raise ValueError(recipe.name)

    monkeypatch.setattr(ahead.ComparisonPipeline, "report", report)
    monkeypatch.setattr(ahead.signal, "signal", lambda *_: None)
    return names


def test_a_recipe_that_fails_is_left_to_the_comparison(reported, tmp_path):
    make_recipes(Place(tmp_path, PROFILE), RECIPES[:2], os.getppid())
    assert reported == ["tflite_w8a8", "coreml_pal4"]


def test_a_helper_whose_comparison_is_gone_stops(reported, tmp_path):
    make_recipes(Place(tmp_path, PROFILE), RECIPES, parent=0)
    assert reported == []
