"""A live server with a stored run, and what the clients' tests share."""

import json
import os
import shutil
import subprocess
import sys
import urllib.request
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pytest

from tests.weather import INIT, NOW, STATIONS, make_outputs, make_run

HERE = Path(__file__).resolve().parent
APART = Path(sys.prefix)  # `make install-dev` keeps packages here that cannot live beside the others
CHICAGO = {"latitude": 41.9, "longitude": -87.7}
SECONDS = 60


@pytest.fixture
def forecast_server(transactional_db, live_server, settings, tmp_path, monkeypatch):
    """The address of a server that answers from one stored run, half past one on a July afternoon in Chicago.

    Everything but the clock is the real thing: sockets, Django's handlers, a run in a folder.
    """
    settings.RUNS_DIR = tmp_path / "runs"
    monkeypatch.setattr("django.utils.timezone.now", lambda: NOW)
    make_run()
    return live_server.url


@pytest.fixture
def full_run(forecast_server):
    """A newer run that knows every past hour, too."""
    outputs = make_outputs(len(STATIONS))
    past = {name: np.repeat(values[:, :1], values.shape[1], axis=1) for name, values in outputs.items()}
    return make_run(init_time=INIT + timedelta(minutes=1), outputs=outputs, past=past)


@pytest.fixture
def forecast_url(forecast_server):
    return f"{forecast_server}/v1/forecast"


@pytest.fixture
def ask_json(forecast_url):
    """Asks for parameters as they stand and gives the server's JSON: what clients must agree with."""

    def ask(**parameters: Any) -> Any:
        with urllib.request.urlopen(f"{forecast_url}?{urlencode(parameters)}", timeout=SECONDS) as response:
            return json.load(response)

    return ask


@pytest.fixture
def ask_node(forecast_url):
    """Asks through npm's openmeteo; gives what it read."""
    node = shutil.which("node")
    need(node is not None and (HERE / "node/node_modules/openmeteo").is_dir(), "npm's openmeteo")

    def ask(**parameters: Any) -> Any:
        command = [str(node), str(HERE / "node/ask.cjs"), forecast_url, json.dumps(parameters)]
        return run(command)

    return ask


@pytest.fixture
def ask_older(forecast_server):
    """Asks through the older open-meteo; gives what it read."""
    folder = APART / "clients-older"
    need((folder / "open_meteo").is_dir(), "the older open-meteo")

    def ask(**arguments: Any) -> Any:
        script = str(HERE / "older.py")
        return run([sys.executable, script, str(folder), forecast_server, json.dumps(arguments)])

    return ask


def need(there: bool, what: str) -> None:
    """Skip a test whose client is not installed; fail where every client must be."""
    if there:
        return
    message = f"{what} is not installed: run `make install-dev`, with Node.js and npm on the PATH."
    if os.environ.get("TEST_CLIENTS") == "required":
        pytest.fail(message)
    pytest.skip(message, allow_module_level=True)


def run(command: list[str]) -> Any:
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
