"""Servers in processes of their own, on free ports of this machine, for as long as they are asked."""

import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import numpy as np

from bench.bench import ROOT, VAR, NothingToMeasure

HOST = "127.0.0.1"
START_SECONDS = 90.0
IDLE = 0.05  # seconds of processor time in a second
PEER_PYTHON = Path(os.environ.get("BENCH_VENV", ROOT / ".venv-bench")) / "bin" / "python"


@dataclass(frozen=True)
class Peer:
    """Another way to serve the model: its command by port and workers; what an interpreter is made for."""

    command: Callable[[int, int], list[str]]
    interpreter: str


def _litserve(port: int, workers: int) -> list[str]:
    return [str(PEER_PYTHON), "-m", "bench.peer_litserve", str(port), str(workers)]


def _bentoml(port: int, workers: int) -> list[str]:  # noqa: ARG001  (its workers are in the environment)
    serve = ["serve", "bench.peer_bentoml:Forecast", "--host", HOST, "--port", str(port)]
    return [str(PEER_PYTHON), "-m", "bentoml", *serve]


PEERS: Mapping[str, Peer] = {
    "LitServe, an interpreter per request": Peer(_litserve, "request"),
    "BentoML, an interpreter per request": Peer(_bentoml, "request"),
    "LitServe, an interpreter per worker": Peer(_litserve, "worker"),
    "BentoML, an interpreter per worker": Peer(_bentoml, "worker"),
}


@contextmanager
def forecast_server(workers: int) -> Iterator[tuple[str, int]]:
    """Our server as production starts it, with the empty view; gives host:port and its process group."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bench.settings")
    from weatherapp.config.processes import web_command

    port = _free_port()
    command = web_command(f"{HOST}:{port}", workers=workers)
    environment = {"DJANGO_SETTINGS_MODULE": "bench.settings", "SKYFOLD_VAR": str(VAR)}
    with _running("the forecast server", command, environment, port, "GET /healthz") as group:
        _wait_until_idle(group)
        yield f"{HOST}:{port}", group


@contextmanager
def peer_server(name: str, workers: int) -> Iterator[tuple[str, list[str]]]:
    """Another server with the same model; gives host:port and what to ask in turn.

    Raises:
        NothingToMeasure: it is not installed, or does not start.
    """
    if not PEER_PYTHON.is_file():
        raise NothingToMeasure("not installed; `make bench-peers` does it")
    peer, port = PEERS[name], _free_port()
    with tempfile.TemporaryDirectory(prefix="skyfold-bench-") as folder:
        stations = _unpack(Path(folder))
        environment = {
            "FORECAST_MODEL": f"{folder}/model.tflite",
            "FORECAST_INPUTS": f"{folder}/inputs.npz",
            "FORECAST_INTERPRETER": peer.interpreter,
            "FORECAST_WORKERS": str(workers),
            "BENTOML_HOME": f"{folder}/bentoml",
            "BENTOML_DO_NOT_TRACK": "True",
        }
        asked = [f'/predict\t{{"station": {station}}}' for station in range(stations)]
        with _running(name, peer.command(port, workers), environment, port, f"POST {asked[0]}"):
            yield f"{HOST}:{port}", asked


def cpu_seconds(group: int) -> float:
    """Processor time that the living processes of a group have used; NaN where the system does not tell."""
    ticks = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The command stands in brackets and may hold anything.
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:  # it ended meanwhile
            continue
        if int(fields[2]) == group:
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK") if ticks else float("nan")


def _wait_until_idle(group: int) -> None:
    """Let workers finish what they load beside their first requests."""
    used, deadline = cpu_seconds(group), time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        time.sleep(1.0)
        before, used = used, cpu_seconds(group)
        if not used - before > IDLE:  # also where the system does not tell
            return


def newest_run() -> Path:
    """The folder of the newest stored run."""
    folders = sorted(path.parent for path in (VAR / "runs").glob("[0-9]*/run.json"))
    if not folders:
        raise NothingToMeasure("There is no stored run: run `make demo SERVE=0` first.")
    return folders[-1]


def _unpack(folder: Path) -> int:
    """Write the server model and the newest run's inputs into a folder; gives how many stations there are."""
    from packager.bundle import open_bundle

    bundle = open_bundle(VAR / "bundles" / "server_fp32.bundle")
    bundle.extract(folder).rename(folder / "model.tflite")
    arrays = {path.stem.removeprefix("input-"): np.load(path) for path in newest_run().glob("input-*.npy")}
    known = {spec.name for spec in bundle.contract.inputs}
    inputs = {name: values for name, values in arrays.items() if name in known}
    np.savez(folder / "inputs.npz", **inputs)
    return len(next(iter(inputs.values())))


@contextmanager
def _running(
    name: str, command: Sequence[str], environment: Mapping[str, str], port: int, ready: str
) -> Iterator[int]:
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, **environment},
            stdout=said,
            stderr=said,
            start_new_session=True,  # so that all of its workers end with it
        )
        try:
            if not _answers(process, port, ready):
                said.seek(0)
                last = said.read().decode(errors="replace").strip().splitlines()[-1:]
                raise NothingToMeasure(f"{name} did not start: {' '.join(last)[:200] or 'it said nothing'}")
            yield process.pid
        finally:
            _stop(process)


def _answers(process: subprocess.Popen[bytes], port: int, ready: str) -> bool:
    method, path = ready.split(" ", 1)
    path, _, body = path.partition("\t")
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        connection = HTTPConnection(HOST, port, timeout=5)
        try:
            connection.request(method, path, body or None, {"Content-Type": "application/json"})
            if connection.getresponse().status == 200:
                return True
        except (OSError, HTTPException):
            pass
        finally:
            connection.close()
        time.sleep(0.2)
    return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    for signal_number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, signal_number)
        except ProcessLookupError:
            break
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            continue
    process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
