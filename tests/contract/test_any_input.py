"""Whatever is sent, no operation that the reference documents fails, or answers as it does not say."""

import json
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.weather import make_run

SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
EXAMPLES = 8
SECONDS = 400
# What ends a device's token would leave nothing but refusals for the rest.
LIVES_ON = """
[[operations]]
include-path = "/v1/devices/me"
include-method = ["DELETE"]
enabled = false

[[operations]]
include-path = "/v1/devices/me/token"
enabled = false
"""
PLACE = {"latitude": 41.9, "longitude": -87.7, "kind": "home"}


def send(url, body, **headers):
    request = urllib.request.Request(
        url, json.dumps(body).encode(), {"Content-Type": "application/json", **headers}
    )
    with urllib.request.urlopen(request, timeout=30) as reply:
        return json.load(reply)


@pytest.fixture
def server(transactional_db, live_server, settings, tmp_path):
    settings.RUNS_DIR = tmp_path / "runs"
    for name in ("DEVICE_CALLS_PER_MINUTE", "ADDRESS_CALLS_PER_MINUTE", "DEVICE_REGISTRATIONS_PER_HOUR"):
        setattr(settings, name, 1_000_000)
    make_run()
    return live_server.url


@pytest.mark.parametrize("ends", [False, True])
def test_every_answer_is_documented(server, tmp_path, ends):
    """`ends` asks for what ends a device's token, otherwise for everything else."""
    token = send(f"{server}/v1/devices", {})["token"]
    send(f"{server}/v1/devices/me/places", PLACE, Authorization=f"Bearer {token}")
    config = tmp_path / "schemathesis.toml"
    config.write_text("" if ends else LIVES_ON)
    only = ["--include-path-regex=^/v1/devices/me(/token)?$"] if ends else []
    command = [
        str(SCHEMATHESIS), f"--config-file={config}", "run", f"{server}/openapi.json", f"--checks={CHECKS}",
        "--phases=examples,coverage,fuzzing", f"--max-examples={EXAMPLES}", "--generation-deterministic",
        "--no-color", "--continue-on-failure", f"--header=Authorization: Bearer {token}", *only,
    ]  # fmt: skip
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert " passed" in done.stdout
