"""The main job in processes of its own: once through, once more from its cache, and once refused."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).with_name("small_quickstart.py")
PHONE_VARIANTS = {"tflite_w8a8", "tflite_fp16", "coreml_fp16", "coreml_pal4"}


def run(var, *arguments, **environment):
    services = ("DATABASE_URL", "CELERY_BROKER_URL")
    clean = {name: value for name, value in os.environ.items() if name not in services}
    return subprocess.run(
        [sys.executable, str(SCRIPT), *arguments],
        cwd=ROOT,
        env=clean | {"SKYFOLD_VAR": str(var), "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    var = tmp_path_factory.mktemp("quickstart")
    done = run(var, "quickstart")
    assert done.returncode == 0, done.stderr[-3000:]
    return var, done, json.loads((var / "quickstart.json").read_text())


def test_every_figure_is_in_the_report(first):
    _, _, report = first
    assert [goal["baseline"] for goal in report["goals"]] == ["ridge", "same_hour_yesterday", "climatology"]
    assert set(report["baselines"]) == {"climatology", "persistence", "same_hour_yesterday", "ridge"}
    assert {v["name"] for v in report["variants"]} == PHONE_VARIANTS | {"server_fp32"}
    for variant in report["variants"]:
        assert variant["bytes"] > variant["bytes_on_wire"] > 10_000
        for split in ("unseen_station", "unseen_period"):
            assert variant["scores"][split]["temperature"]["25-48"] > 0
        assert set(variant["max_abs_difference"]) >= {"temperature", "precipitation"}
        assert (variant["microseconds_per_inference"] is None) == (variant["format"] == "coreml")
    assert report["stages"]["teacher"] > 0


def test_artifacts_give_what_the_student_gave(first):
    report = first[2]
    difference = {v["name"]: v["max_abs_difference"]["temperature"] for v in report["variants"]}
    assert difference["server_fp32"] < 0.01
    assert difference["tflite_fp16"] < 0.1
    assert difference["coreml_fp16"] < 0.1


def test_the_phone_resumed_verified_and_forecast(first):
    phone = first[2]["phone"]
    assert phone["update"]["outcome"] == "installed"
    assert phone["resumed_at"]
    assert phone["golden"]["cases"] >= 16
    assert len(phone["stations"]) > 1
    assert sum(station["weight"] for station in phone["stations"]) == pytest.approx(1.0, abs=0.001)
    assert phone["comparison"]["same_run"]
    assert phone["comparison"]["variables"]["temperature_2m"]["hours"] == 48


def test_the_password_is_shown_once_and_the_second_run_makes_nothing_new(first):
    var, done, report = first
    assert "Administrator: admin, password: " in done.stdout
    again = run(var, "quickstart")
    assert again.returncode == 0, again.stderr[-3000:]
    assert "password: " not in again.stdout
    second = json.loads((var / "quickstart.json").read_text())
    assert second["release"] == report["release"]
    assert "epoch" not in again.stderr
    assert "converting" not in again.stderr
    assert [v["sha256"] for v in second["variants"]] == [v["sha256"] for v in report["variants"]]


def test_a_refused_variant_is_named_with_figure_and_limit_and_nothing_is_released(first, tmp_path):
    var, _, _ = first
    # The finished stages of the first run, and an empty database.
    (tmp_path / "work").symlink_to(var / "work")
    done = run(tmp_path, "quickstart", REFUSED_VARIANT="tflite_w8a8")
    assert done.returncode != 0
    assert "tflite_w8a8: Size on the wire in KiB is 976562.50, the limit is 200.00." in done.stderr
    report = json.loads((tmp_path / "quickstart.json").read_text())
    bundled = {v["name"]: v["bundled"] for v in report["variants"]}
    assert not bundled["tflite_w8a8"]
    assert bundled["tflite_fp16"]
    assert not (tmp_path / "bundles" / "tflite_w8a8.bundle").exists()
    assert "release" not in report


def test_an_unknown_profile_is_refused_with_the_known_ones(tmp_path):
    done = run(tmp_path, "quickstart", "--profile", "huge")
    assert done.returncode == 2
    assert "invalid choice: 'huge' (choose from" in done.stderr
    assert "demo" in done.stderr
