"""A stage is done once, again when its inputs change, and never half."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from packager import workspace
from packager.workspace import Workspace, source_digest

ROOT = Path(__file__).parents[3]


def write(text, calls=None):
    def make(folder):
        if calls is not None:
            calls.append(folder)
        (folder / "model.bin").write_text(text)
        return {"text": text}

    return make


def everything(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_a_stage_is_done_once(tmp_path):
    calls = []
    first = Workspace(tmp_path).stage("teacher", {"seed": 1}, write("one", calls))
    again = Workspace(tmp_path).stage("teacher", {"seed": 1}, write("two", calls))
    assert len(calls) == 1
    assert (first.cached, again.cached) == (False, True)
    assert again.facts == {"text": "one"}
    assert again.folder == first.folder
    assert (again.folder / "model.bin").read_text() == "one"
    assert again.seconds == first.seconds


@pytest.mark.parametrize("changed", [{"seed": 2}, {"seed": 1, "epochs": 3}, {}])
def test_changed_inputs_make_another_stage_and_keep_the_old_one(tmp_path, changed):
    stages = Workspace(tmp_path)
    first = stages.stage("teacher", {"seed": 1}, write("one"))
    second = stages.stage("teacher", changed, write("two"))
    assert second.key != first.key
    assert not second.cached
    assert second.facts == {"text": "two"}
    assert stages.stage("teacher", {"seed": 1}, write("three")).facts == {"text": "one"}


def test_the_name_is_part_of_the_key(tmp_path):
    stages = Workspace(tmp_path)
    assert stages.stage("teacher", {}, write("t")).key != stages.stage("student", {}, write("s")).key


def test_inputs_are_compared_by_value_not_by_order(tmp_path):
    stages = Workspace(tmp_path)
    stages.stage("teacher", {"a": 1, "b": (1, 2)}, write("one"))
    assert stages.stage("teacher", {"b": [1, 2], "a": 1}, write("two")).cached


def test_the_record_says_what_was_done(tmp_path):
    stage = Workspace(tmp_path).stage("teacher", {"seed": 1}, write("one"))
    record = json.loads((stage.folder / "stage.json").read_text())
    assert record["inputs"] == {"seed": 1}
    assert record["facts"] == {"text": "one"}
    assert record["seconds"] >= 0


def test_a_stage_that_fails_leaves_nothing(tmp_path):
    def fail(folder):
        (folder / "model.bin").write_text("half")
        raise RuntimeError("the disk is full")

    with pytest.raises(RuntimeError, match="the disk is full"):
        Workspace(tmp_path).stage("teacher", {}, fail)
    assert list((tmp_path / "teacher").iterdir()) == []
    assert not Workspace(tmp_path).stage("teacher", {}, write("whole")).cached


def test_facts_that_are_not_plain_values_leave_nothing(tmp_path):
    with pytest.raises(TypeError):
        Workspace(tmp_path).stage("teacher", {}, lambda folder: {"path": folder})
    assert list((tmp_path / "teacher").iterdir()) == []


def test_a_process_killed_in_the_middle_leaves_no_finished_stage(tmp_path):
    script = f"""
import os, signal
from pathlib import Path
from packager.workspace import Workspace
def make(folder):
    (folder / "model.bin").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
Workspace(Path({str(tmp_path)!r})).stage("teacher", {{}}, make)
"""
    ended = subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False)
    assert ended.returncode == -signal.SIGKILL
    assert [path.name for path in everything(tmp_path)] == ["model.bin"]
    stage = Workspace(tmp_path).stage("teacher", {}, write("whole"))
    assert not stage.cached
    assert (stage.folder / "model.bin").read_text() == "whole"


def _slow_stage(folder, start, results):
    def make(part):
        start.wait(30)
        (part / "model.bin").write_text(str(os.getpid()))
        return {"pid": os.getpid()}

    stage = Workspace(folder).stage("teacher", {}, make)
    results.put((stage.facts["pid"], (stage.folder / "model.bin").read_text()))


def test_two_processes_at_once_agree_on_one_result(tmp_path):
    context = multiprocessing.get_context("spawn")
    # Both are inside `make` before either may end it.
    start, results = context.Barrier(2), context.Queue()
    workers = [context.Process(target=_slow_stage, args=(tmp_path, start, results)) for _ in range(2)]
    for worker in workers:
        worker.start()
    seen = [results.get(timeout=60) for _ in workers]
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    assert seen[0] == seen[1]
    assert str(seen[0][0]) == seen[0][1]
    assert [path.name for path in everything(tmp_path)] == ["model.bin", "stage.json"]


def test_a_rename_that_fails_for_another_reason_is_not_hidden(tmp_path, monkeypatch):
    def refuse(self, target):
        raise PermissionError("read-only")

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(PermissionError):
        Workspace(tmp_path).stage("teacher", {}, write("one"))
    assert everything(tmp_path) == []


def test_a_program_replaced_while_it_runs_keeps_its_digest(tmp_path, monkeypatch):
    monkeypatch.setattr(workspace, "ROOT", tmp_path)
    (tmp_path / "replaced.py").write_text("old")
    first = source_digest("replaced.py")
    (tmp_path / "replaced.py").write_text("new")
    assert source_digest("replaced.py") == first


def test_the_source_digest_follows_content_and_names_of_sources_only(tmp_path, monkeypatch):
    monkeypatch.setattr(workspace, "ROOT", tmp_path)
    # As a new process reads them.
    source_digest = workspace.source_digest.__wrapped__
    package = tmp_path / "packager" / "teacher"
    package.mkdir(parents=True)
    (package / "a.py").write_text("1")
    first = source_digest("packager/teacher")
    (package / "a.pyc").write_text("compiled")
    assert source_digest("packager/teacher") == first
    (package / "a.py").write_text("2")
    changed = source_digest("packager/teacher")
    assert changed != first
    (package / "a.py").rename(package / "b.py")
    assert source_digest("packager/teacher") not in (first, changed)
    assert source_digest("packager/teacher/b.py") == source_digest("packager/teacher")


def test_what_a_killed_process_left_is_removed_after_a_week_and_not_before(tmp_path):
    old, young = (tmp_path / "teacher" / f".{name}-part" for name in ("old", "young"))
    for part, days in ((old, 8), (young, 1)):
        part.mkdir(parents=True)
        (part / "model.bin").write_text("half")
        then = part.stat().st_mtime - days * 86_400
        os.utime(part, (then, then))
    Workspace(tmp_path).stage("teacher", {"seed": 1}, write("one"))
    assert not old.exists()
    assert young.exists()


def test_finished_stages_are_found_again_whatever_made_them(tmp_path):
    stages = Workspace(tmp_path)
    first, second = (stages.stage("student", {"seed": seed}, write(str(seed))) for seed in (1, 2))
    stages.stage("teacher", {}, write("t"))
    assert {stage.key for stage in stages.finished("student")} == {first.key, second.key}
    assert list(stages.finished("bundle")) == []
    found = stages.known("student", first.key)
    assert (found.key, found.facts, found.inputs) == (first.key, {"text": "1"}, {"seed": 1})
    assert stages.known("student", "0" * 64) is None


def test_a_stage_in_the_making_is_not_found(tmp_path):
    def make(folder):
        assert list(Workspace(tmp_path).finished("student")) == []
        return {}

    Workspace(tmp_path).stage("student", {}, make)
