"""What people see on a terminal: progress bars per stage, and tables of scores and variants."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from packager.contract import Contract
from packager.recipes import UpdateMode
from packager.verify.skill import metric_of

console = Console(stderr=True, highlight=False, width=None if sys.stderr.isatty() else 120)
SCORE_COLUMNS = (
    "temperature_mae",
    "temperature",
    "wind_speed",
    "cloud_cover",
    "cloud_base",
    "precipitation_probability",
)


@contextmanager
def progress_bars() -> Iterator[Callable[[str, float, str], None]]:
    """A bar for every stage; without a terminal, one line for every message."""
    if not sys.stderr.isatty():
        yield lambda stage, fraction, message: console.print(
            f"{stage:<12} {fraction:4.0%}  {message}", soft_wrap=True
        )
        return
    columns = (
        TextColumn("{task.description:<14}"),
        BarColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[message]}"),
    )
    with Progress(*columns, console=console) as bars:
        tasks: dict[str, TaskID] = {}

        def report(stage: str, fraction: float, message: str) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=1.0, message="")
            bars.update(tasks[stage], completed=fraction, message=message)

        yield report


def scores_table(
    rows: Mapping[str, Mapping[str, Mapping[str, float | None]]],
    contract: Contract,
    *,
    split: str,
    bucket: str,
) -> Table:
    """Scores of several forecast sources side by side; lower is better.

    Args:
        rows: by source, then score, then lead bucket.
        contract: names and units.
        split: which held-out cases.
        bucket: which leads.
    """
    table = Table(title=f"Scores on {split}, leads {bucket} h (lower is better)", title_justify="left")
    table.add_column("source")
    for column in SCORE_COLUMNS:
        table.add_column(_heading(column, contract), justify="right")
    for source, scores in rows.items():
        table.add_row(source, *(_cell(scores.get(column, {}).get(bucket)) for column in SCORE_COLUMNS))
    return table


def variants_table(variants: list[dict[str, Any]]) -> Table:
    """Variants side by side: sizes, skill loss, speed, verdict."""
    table = Table(title="Variants", title_justify="left")
    for name in ("variant", "KiB", "KiB on the wire", "skill loss %", "µs", "max ΔT °C", "verdict"):
        table.add_column(name, justify="left" if name in ("variant", "verdict") else "right")
    for item in variants:
        speed = item.get("microseconds_per_inference")
        table.add_row(
            item["name"],
            _kib(item.get("bytes")),
            _kib(item.get("bytes_on_wire")),
            _cell(item.get("skill_loss_percent"), 2),
            "–" if speed is None else f"{speed:.0f}",
            _cell(item.get("max_abs_difference", {}).get("temperature")),
            "bundled" if item["bundled"] else f"refused: {item['reason']}",
        )
    return table


def updates_table(updates: list[dict[str, Any]], mode: UpdateMode) -> Table:
    """Retrained variants: what their update costs a phone, and what it gains."""
    title = f"Updates, {mode.name}: goal {mode.goal_percent:.0f} % of the full bundle on the wire"
    table = Table(title=title, title_justify="left")
    for name in ("variant", "full KiB", "patch KiB", "% of full", "error against released, %", "verdict"):
        table.add_column(name, justify="left" if name in ("variant", "verdict") else "right")
    for item in updates:
        table.add_row(
            item["name"],
            _kib(item.get("bytes_on_wire")),
            _kib(item.get("patch_bytes")),
            _cell(item.get("patch_percent"), 2),
            _cell(item.get("change_percent"), 2),
            "bundled" if item["bundled"] else f"refused: {item['reason']}",
        )
    return table


def _heading(score: str, contract: Contract) -> str:
    if score == "precipitation_probability":
        return "rain chance Brier"
    spec = contract.output(score.removesuffix("_mae"))
    metric = "MAE" if score.endswith("_mae") else metric_of(spec)
    units = {"degC": " °C", "m s-1": " m/s"}.get(spec.units, "")
    return f"{spec.name.replace('_', ' ')} {metric}{units}"


def _cell(value: float | None, digits: int = 4) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _kib(size: int | None) -> str:
    return "–" if size is None else f"{size / 1024:.1f}"
