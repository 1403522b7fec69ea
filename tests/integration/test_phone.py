"""The reference phone against the real server over HTTP: from an empty folder to a forecast that agrees."""

import hashlib
import json
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from mobile_models import deltas, services, verification
from mobile_models.models import ReportBatch, ReportCount
from mobile_models.signing import services as signing
from phone.__main__ import main
from phone.state import State
from tests.factories import approve, build_bundle
from tests.repositories import make_repository
from weatherapp.forecasts.services import run_cycle

pytestmark = pytest.mark.django_db(transaction=True)

CHICAGO = ["--latitude", "41.9", "--longitude", "-87.65", "--elevation", "180"]


@pytest.fixture
def root(settings, tmp_path, monkeypatch):
    """The root of a repository that lives below the test's folder."""
    settings.BLOBS_DIR, settings.RUNS_DIR = tmp_path / "blobs", tmp_path / "runs"
    monkeypatch.setattr(verification, "verify_archive", lambda path: None)  # has its own tests
    path = tmp_path / "root.json"
    path.write_bytes(make_repository(tmp_path, settings))
    return path


@pytest.fixture
def make_release(root, tmp_path):
    """Releases of the same tiny model for phone and server, so that they must agree."""

    def make(number):
        bundles = [
            services.register_bundle(
                path=build_bundle(
                    tmp_path / f"{name}-{number}.zip", variant=name, batch=batch, offset=number / 10
                )
            )
            for name, batch in (("tflite_w8a8", 1), ("server_fp32", None))
        ]
        return approve(services.create_release(bundles=bundles))

    return make


@pytest.fixture
def release(make_release):
    made = make_release(0)
    services.start_rollout(release=made, channel="stable")
    signing.publish()
    return made


@pytest.fixture
def run(release):
    return run_cycle(now=datetime.now(UTC))


@pytest.fixture
def phone(live_server, root, tmp_path, capsys):
    """One round of the phone; gives its report."""
    command = ["--server", live_server.url, "--state", str(tmp_path / "phone"), "--root", str(root), *CHICAGO]

    def round_of(*options):
        assert main([*command, "--json", *options]) == 0
        return json.loads(capsys.readouterr().out)

    return round_of


def phone_bundle(release):
    return release.bundles.get(variant="tflite_w8a8")


def test_phone_forecasts_what_the_server_forecasts(run, release, phone):
    report = phone("--break-after-bytes", "5000")
    assert report["update"] == {"outcome": "installed", "reason": None}
    assert report["resolved"]["release"] == release.version
    assert report["bundle"]["variant"] == "tflite_w8a8"
    assert report["resumed_at"] == [5000]
    forms = phone_bundle(release).encodings
    assert report["bytes_downloaded"] == min(form["size"] for form in forms.values())
    assert report["digests_verified"] == 8
    assert report["golden"]["cases"] == 16
    assert report["trust"]["stale"] is None
    assert report["trust"]["versions"]["root"] == 1
    assert report["decision"]["action"] == "install"
    assert report["policy"]["verdict"]["allowed"]
    assert report["speed"]["perf_class"] in {"low", "mid", "high"}
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

    again = phone()
    assert again["update"]["outcome"] == "current"
    assert again["bytes_downloaded"] == 0
    assert again["forecast"] == report["forecast"]


def test_what_the_phone_did_is_counted_without_saying_who_or_where(run, release, make_release, phone):
    phone()
    staged = services.start_rollout(release=make_release(1), channel="stable", basis_points=5000)
    signing.publish()
    report = phone()
    assert report["reports"]["sent"] == 1
    assert report["reports"]["reason"] is None
    arm = report["decision"]["arm"]
    assert arm in {"exposed", "control"}
    batches = list(ReportBatch.objects.order_by("pk"))
    assert len(batches) == 2
    sent = batches[1].body
    assert (sent["arm"], sent["rollout_counter"]) == (arm, staged.release_counter)
    assert sent["cell"] == "N41W088"
    assert "41.9" not in json.dumps(sent)
    counted = ReportCount.objects.filter(rollout=staged, operation="infer", outcome="ok")
    assert [row.arm for row in counted] == [arm]


def test_reports_are_sent_only_where_they_are_on(run, phone):
    assert phone("--no-reports")["reports"] == {"off": True}
    assert not ReportBatch.objects.exists()


def test_a_new_release_comes_as_a_patch_and_a_halt_rolls_back_without_a_download(
    run, release, make_release, phone
):
    phone()
    second = make_release(1)
    rollout = services.start_rollout(release=second, channel="stable")
    deltas.make_deltas(phone_bundle(second))
    signing.publish()
    report = phone()
    assert report["update"]["outcome"] == "installed"
    assert report["delta"]["outcome"] == "applied"
    offered = phone_bundle(second).deltas_to.filter(offered=True)
    assert report["bytes_downloaded"] == min(delta.size for delta in offered)
    services.roll_back(rollout=rollout, reason="It crashes.")
    signing.publish()
    back = phone()
    assert (back["update"]["outcome"], back["bytes_downloaded"]) == ("installed", 0)
    assert back["resolved"]["release"] == release.version
    assert back["resolved"]["release_counter"] > report["resolved"]["release_counter"]


def test_a_revoked_bundle_gives_way_to_the_last_good_one_and_then_to_the_one_inside_the_app(
    run, release, make_release, phone, tmp_path
):
    phone()
    second = make_release(1)
    services.start_rollout(release=second, channel="stable")
    signing.publish()
    phone()
    inside = build_bundle(tmp_path / "inside.zip", offset=0.5)
    left = {second: phone_bundle(release).sha256, release: hashlib.sha256(inside.read_bytes()).hexdigest()}
    for made, expected in left.items():
        services.revoke_bundle(bundle=phone_bundle(made), reason="It lies.")
        signing.publish()
        report = phone("--embedded", str(inside))
        assert report["update"]["outcome"] == "kept"
        assert report["bundle"]["sha256"] == expected
    assert report["bundle"]["release"] is None


def test_a_staged_rollout_reaches_the_phone_when_its_share_does(run, release, make_release, phone, tmp_path):
    phone()
    rollout = services.start_rollout(release=make_release(1), channel="stable", basis_points=1)
    place = State(tmp_path / "phone").bucket(rollout.salt)
    if place > 1:
        services.widen_rollout(rollout=rollout, basis_points=place)
        signing.publish()
        report = phone()
        assert (report["update"]["outcome"], report["decision"]["arm"]) == ("current", "control")
    services.widen_rollout(rollout=rollout, basis_points=place + 1)
    signing.publish()
    report = phone()
    assert report["update"]["outcome"] == "installed"
    assert report["resolved"]["release_counter"] == rollout.release_counter


def test_the_phone_forecasts_on_while_metadata_is_expired_and_says_so(run, settings, make_release, phone):
    assert phone()["trust"]["stale"] is None
    settings.TUF_TIMESTAMP_DAYS = -1
    services.start_rollout(release=make_release(1), channel="stable")
    signing.publish()
    report = phone()
    assert "MetadataExpired" in report["update"]["reason"]
    assert report["trust"]["stale"]["since"] is not None
    assert report["comparison"]["same_run"]


def test_without_a_network_the_phone_forecasts_from_what_it_has(run, phone):
    online = phone()
    offline = phone("--network", "none")
    assert offline["inputs_from"] == "saved"
    assert offline["forecast"] == online["forecast"]
    assert offline["comparison"] is None
    assert offline["reports"]["sent"] == 0
    assert phone()["reports"]["sent"] == 1


def test_command_line_prints_a_summary(live_server, run, root, tmp_path, capsys):
    command = ["--server", live_server.url, "--state", str(tmp_path / "phone"), "--root", str(root)]
    assert main([*command, *CHICAGO]) == 0
    shown = capsys.readouterr().out
    assert "16 golden cases replayed" in shown
    assert "replay of a past year" in shown
    assert "temperature differs by 0.0" in shown
    assert "trust     root 1" in shown
    assert "reports   1 sent" in shown


def test_without_a_root_nobody_is_believed(live_server, run, tmp_path, capsys):
    assert main(["--server", live_server.url, "--state", str(tmp_path / "phone"), *CHICAGO]) == 2
    assert "Give --root FILE" in capsys.readouterr().err


def test_place_without_a_station_near_is_one_sentence(live_server, run, root, tmp_path, capsys):
    far = ["--root", str(root), "--latitude", "0", "--longitude", "0"]
    assert main(["--server", live_server.url, "--state", str(tmp_path / "phone"), *far]) == 2
    assert "No data is available" in capsys.readouterr().err


def test_unknown_channel_is_one_sentence(live_server, run, root, tmp_path, capsys):
    command = ["--server", live_server.url, "--state", str(tmp_path / "phone"), "--root", str(root)]
    assert main([*command, *CHICAGO, "--channel", "other"]) == 2
    assert "Nobody signed catalog/linux/other.json" in capsys.readouterr().err


def test_phone_starts_without_the_server_packages():
    """What an app would have to port: neither Django nor the packager nor TensorFlow."""
    server = ("django", "packager", "mobile_models", "tensorflow", "jsonschema")
    script = f"import sys, phone.__main__; print([name for name in {server} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
