"""`python -m phone`: one round of what an app does, and a report of it."""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from phone.compare import compare
from phone.errors import PhoneError
from phone.forecast import Forecast, fetch_inputs, forecast
from phone.state import State
from phone.transport import Deadline, Server
from phone.update import update

FIRST_HOURS = 12


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one round; gives 0, or 2 after a sentence that says what to do."""
    options = _parse(arguments)
    try:
        report = run(options)
    except (PhoneError, OSError) as error:
        print(f"phone: {error}", file=sys.stderr)  # noqa: T201
        return 2
    text = json.dumps(report, indent=2, ensure_ascii=False) if options.json else _summary(report)
    print(text)  # noqa: T201
    return 0


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Update, forecast, compare.

    Raises:
        PhoneError: no forecast could be made.
    """
    server, state = Server(options.server), State(options.state)
    updated = update(
        server,
        state,
        model=options.model,
        channel=options.channel,
        platform=options.platform,
        seconds=options.timeout,
        break_after_bytes=options.break_after_bytes,
    )
    seconds, transfer = dict(updated.seconds), updated.transfer
    try:
        sha256, bundle = state.usable()
    except PhoneError as error:
        raise PhoneError(f"{error} The offer was not taken: {updated.reason}") from error
    place, deadline = (options.latitude, options.longitude), Deadline(options.timeout)
    started = perf_counter()
    inputs, inputs_bytes = fetch_inputs(server, *place, deadline)
    seconds["inputs"] = round(perf_counter() - started, 4)
    started = perf_counter()
    made = forecast(bundle, inputs, *place, options.elevation)
    seconds["forecast"] = round(perf_counter() - started, 4)
    started = perf_counter()
    compared = compare(server, made, *place, options.elevation, deadline)
    seconds["compare"] = round(perf_counter() - started, 4)
    return {
        "resolved": {
            "release": updated.release,
            "release_counter": updated.release_counter,
            "sha256": updated.sha256,
        },
        "update": {"outcome": updated.outcome, "reason": updated.reason},
        "bundle": {"sha256": sha256, "name": bundle.manifest["name"], "variant": bundle.manifest["variant"]},
        "download": asdict(transfer) if transfer else None,
        "bytes_downloaded": transfer.bytes_received if transfer else 0,
        "resumed_at": transfer.resumed_at if transfer else [],
        "digests_verified": updated.digests_verified,
        "golden": {"cases": updated.golden_cases, "max_abs_difference": updated.golden_max_abs_difference},
        "inputs_bytes": inputs_bytes,
        "replay": made.replay,
        "run": made.run,
        "stations": _stations(made),
        "forecast": _hours(made, FIRST_HOURS),
        "comparison": compared,
        "seconds": seconds,
    }


def _stations(made: Forecast) -> list[dict[str, Any]]:
    return [
        {
            "id": station["id"],
            "name": station["name"],
            "distance_km": round(float(distance), 2),
            "weight": round(float(weight), 4),
        }
        for station, distance, weight in zip(
            made.stations, made.blend.distances, made.blend.weights, strict=True
        )
    ]


def _hours(made: Forecast, count: int) -> dict[str, Any]:
    return {
        "time": [time.strftime("%Y-%m-%dT%H:%MZ") for time in made.times[:count]],
        **{
            name: [round(float(value), 2) if np.isfinite(value) else None for value in values[:count]]
            for name, values in made.values.items()
        },
    }


def _summary(report: dict[str, Any]) -> str:
    bundle, update_ = report["bundle"], report["update"]
    reason = f" ({update_['reason']})" if update_["reason"] else ""
    transferred = (
        f"{report['bytes_downloaded']} bytes, resumed at {report['resumed_at'] or 'no byte'}, "
        f"{report['digests_verified']} digests compared, {report['golden']['cases']} golden cases replayed"
    )
    lines = [
        f"release   {report['resolved']['release']}: {update_['outcome']}{reason}",
        f"bundle    {bundle['name']} {bundle['variant']} {bundle['sha256'][:12]}",
        f"download  {transferred}",
        f"run       {report['run']}{' (replay of a past year)' if report['replay'] else ''}",
        *(
            f"station   {s['id']} {s['name']}: {s['distance_km']} km, weight {s['weight']}"
            for s in report["stations"]
        ),
    ]
    hours = report["forecast"]
    lines += [
        f"{time}  {temperature} °C  {amount} mm ({chance} %)  code {code}"
        for time, temperature, amount, chance, code in zip(
            hours["time"],
            hours["temperature_2m"],
            hours["precipitation"],
            hours["precipitation_probability"],
            hours["weather_code"],
            strict=True,
        )
    ]
    apart = report["comparison"]["variables"]["temperature_2m"]
    lines.append(
        f"server    temperature differs by {apart['mean_abs_difference']} K over {apart['hours']} hours"
    )
    return "\n".join(lines)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="phone", description="What an app does, once.")
    parser.add_argument("--server", required=True, help="address, such as http://127.0.0.1:8000")
    parser.add_argument("--latitude", required=True, type=_between(-90, 90), help="degrees north")
    parser.add_argument("--longitude", required=True, type=_between(-180, 180), help="degrees east")
    parser.add_argument(
        "--elevation", type=_between(-450, 9000), help="metres; the stations' mean unless given"
    )
    parser.add_argument("--state", required=True, type=Path, help="folder for what the phone keeps")
    parser.add_argument("--model", default="point")
    parser.add_argument("--channel", default="stable")
    parser.add_argument("--platform", default="linux")
    parser.add_argument(
        "--timeout", type=_between(1, 3600), default=120.0, help="seconds for the whole update"
    )
    parser.add_argument("--json", action="store_true", help="print the whole report")
    parser.add_argument("--break-after-bytes", type=int, help="drop the first download after so many bytes")
    return parser.parse_args(arguments)


def _between(low: float, high: float) -> Any:
    def number(text: str) -> float:
        value = float(text)
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text} was given; allowed is {low} to {high}")
        return value

    return number


if __name__ == "__main__":
    sys.exit(main())
