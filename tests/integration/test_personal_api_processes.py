"""Personal requests to a server of its own: what its logs and its database file still hold afterwards."""

import http.client
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from weatherapp.config import processes
from weatherapp.config.privacy import scrub

ROOT = Path(__file__).resolve().parents[2]
# Digits that can come from nowhere else.
LATITUDE, LONGITUDE, LABEL = 41.23457, -87.65431, "Grandmother's greenhouse"
SECRETS = ("41.23457", "41.25", "-87.65", "87.65431", "greenhouse", "latitude=", "needle")


def environment(folder):
    return {
        **{
            name: value
            for name, value in os.environ.items()
            if name not in {"DATABASE_URL", "CELERY_BROKER_URL"}
        },
        "SKYFOLD_VAR": str(folder),
        "DJANGO_SETTINGS_MODULE": "weatherapp.config.settings",
        "LOG_LEVEL": "DEBUG",
    }


@contextmanager
def served(folder, log):
    """The web server as `manage.py serve` and the image start it, with an access log; gives its port."""
    address = f"127.0.0.1:{processes._free_port()}"
    command = [*processes.web_command(address, workers=1), "--access-logfile", "-", "--log-level", "debug"]
    with log.open("wb") as output:
        server = subprocess.Popen(command, cwd=ROOT, env=environment(folder), stdout=output, stderr=output)
        try:
            processes._wait_until_alive(server, f"http://{address}/healthz")
            yield int(address.rpartition(":")[2])
        finally:
            server.terminate()
            server.wait(15)


def ask(port, method, path, body=None, token=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    headers = {"Content-Type": "application/json", "Referer": f"http://127.0.0.1/?latitude={LATITUDE}"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    connection.request(method, path, None if body is None else json.dumps(body), headers)
    reply = connection.getresponse()
    content = reply.read()
    connection.close()
    return reply.status, json.loads(content) if content[:1] in {b"{", b"["} else content


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("var")
    command = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
    subprocess.run(command, cwd=ROOT, env=environment(folder), check=True, capture_output=True)
    return folder


def test_no_log_tells_where_people_are(site, tmp_path):
    log = tmp_path / "log"
    with served(site, log) as port:
        _, device = ask(port, "POST", "/v1/devices", {})
        token = device["token"]
        place = {"latitude": LATITUDE, "longitude": LONGITUDE, "label": LABEL}
        query = f"latitude={LATITUDE}&longitude={LONGITUDE}&x=needle"
        asked = [
            ("POST", "/v1/devices/me/places", place, 201),
            ("POST", "/v1/devices/me/places", {**place, "latitude": "41.23457"}, 400),
            ("GET", f"/v1/devices/me/forecast?{query}", None, 400),
            ("GET", "/v1/devices/me/forecast?place=needle", None, 404),
            ("GET", f"/v1/devices/me/nothing?{query}", None, 404),
            ("PUT", f"/v1/devices/me?{query}", {}, 405),
            ("GET", f"/v1/forecast?{query}", None, 503),
            ("POST", "/v1/forecast", {"latitude": LATITUDE, "longitude": LONGITUDE}, 503),
        ]
        for method, path, body, status in asked:
            assert ask(port, method, path, body, token)[0] == status, path
        assert ask(port, "GET", f"/v1/devices/me/feed?{query}")[0] == 401
        # What gunicorn itself cannot read it may quote.
        broken = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        broken.putrequest("BAD METHOD", f"/v1/forecast?{query}")
        broken.endheaders()
        assert broken.getresponse().status == 400
        broken.close()
    text = log.read_text()
    assert text.count("/v1/devices/me/places") >= 2, "the access log must be on for this to mean anything"
    assert "/v1/devices/me/forecast" in text
    assert [line for line in text.splitlines() if any(secret in line for secret in (*SECRETS, token))] == []


def test_what_is_erased_leaves_the_database_file(site):
    file, label = site / "db.sqlite3", "Grandfather's cellar"
    with served(site, site / "log") as port:
        _, device = ask(port, "POST", "/v1/devices", {})
        token = device["token"]
        for number in range(20):
            body = {"latitude": 41 + number / 10, "longitude": -87.5, "label": f"{label} {number}"}
            assert ask(port, "POST", "/v1/devices/me/places", body, token)[0] == 201
        assert label.encode() in bytes_of(file), "the test must be able to see it"
        assert ask(port, "DELETE", "/v1/devices/me", token=token)[0] == 204
        assert ask(port, "GET", "/v1/devices/me", token=token)[0] == 401
        assert device["id"].replace("-", "").encode() not in bytes_of(file)
        assert label.encode() not in bytes_of(file)
    with sqlite3.connect(file) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    database.close()


RUN_OF_NOW = """
import django; django.setup()
from django.utils import timezone
from tests.weather import make_run
make_run(init_time=timezone.now().replace(minute=0, second=0, microsecond=0))
"""


@pytest.mark.skipif(not (shutil.which("bash") and shutil.which("curl")), reason="needs bash and curl")
def test_the_guides_walk_can_be_walked(tmp_path):
    migrate = ["manage.py", "migrate", "--verbosity", "0"]
    for command in (migrate, ["-c", RUN_OF_NOW]):
        known = {**environment(tmp_path), "PYTHONPATH": str(ROOT)}
        subprocess.run([sys.executable, *command], cwd=ROOT, env=known, check=True, capture_output=True)
    guide = (ROOT / "docs" / "personal.md").read_text()
    blocks = re.findall(r"^```sh\n(.*?)^```", guide, re.DOTALL | re.MULTILINE)
    assert len(blocks) >= 7
    with served(tmp_path, tmp_path / "log") as port:
        script = "set -euo pipefail\n" + "\n".join(blocks) + "\n"
        walked = subprocess.run(
            ["bash", "-c", script],
            env={**os.environ, "BASE": f"http://127.0.0.1:{port}"},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert walked.returncode == 0, walked.stdout[-2000:] + walked.stderr[-2000:]
    for told in (
        '"latitude":41.9',
        '"votes":1',
        '"hourly":',
        '"language":"zh"',
        '"cursor":"0"',
        '"quiet_hours":',
    ):
        assert told in walked.stdout, told


def bytes_of(file):
    """The database with its log of writes."""
    return b"".join(part.read_bytes() for part in file.parent.glob(f"{file.name}*"))


@pytest.mark.parametrize(
    ("line", "clean"),
    [
        ("GET /v1/forecast?latitude=1 HTTP/1.1", "GET /v1/forecast?[query] HTTP/1.1"),
        ("Invalid line: 'GET /?a=b'", "Invalid line: 'GET /?[query]'"),
        ("near (41.9, -87.65): why? nobody knows", "near ([place]): why? nobody knows"),
        ("Bearer skyfold_0123456789ab_abcDEF-_1", "Bearer [token]"),
        ("skill 0.31 0.42, 12 stations", "skill 0.31 0.42, 12 stations"),
        ("Invalid request from ip=127.0.0.1: no HTTP", "Invalid request from ip=[address]: no HTTP"),
        ("Invalid request from ip=2001:db8::1: no HTTP", "Invalid request from ip=[address]: no HTTP"),
    ],
)
def test_queries_places_and_tokens_are_taken_out_of_a_line(line, clean):
    assert scrub(line) == clean


def test_a_traceback_is_cleaned_too(caplog):
    import logging

    from weatherapp.config.privacy import WithoutPlaces

    try:
        float("/v1/forecast?latitude=41.9")
    except ValueError:
        record = logging.LogRecord(
            "x", logging.ERROR, __file__, 1, "failed at %s", ("/a?b=c",), sys.exc_info()
        )
    assert WithoutPlaces().filter(record)
    text = logging.Formatter().format(record)
    assert "41.9" not in text
    assert "b=c" not in text
    assert "ValueError" in text
