"""The reference phone against the real server over HTTP: from an empty folder to a forecast that agrees."""

import json
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from mobile_models import services, verification
from phone.__main__ import main
from tests.factories import approve, build_bundle
from weatherapp.forecasts.services import run_cycle

pytestmark = pytest.mark.django_db(transaction=True)

CHICAGO = ["--latitude", "41.9", "--longitude", "-87.65", "--elevation", "180"]


@pytest.fixture
def release(settings, tmp_path, monkeypatch):
    """The same tiny model for phone and server, so that they must agree."""
    settings.BLOBS_DIR, settings.RUNS_DIR = tmp_path / "blobs", tmp_path / "runs"
    monkeypatch.setattr(verification, "verify_archive", lambda path: None)  # has its own tests
    bundles = [
        services.register_bundle(path=build_bundle(tmp_path / f"{name}.zip", variant=name, batch=batch))
        for name, batch in (("tflite_w8a8", 1), ("server_fp32", None))
    ]
    made = approve(services.create_release(bundles=bundles))
    services.start_rollout(release=made, channel="stable", basis_points=10_000)
    return made


@pytest.fixture
def run(release):
    return run_cycle(now=datetime.now(UTC))


def test_phone_forecasts_what_the_server_forecasts(live_server, run, release, tmp_path, capsys):
    state = str(tmp_path / "phone")
    command = [
        "--server",
        live_server.url,
        "--state",
        state,
        *CHICAGO,
        "--json",
        "--break-after-bytes",
        "5000",
    ]
    assert main(command) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["update"] == {"outcome": "installed", "reason": None}
    assert report["resolved"]["release"] == release.version
    assert report["bundle"]["variant"] == "tflite_w8a8"
    assert report["resumed_at"] == [5000]
    assert report["bytes_downloaded"] == release.bundles.get(variant="tflite_w8a8").wire_size
    assert report["digests_verified"] == 8
    assert report["golden"]["cases"] == 16
    assert report["replay"] is True
    assert 1 <= len(report["stations"]) <= 4
    assert sum(station["weight"] for station in report["stations"]) == pytest.approx(1, abs=0.001)
    assert len(report["forecast"]["time"]) == 12
    comparison = report["comparison"]
    assert comparison["same_run"]
    found = comparison["variables"]
    assert found["temperature_2m"]["hours"] == 48
    # Half of the server's last decimal, and the history rounded on its way to the phone.
    limits = {"temperature_2m": 0.06, "precipitation": 0.06, "weather_code": 0.05, "cloud_cover": 1.0,
              "wind_speed_10m": 0.02, "pressure_msl": 0.06, "precipitation_probability": 1.0}  # fmt: skip
    assert {
        name: found[name]["mean_abs_difference"] <= limit for name, limit in limits.items()
    } == dict.fromkeys(limits, True)

    assert main(["--server", live_server.url, "--state", state, *CHICAGO, "--json"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert again["update"]["outcome"] == "current"
    assert again["bytes_downloaded"] == 0
    assert again["forecast"] == report["forecast"]


def test_command_line_prints_a_summary(live_server, run, tmp_path, capsys):
    assert main(["--server", live_server.url, "--state", str(tmp_path / "phone"), *CHICAGO]) == 0
    shown = capsys.readouterr().out
    assert "16 golden cases replayed" in shown
    assert "replay of a past year" in shown
    assert "temperature differs by 0.0" in shown


def test_place_without_a_station_near_is_one_sentence(live_server, run, tmp_path, capsys):
    far = ["--latitude", "0", "--longitude", "0"]
    assert main(["--server", live_server.url, "--state", str(tmp_path / "phone"), *far]) == 2
    assert "No data is available" in capsys.readouterr().err


def test_unknown_model_is_one_sentence_with_what_is_allowed(live_server, run, tmp_path, capsys):
    command = ["--server", live_server.url, "--state", str(tmp_path / "phone"), *CHICAGO, "--model", "other"]
    assert main(command) == 2
    assert "allowed are point" in capsys.readouterr().err


def test_phone_starts_without_the_server_packages():
    """What an app would have to port: neither Django nor the packager nor TensorFlow."""
    server = ("django", "packager", "mobile_models", "tensorflow", "jsonschema")
    script = f"import sys, phone.__main__; print([name for name in {server} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
