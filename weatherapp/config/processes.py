"""Start the server's processes from a management command and stop them again."""

import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.core.management.base import CommandError

HOST = "127.0.0.1"
START_SECONDS = 60.0


def web_command(address: str, *, workers: int = 2) -> list[str]:
    """The command line of the web process, listening on `host:port`."""
    return [
        *(sys.executable, "-m", "gunicorn", "weatherapp.config.wsgi", "--bind", address),
        *("--config", "python:weatherapp.config.gunicorn"),
        *("--workers", str(workers), "--threads", "2", "--log-level", "warning"),
    ]


def worker_command() -> list[str]:
    """The command line of a worker that also keeps the clock of the beat schedule."""
    return [
        *(sys.executable, "-m", "celery", "-A", "weatherapp.config", "worker", "--beat"),
        *("--concurrency", "1", "--loglevel", "warning"),
    ]


@contextmanager
def running(command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    """Keep a process while inside."""
    process = subprocess.Popen(command, cwd=settings.BASE_DIR)  # noqa: S603 - our own commands
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def web_server() -> Iterator[str]:
    """A web server on a free port of this machine; gives its URL once it answers."""
    address = f"{HOST}:{_free_port()}"
    with running(web_command(address, workers=1)) as process:
        _wait_until_alive(process, f"http://{address}/healthz")
        yield f"http://{address}"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_until_alive(process: subprocess.Popen[bytes], url: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise CommandError(
                f"The web server ended with status {process.returncode}; its message stands above."
            )
        try:
            with urllib.request.urlopen(url, timeout=2):  # noqa: S310 - an http URL made above
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise CommandError(f"The web server did not answer {url} within {START_SECONDS:.0f} s.")
