"""Two ways to ask a server: as fast as it answers (wrk), and at a rate that it does not choose."""

import asyncio
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench.bench import NothingToMeasure

SCRIPT = Path(__file__).with_name("paths.lua")


def closed_loop(address: str, paths: Sequence[str], *, seconds: int, connections: int) -> tuple[float, int]:
    """Requests per second of wrk, and how many: every connection asks again as soon as it has its answer.

    Args:
        address: host:port.
        paths: asked for in turn.
        seconds: how long.
        connections: kept open.

    Raises:
        NothingToMeasure: an answer was not 200, or a connection broke.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(paths) + "\n")
        file.flush()
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(SCRIPT), f"http://{address}"]
        environment = {**os.environ, "PATHS": file.name}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return parse_wrk(done.stdout + done.stderr)


def parse_wrk(text: str) -> tuple[float, int]:
    """Requests per second of what wrk printed, and how many there were.

    Raises:
        NothingToMeasure: answers other than 200, broken connections, or no figure at all.
    """
    for trouble in ("Non-2xx or 3xx responses", "Socket errors"):
        if trouble in text:
            line = next(line for line in text.splitlines() if trouble in line)
            raise NothingToMeasure(f"wrk says: {line.strip()}")
    rate = re.search(r"Requests/sec:\s+([0-9.]+)", text)
    count = re.search(r"(\d+) requests in", text)
    if rate is None or count is None:
        raise NothingToMeasure(f"wrk printed no rate: {text.strip()[:200]!r}")
    return float(rate[1]), int(count[1])


def open_loop(
    address: str, paths: Sequence[str], *, rate: float, seconds: float, connections: int
) -> list[float]:
    """Milliseconds from when each request was due until its answer was there, sorted.

    Requests are due at even steps whether or not earlier ones were answered; one that has to wait for its
    turn waits on the server's account, so that a server that stalls cannot slow its judge down. Each has a
    connection of its own, as those of a proxy in front have: kept ones stay with the worker that took them,
    and one worker may have taken nearly all.

    Args:
        address: host:port.
        paths: asked for in turn.
        rate: requests per second.
        seconds: how long.
        connections: at a time, at most.

    Raises:
        NothingToMeasure: an answer was not 200.
    """
    return asyncio.run(_paced(address, paths, rate, int(rate * seconds), connections))


def percentile(ordered: Sequence[float], share: float) -> float:
    """The value that `share` (0–1) of the sorted values do not exceed."""
    if not ordered:
        raise NothingToMeasure("Nothing was answered.")
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


async def _paced(
    address: str, paths: Sequence[str], rate: float, count: int, connections: int
) -> list[float]:
    numbers = iter(range(count))
    took: list[float] = []
    begin = time.perf_counter() + 0.1

    async def client() -> None:
        host, port = address.split(":")
        for number in numbers:
            due = begin + number / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            reader, writer = await asyncio.open_connection(host, int(port))
            try:
                path = paths[number % len(paths)]
                writer.write(f"GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n".encode())
                await _read_answer(reader)
            finally:
                writer.close()
            took.append((time.perf_counter() - due) * 1000)

    await asyncio.gather(*(client() for _ in range(connections)))
    return sorted(took)


async def _read_answer(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    if b" 200 " not in head.split(b"\r\n", 1)[0]:
        raise NothingToMeasure(f"An answer was {head.splitlines()[0].decode()!r} instead of 200.")
    length = re.search(rb"(?i)content-length: (\d+)", head)
    if length is None:
        raise NothingToMeasure("An answer came without Content-Length.")
    return await reader.readexactly(int(length[1]))
