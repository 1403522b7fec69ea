"""`make bench`: variants and endpoints side by side, measured in one run, as ratios.

Absolute times say more about the machine than about the program, so none is printed: every speed stands
beside one that was measured in turns with it.
"""

import json
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[1]
VAR = Path(os.environ.get("SKYFOLD_VAR", ROOT / "var"))
ROUNDS, REPEATS = 5, 200
REQUESTS, CLIENTS = 150, 2
# Denver and places around it, so that no two requests in a row are the same.
PLACES = [(39.74 + step / 100, -104.99 + step / 50) for step in range(-5, 5)]
HOURLY = "temperature_2m,precipitation,precipitation_probability,weather_code,wind_speed_10m,cloud_cover"

Row = Mapping[str, float | None]


class NothingToMeasure(Exception):
    """The quickstart has not made what is to be measured."""


@dataclass(frozen=True)
class Endpoint:
    """What is asked of the server in turns: paths, and the status that each must answer with."""

    paths: Sequence[str]
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


def main() -> int:
    try:
        report = _report()
        print(
            table(
                "Variants, one case on one thread",
                _variants(report),
                relative_to="tflite_fp16",
                ratios={"time"},
            )
        )
        print()
        print(
            table("Endpoints, one web process", _endpoints(), relative_to="/healthz", ratios={"requests/s"})
        )
    except NothingToMeasure as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    return 0


def table(title: str, rows: Mapping[str, Row], *, relative_to: str, ratios: Collection[str]) -> str:
    """Draw measurements as text.

    Args:
        title: first line.
        rows: by name, then column; None where nothing can be measured.
        relative_to: the row that the ratios are relative to.
        ratios: columns that are shown as a multiple of that row's value.

    Raises:
        NothingToMeasure: the row that the ratios are relative to is missing.
    """
    if relative_to not in rows:
        raise NothingToMeasure(f"{title}: there is no {relative_to} among {', '.join(rows) or 'nothing'}.")
    columns = list(rows[relative_to])
    cells = [["", *(f"{c} × {relative_to}" if c in ratios else c for c in columns)]]
    for name, row in rows.items():
        base = {c: rows[relative_to][c] if c in ratios else None for c in columns}
        cells.append([name, *(_cell(row[c], base[c], is_ratio=c in ratios) for c in columns)])
    widths = [max(len(line[i]) for line in cells) for i in range(len(columns) + 1)]
    lines = ["  ".join(_aligned(line, widths)) for line in cells]
    return "\n".join([title, *(line.rstrip() for line in lines)])


def _cell(value: float | None, base: float | None, *, is_ratio: bool) -> str:
    if value is None or (is_ratio and not base):
        return "–"
    if is_ratio:
        return f"{value / base:.2f}"
    # A loss that rounds to zero from below is zero.
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.2f}".replace("-0.00", "0.00")


def _aligned(line: Sequence[str], widths: Sequence[int]) -> list[str]:
    return [
        line[0].ljust(widths[0]),
        *(text.rjust(width) for text, width in zip(line[1:], widths[1:], strict=True)),
    ]


def _report() -> Mapping[str, Any]:
    path = VAR / "quickstart.json"
    try:
        report = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise NothingToMeasure("No quickstart has run yet: run `make demo SERVE=0` first.") from error
    if "phone" not in report:
        raise NothingToMeasure("The last quickstart did not finish: run `make demo SERVE=0` again.")
    return report


def _variants(report: Mapping[str, Any]) -> dict[str, Row]:
    """Sizes as the quickstart found them; times measured here, all variants in turns."""
    bundled = {v["name"]: v for v in report["variants"] if v["bundled"]}
    with tempfile.TemporaryDirectory() as folder:
        timed = _times({name: ROOT / v["path"] for name, v in bundled.items()}, Path(folder))
    return {
        name: {
            "bytes": v["bytes"],
            "bytes on the wire": v["bytes_on_wire"],
            "skill loss %": v["skill_loss_percent"] or 0.0,
            "time": statistics.median(timed[name]) if timed[name] else None,
            "slowest / fastest round": max(timed[name]) / min(timed[name]) if timed[name] else None,
        }
        for name, v in bundled.items()
    }


def _times(paths: Mapping[str, Path], folder: Path) -> dict[str, list[float]]:
    from packager.bundle import open_bundle
    from packager.runtimes import open_runtime
    from packager.verify.golden import decode_golden

    runtimes = {}
    for name, path in paths.items():
        bundle = open_bundle(path)
        (folder / name).mkdir()
        artifact = bundle.extract(folder / name)
        inputs = decode_golden(bundle.golden, bundle.contract)[0]
        runtimes[name] = open_runtime(artifact, bundle.format, contract=bundle.contract), inputs
    times: dict[str, list[float]] = {name: [] for name in runtimes}
    for _ in range(ROUNDS):
        for name, (runtime, inputs) in runtimes.items():
            # None for Core ML: what runs it here is not what runs it on a phone.
            if (microseconds := runtime.microseconds_per_inference(inputs, repeats=REPEATS)) is not None:
                times[name].append(microseconds)
    return times


def _endpoints() -> dict[str, Row]:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "weatherapp.config.settings")
    from weatherapp.config.processes import web_server

    with web_server() as url:
        address = urlsplit(url).netloc
        endpoints = _asked(address)
        rounds = [{name: _load(address, e) for name, e in endpoints.items()} for _ in range(ROUNDS + 1)][1:]
    rates = {name: [one[name][0] for one in rounds] for name in endpoints}
    return {
        name: {
            "bytes per reply": round(rounds[0][name][1]),
            "requests/s": statistics.median(rates[name]),
            "slowest / fastest round": max(rates[name]) / min(rates[name]),
        }
        for name in endpoints
    }


def _asked(address: str) -> dict[str, Endpoint]:
    places = [
        f"/v1/forecast?latitude={a:.2f}&longitude={b:.2f}&hourly={HOURLY}&forecast_hours=48"
        for a, b in PLACES
    ]
    latitudes, longitudes = (",".join(f"{place[axis]:.2f}" for place in PLACES) for axis in (0, 1))
    many = f"/v1/forecast?latitude={latitudes}&longitude={longitudes}&hourly={HOURLY}&forecast_hours=48"
    cell = "/v1/cells/N39W105/inputs"
    return {
        "/healthz": Endpoint(["/healthz"]),
        "/v1/forecast, one place": Endpoint(places),
        f"/v1/forecast, {len(PLACES)} places": Endpoint([many]),
        "/v1/cells/…/inputs": Endpoint([cell]),
        "/v1/cells/…/inputs, unchanged": Endpoint([cell], 304, {"If-None-Match": _etag(address, cell)}),
    }


def _etag(address: str, path: str) -> str:
    connection = HTTPConnection(address, timeout=30)
    connection.request("GET", path)
    response = connection.getresponse()
    if response.status != 200:
        raise NothingToMeasure(
            f"{path} answered {response.status}: {response.read(300)!r}. Run `make demo SERVE=0`."
        )
    connection.close()
    return response.headers["ETag"]


def _load(address: str, endpoint: Endpoint) -> tuple[float, float]:
    """Requests per second and mean bytes of a reply, for a bounded number of requests by a few clients."""
    sizes: list[int] = []
    failures: list[str] = []
    clients = [
        threading.Thread(target=_client, args=(address, endpoint, number, sizes, failures))
        for number in range(CLIENTS)
    ]
    started = time.perf_counter()
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    if failures:
        raise NothingToMeasure(failures[0])
    return len(sizes) / (time.perf_counter() - started), statistics.mean(sizes)


def _client(address: str, endpoint: Endpoint, number: int, sizes: list[int], failures: list[str]) -> None:
    connection = HTTPConnection(address, timeout=30)
    try:
        for index in range(number, REQUESTS, CLIENTS):
            path = endpoint.paths[index % len(endpoint.paths)]
            connection.request("GET", path, headers=dict(endpoint.headers))
            response = connection.getresponse()
            body = response.read()
            if response.status != endpoint.status:
                failures.append(
                    f"{path[:60]} answered {response.status} instead of {endpoint.status}: {body[:200]!r}"
                )
                return
            sizes.append(len(body))
    except OSError as error:
        failures.append(f"The server did not answer: {error}")
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(main())
