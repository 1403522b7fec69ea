"""The page of a comparison: one HTML file that asks for nothing and runs nothing."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from packager.comparison.goals import KIB, Goal
from packager.comparison.plots import lead_multiples, pareto_plot
from packager.comparison.rows import KEY_OUTPUTS, Row, front_of
from packager.report.markup import Markup, facts, section, table, tag
from packager.report.page import page

STYLE = (Path(__file__).parent / "page.css").read_text()
METHOD = (
    "Skill loss is the mean over the contract's outputs of score ÷ teacher's score − 1, on stations that no "
    "training saw, leads 1–48 h. Its interval is from the 5th to the 95th percentile of 1000 resamples of "
    "blocks of five days at a station, each drawn together with the teacher's scores. Bytes on the wire are "
    "the whole archive (artifact, contract, manifest, golden vectors) compressed with zstd 19: a peer's "
    "artifact is put into the same archive. Times and memory are of this machine; Core ML has neither here, "
    "because what runs it here is not what runs it on a phone."
)
HEADS = (
    "Recipe",
    "No.",
    "Format",
    "On the front",
    "Wire, KiB",
    "Archive, KiB",
    "Loss, %",
    "Interval",
    "Worst station",
    "Worst leads",
    "Strong wind, %",
    "Heavy rain, %",
    "Frost, %",
    "Unseen days, %",
    *(f"Largest difference, {name.replace('_', ' ')}" for name in KEY_OUTPUTS),
    "µs",
    "Memory, KiB",
    "Parameters",
    "Seconds",
    "Verdict",
)


def comparison_page(rows: Sequence[Row], goals: Sequence[Goal], about: Mapping[str, str]) -> bytes:
    """Write the page.

    Args:
        rows: of all recipes and peers so far.
        goals: what they reach.
        about: on what they were made, in words.

    Returns:
        One HTML document, UTF-8.
    """
    ordered = by_wire(rows)
    return page(
        "Recipes compared",
        facts(about.items()),
        section("Goals", tag("div", _goals(goals), _class="words")),
        section("Bytes against skill", pareto_plot(ordered), tag("p", METHOD)),
        section("Everything", tag("div", _figures(ordered), _class="scroll", tabindex="0")),
        section("Skill loss by lead, %", lead_multiples(ordered)),
        section("Recipes", tag("div", _legend(ordered), _class="words")),
        base=STYLE,
    )


def by_wire(rows: Sequence[Row]) -> list[Row]:
    """Rows by bytes on the wire; those without an artifact last."""
    return sorted(rows, key=lambda row: (row.bytes_on_wire is None, row.bytes_on_wire or 0, row.recipe))


def _goals(goals: Sequence[Goal]) -> Markup:
    rows = [
        (
            goal.wanted,
            "–" if goal.figure is None else f"{goal.figure:.3g} {goal.unit}",
            goal.recipe or "–",
            tag("span", goal.verdict, _class="good" if goal.reached else "bad"),
        )
        for goal in goals
    ]
    return table("What is wanted, and what this run found", ("Goal", "Found", "By", "Verdict"), rows)


def _figures(rows: Sequence[Row]) -> Markup:
    front = {row.recipe for row in front_of(rows)}
    cells = [
        (f"{row.recipe}{' (peer)' if row.kind == 'peer' else ''}", number, *_cells(row, row.recipe in front))
        for number, row in enumerate(rows, start=1)
    ]
    return table("Recipes and peers by bytes on the wire; lower is better", HEADS, cells)


def _cells(row: Row, on_front: bool) -> list[object]:
    interval = None
    if row.skill_loss_low is not None and row.skill_loss_high is not None:
        interval = f"{_number(row.skill_loss_low)} to {_number(row.skill_loss_high)}"
    return [
        row.format,
        "yes" if on_front else "",
        _kib(row.bytes_on_wire),
        _kib(row.bytes),
        _number(row.skill_loss_percent),
        interval or "–",
        _named(row.worst_station, row.worst_station_loss_percent),
        _named(row.worst_bucket, row.worst_bucket_loss_percent),
        _number(row.wind_extreme_loss_percent),
        _number(row.wet_extreme_loss_percent),
        _number(row.frost_loss_percent),
        _number(row.unseen_period_loss_percent),
        *(_number(getattr(row, f"max_difference_{name}"), 3) for name in KEY_OUTPUTS),
        _number(row.microseconds, 1),
        "–" if row.peak_memory_kib is None else f"{row.peak_memory_kib:,}",
        "–" if row.parameters is None else f"{row.parameters:,}",
        _number(row.seconds, 1),
        tag("span", row.verdict, _class="good" if row.verdict == "passed" else "bad"),
    ]


def _legend(rows: Sequence[Row]) -> Markup:
    cells = [(row.recipe, row.tier or "–", row.summary, row.reason or "–") for row in rows]
    return table("What each is, and why it was refused", ("Recipe", "Tier", "What it does", "Reason"), cells)


def _number(value: float | None, digits: int = 2) -> str:
    # Adding zero turns what rounds to minus zero into zero.
    return "–" if value is None else f"{round(value, digits) + 0.0:.{digits}f}".replace("-", "\u2212")


def _named(name: str | None, value: float | None) -> str:
    return "–" if name is None else f"{name}: {_number(value)}"


def _kib(size: int | None) -> str:
    return "–" if size is None else f"{size / KIB:.1f}"
