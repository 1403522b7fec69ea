"""`python -m bench.forecast_api`: the public forecast API against what its parts cost by themselves.

The server is started as production starts it, with one view more that does nothing. Everything is measured in
turns with what it is compared to, in one run, on one machine; a ratio says more than a rate.
"""

import argparse
import json
import random
import shutil
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any

from bench.bench import VAR, NothingToMeasure
from bench.load import closed_loop, open_loop, percentile
from bench.servers import PEERS, cpu_seconds, forecast_server, newest_run, peer_server

HOURLY = (
    "temperature_2m,dew_point_2m,precipitation,precipitation_probability,"
    "weather_code,wind_speed_10m,wind_direction_10m,cloud_cover"
)
HOURS = 48
WORKERS = 2
CONNECTIONS = 16
ROUNDS, SECONDS = 5, 4
PLACES, REQUESTS_OF_MANY = 100, 30
DISTINCT = 12_000  # places of a round: more than are asked for in its seconds
AROUND = 0.5  # degrees


@dataclass(frozen=True)
class Goal:
    """A figure beside what it should be."""

    name: str
    value: float | None
    limit: float
    unit: str
    at_least: bool = False
    note: str = ""

    @property
    def reached(self) -> bool | None:
        """None where nothing could be measured."""
        if self.value is None:
            return None
        return self.value >= self.limit if self.at_least else self.value < self.limit

    def line(self) -> str:
        """For a terminal."""
        verdict = {True: "reached", False: "MISSED", None: "not measured"}[self.reached]
        value = "–" if self.value is None else f"{self.value:.2f}"
        sign = "≥" if self.at_least else "<"
        shown = f"{self.name:<62} {value:>8} {self.unit:<3} goal {sign} {self.limit:g}  {verdict}"
        return f"{shown}  ({self.note})" if self.note else shown


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--seconds", type=int, default=SECONDS, help="of each measurement")
    parser.add_argument("--no-peers", action="store_true", help="leave the other servers out")
    given = parser.parse_args()
    if shutil.which("wrk") is None:
        print("The forecast API was not measured: wrk is not on the PATH; install the package wrk.")
        return 0
    try:
        report = measure(rounds=given.rounds, seconds=given.seconds, peers=not given.no_peers)
    except NothingToMeasure as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    goals = goals_of(report)
    series = f"{HOURLY.count(',') + 1} variables, {HOURS} hours"
    print(f"The forecast API, {WORKERS} workers, {series}, medians of {given.rounds} rounds")
    print("\n".join(goal.line() for goal in goals))
    print(f"By processor time of the server alone: {report['cpu_ratio']:.2f} × the empty view")
    print(f"For the same ten places again and again: {report['ratio_same_places']:.2f} × the empty view")
    for name, peer in report["peers"].items():
        ratio = peer["reason"] if peer["ratio"] is None else f"{peer['ratio']:.1f} × its forecasts/s"
        print(f"{name}: {ratio}")
    path = VAR / "bench" / "forecast_api.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**report, "goals": {g.name: g.reached for g in goals}}, indent=1) + "\n")
    return 0


def goals_of(report: dict[str, Any]) -> list[Goal]:
    """What was asked of the API, beside what was measured."""
    asked = {name: found for name, found in report["peers"].items() if PEERS[name].interpreter == "request"}
    peers = {name: found["ratio"] for name, found in asked.items() if found["ratio"] is not None}
    reasons = {found["reason"] for found in asked.values() if found["ratio"] is None}
    closest = min(peers, key=lambda name: peers[name], default=None)
    return [
        Goal("requests/s, one place ÷ an empty view", report["ratio"], 0.5, "×", at_least=True),
        Goal("99 % of answers at half the peak rate within", report["p99_ms"], 25, "ms"),
        Goal(f"{PLACES} places in one request, median", report["many_ms"], 60, "ms"),
        Goal(
            "forecasts/s ÷ the fastest other server of the same file",
            peers[closest] if closest else None,
            2,
            "×",
            at_least=True,
            note=closest or "; ".join(sorted(reasons)),
        ),
    ]


def measure(*, rounds: int, seconds: int, peers: bool) -> dict[str, Any]:
    """Start the servers, ask them in turns, stop them."""
    stations: list[dict[str, float]] = json.loads((newest_run() / "run.json").read_text())["stations"]
    # Each round asks for places that no round before asked for: no answer is ready.
    asked = [_paths(stations, "/v1/forecast", number) for number in range(rounds + 2)]
    empty = _paths(stations, "/bench/empty", 0)
    with forecast_server(WORKERS) as (address, group):
        _check(address, asked[0][0])
        one = _in_turns((address, asked[:-1]), (address, [empty] * len(asked)), seconds, group)
        same = [paths[:10] for paths in asked[:2]]
        again = _in_turns((address, same), (address, [empty] * 2), seconds)
        half = statistics.median(one["asked"]) / 2
        took = open_loop(address, asked[-1], rate=half, seconds=3 * seconds, connections=CONNECTIONS)
        many = [_many(address, stations, seed) for seed in range(REQUESTS_OF_MANY)]
        report = {
            "requests_per_second": statistics.median(one["asked"]),
            "empty_requests_per_second": statistics.median(one["base"]),
            "ratio": statistics.median(one["ratio"]),
            "cpu_ratio": statistics.median(one["cpu_ratio"]),
            "ratio_same_places": statistics.median(again["ratio"]),
            "ratios": one["ratio"],
            "half_rate": half,
            "p50_ms": percentile(took, 0.5),
            "p99_ms": percentile(took, 0.99),
            "many_ms": statistics.median(many),
        }
        report["peers"] = _peers(address, asked, seconds) if peers else {}
    return report


def _peers(address: str, asked: Sequence[Sequence[str]], seconds: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in PEERS:
        try:
            with peer_server(name, WORKERS) as (peer, paths):
                rates = _in_turns((address, asked[:3]), (peer, [paths] * 3), seconds)
                found[name] = {
                    "ratio": statistics.median(rates["ratio"]),
                    "requests_per_second": statistics.median(rates["base"]),
                }
        except NothingToMeasure as error:
            found[name] = {"ratio": None, "reason": str(error)}
    return found


def _in_turns(
    asked: tuple[str, Sequence[Sequence[str]]],
    base: tuple[str, Sequence[Sequence[str]]],
    seconds: int,
    group: int = 0,
) -> dict[str, list[float]]:
    """Rates of both and their ratio, round by round; the first warms both up and does not count.

    Args:
        asked: host:port, and the paths of each round.
        base: what the ratio is relative to, likewise.
        seconds: of each measurement.
        group: processes whose processor time per request is compared, too.
    """
    found: dict[str, list[float]] = {"asked": [], "base": [], "ratio": [], "cpu_ratio": []}
    for number, (paths, others) in enumerate(zip(asked[1], base[1], strict=False)):
        used = [cpu_seconds(group)]
        ours, our_count = closed_loop(asked[0], paths, seconds=seconds, connections=CONNECTIONS)
        used.append(cpu_seconds(group))
        theirs, their_count = closed_loop(base[0], others, seconds=seconds, connections=CONNECTIONS)
        used.append(cpu_seconds(group))
        if number:
            found["asked"].append(ours)
            found["base"].append(theirs)
            found["ratio"].append(ours / theirs)
            if group:
                found["cpu_ratio"].append(
                    (used[2] - used[1]) / their_count / ((used[1] - used[0]) / our_count)
                )
    return found


def _paths(stations: Sequence[dict[str, float]], view: str, round_number: int) -> list[str]:
    return [f"{view}?{query}" for query in _places(stations, DISTINCT, round_number)]


def _places(stations: Sequence[dict[str, float]], count: int, seed: int) -> list[str]:
    """Queries for places around the stations, no two alike."""
    generator = random.Random(seed)
    queries = []
    for _ in range(count):
        station = generator.choice(stations)
        latitude, longitude = (
            station[axis] + generator.uniform(-AROUND, AROUND) for axis in ("latitude", "longitude")
        )
        queries.append(
            f"latitude={latitude:.4f}&longitude={longitude:.4f}&hourly={HOURLY}&forecast_hours={HOURS}"
        )
    return queries


def _many(address: str, stations: Sequence[dict[str, float]], seed: int) -> float:
    """Milliseconds of one request for many places."""
    generator = random.Random(1000 + seed)
    chosen = [generator.choice(stations) for _ in range(PLACES)]
    latitudes, longitudes = (
        ",".join(f"{station[axis] + generator.uniform(-AROUND, AROUND):.4f}" for station in chosen)
        for axis in ("latitude", "longitude")
    )
    path = f"/v1/forecast?latitude={latitudes}&longitude={longitudes}&hourly={HOURLY}&forecast_hours={HOURS}"
    began = time.perf_counter()
    _check(address, path)
    return (time.perf_counter() - began) * 1000


def _check(address: str, path: str) -> None:
    connection = HTTPConnection(address, timeout=30)
    connection.request("GET", path)
    response = connection.getresponse()
    body = response.read()
    connection.close()
    if response.status != 200:
        raise NothingToMeasure(f"{path[:60]} answered {response.status}: {body[:200]!r}")


if __name__ == "__main__":
    sys.exit(main())
