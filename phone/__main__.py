"""`python -m phone`: one round of what an app does, and a report of it."""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from phone.errors import PhoneError
from phone.session import Session
from phone.state import held
from phone.versions import Version, parse_version

EXAMPLE = """\
One round: bring the signed metadata up to date, choose a bundle from the catalog, download it if the policy
allows (as a patch where there is one), verify digest, contract and golden vectors, make it current; then
forecast for the place from the inputs of its one-degree cell, and send anonymous counts of what was done.
Run it again and it finds nothing new. Kill it at any moment and run it again: the folder is whole.

  python -m phone --server http://127.0.0.1:8000 --root var/root.json --state var/my-phone \\
      --latitude 39.74 --longitude=-104.99 --elevation 1609

Exit code: 0 after a forecast, 2 after a sentence that says why there is none.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one round; gives 0, or 2 after a sentence that says what to do."""
    options = _parse(arguments)
    try:
        with held(options.state):
            report = Session(options).run()
    except (PhoneError, OSError) as error:
        print(f"phone: {error}", file=sys.stderr)  # noqa: T201
        return 2
    text = json.dumps(report, indent=2, ensure_ascii=False) if options.json else _summary(report)
    # A server's names may hold what no terminal can show.
    print(text.encode(errors="backslashreplace").decode())  # noqa: T201
    return 0


def _summary(report: dict[str, Any]) -> str:
    run = f"{report['run']}{' (replay of a past year)' if report['replay'] else ''}"
    saved = ", inputs as fetched last" if report["inputs_from"] == "saved" else ""
    lines = [
        *_update_lines(report),
        f"run       {run}{saved}",
        *(
            f"station   {s['id']} {s['name']}: {s['distance_km']} km, weight {s['weight']}"
            for s in report["stations"]
        ),
        *_hour_lines(report["forecast"]),
    ]
    if report["comparison"]:
        apart = report["comparison"]["variables"]["temperature_2m"]
        lines.append(
            f"server    temperature differs by {apart['mean_abs_difference']} K over {apart['hours']} hours"
        )
    return "\n".join([*lines, f"reports   {_reports(report)}"])


def _update_lines(report: dict[str, Any]) -> list[str]:
    bundle, update, stale = report["bundle"], report["update"], report["trust"]["stale"]
    versions = ", ".join(f"{role} {version}" for role, version in report["trust"]["versions"].items())
    reason = f" ({update['reason']})" if update["reason"] else ""
    transferred = (
        f"{report['bytes_downloaded']} bytes{_delta(report['delta'])}, "
        f"resumed at {report['resumed_at'] or 'no byte'}, {report['digests_verified']} digests compared, "
        f"{report['golden']['cases']} golden cases replayed"
    )
    lines = [
        f"trust     {versions}",
        f"release   {report['resolved']['release']}: {update['outcome']}{reason}",
        f"bundle    {bundle['name']} {bundle['variant']} {bundle['sha256'][:12]}",
        f"download  {transferred}",
        f"speed     {report['speed']['perf_class']}: {report['speed']['milliseconds']} ms a run",
    ]
    if stale:
        lines.insert(1, f"stale     since {stale['since'] or 'ever'}: news may be held back from this phone")
    if report["decision"]:
        lines.insert(1, f"decision  {report['decision']['reason']}")
    return lines


def _delta(delta: dict[str, Any] | None) -> str:
    if delta is None:
        return ""
    return f" with a {delta['kind']} patch" if delta["outcome"] == "applied" else " after a patch was refused"


def _hour_lines(hours: dict[str, Any]) -> list[str]:
    return [
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


def _reports(report: dict[str, Any]) -> str:
    reports = report["reports"]
    if reports["off"]:
        return "off"
    reason = f": {reports['reason']}" if reports["reason"] else ""
    return f"{reports['sent']} sent{reason}"


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="phone",
        description="The reference phone: what an app does, once.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--server", required=True, help="address, such as http://127.0.0.1:8000")
    parser.add_argument("--state", required=True, type=Path, help="folder for what the phone keeps")
    parser.add_argument(
        "--root", type=Path, help="the server's first root, as it came with the app; needed the first time"
    )
    parser.add_argument(
        "--embedded", type=Path, help="the bundle inside the app, for when no other is usable"
    )
    parser.add_argument("--channel", default="stable", help="the audience (default: %(default)s)")
    parser.add_argument(
        "--timeout", type=_between(1, 3600), default=120.0, help="seconds for the whole update"
    )
    parser.add_argument("--json", action="store_true", help="print the whole report")
    parser.add_argument(
        "--no-reports", dest="reports", action="store_false", help="count nothing, send nothing"
    )
    parser.add_argument("--break-after-bytes", type=int, help="drop the first download after so many bytes")
    _add_place(parser.add_argument_group("place", "stays here: the server is told its one-degree cell"))
    _add_device(parser.add_argument_group("device", "what is not given restricts nothing"))
    _add_situation(parser.add_argument_group("situation", "what the catalog's policy is asked about"))
    return parser.parse_args(arguments)


def _add_place(group: Any) -> None:
    group.add_argument("--latitude", required=True, type=_between(-90, 90), help="degrees north")
    group.add_argument("--longitude", required=True, type=_between(-180, 180), help="degrees east")
    group.add_argument(
        "--elevation", type=_between(-450, 9000), help="metres; the stations' mean unless given"
    )


def _add_device(group: Any) -> None:
    group.add_argument(
        "--platform",
        default="linux",
        choices=("linux", "android"),
        help="whose catalog: both get the format that runs here (default: %(default)s)",
    )
    group.add_argument("--os-version", type=_version, help="such as 15.1")
    group.add_argument("--app-version", type=_version, help="such as 2.0")
    group.add_argument("--ram-mb", type=int, help="memory in mebibytes")
    group.add_argument("--region", help="ISO 3166-1, two letters")
    group.add_argument(
        "--perf-class", choices=("low", "mid", "high"), help="how fast it is; measured unless given"
    )


def _add_situation(group: Any) -> None:
    group.add_argument(
        "--network",
        default="unmetered",
        choices=("unmetered", "metered", "none"),
        help="(default: %(default)s)",
    )
    group.add_argument(
        "--on-battery", dest="charging", action="store_false", help="the phone is not being charged"
    )
    group.add_argument("--free-storage-mb", type=int, help="mebibytes; the disk's unless given")


def _version(text: str) -> Version:
    try:
        return parse_version(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _between(low: float, high: float) -> Callable[[str], float]:
    def number(text: str) -> float:
        value = float(text)
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text} was given; allowed is {low} to {high}")
        return value

    return number


if __name__ == "__main__":
    sys.exit(main())
