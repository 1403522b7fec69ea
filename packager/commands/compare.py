"""`python -m packager compare`: recipes side by side on one teacher, beside what stock tools make of it."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packager.commands.arguments import (
    add_data_arguments,
    add_model_arguments,
    add_teacher_arguments,
    foreign_models,
)
from packager.recipes import Recipe, find_recipe, get_profile, recipe_names
from packager.recipes.tiers import TIERS_FILE

if TYPE_CHECKING:
    from rich.table import Table

    from packager.comparison.rows import Row

EXAMPLES = """examples:
  python -m packager compare
  python -m packager compare --recipes tflite_w8a8 coreml_pal4 --out var/compare-two
  python -m packager compare --no-peers --gates my-tiers.yaml
"""
ALL = "all"


def add_parser(commands: Any) -> None:
    """Add the command to the parser of all commands."""
    help_text = "run recipes side by side, beside stock tools, and write a table and a page"
    parser: argparse.ArgumentParser = commands.add_parser(
        "compare",
        help=help_text,
        description=f"{help_text[0].upper()}{help_text[1:]}. The same command goes on where it was.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    parser.add_argument(
        "--recipes", nargs="+", default=[ALL], metavar="RECIPE",
        help="names as `python -m packager recipes` lists them, or all (default: all)",
    )  # fmt: skip
    parser.add_argument(
        "--peers", action=argparse.BooleanOptionalAction, default=True,
        help="compare with what stock tools make of a member of the teacher and of the student",
    )  # fmt: skip
    parser.add_argument(
        "--gates", type=Path, default=TIERS_FILE, metavar="FILE",
        help="limits by tier instead of packager/recipes/tiers.yaml",
    )  # fmt: skip
    parser.add_argument(
        "--workers", type=int, choices=range(1, 5), metavar="N",
        help="processes that make recipes, 1 to 4, of 1.5 GB each (default: one for each core)",
    )  # fmt: skip
    _add_places(parser)
    add_teacher_arguments(parser)
    add_model_arguments(parser)


def _add_places(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--out", type=Path, default=Path("var/compare"),
        help="folder for results.csv and index.html (default: %(default)s)",
    )  # fmt: skip
    add_data_arguments(parser)


def run(options: argparse.Namespace) -> None:
    """Compare, and print what was found; a recipe that fails is a row of it.

    Raises:
        UnknownRecipe: a named recipe does not exist.
        PackagerError: the data or the teacher cannot be had.
    """
    recipes, profile = chosen_recipes(options), get_profile(options.profile)
    from packager.comparison.ahead import Place, default_workers, helpers
    from packager.comparison.peers import PEERS
    from packager.comparison.run import Comparison
    from packager.console import console, progress_bars
    from packager.quiet import load_tensorflow

    load_tensorflow()
    everything = [*recipes, *(peer.recipe for peer in PEERS.values() if options.peers)]
    place = Place(options.work, profile, options.dataset, foreign_models(options))
    with progress_bars() as progress:
        pipeline = place.pipeline(progress)
        pipeline.teacher()
        comparison = Comparison(pipeline, options.out)
        with helpers(place, everything, options.workers or default_workers()):
            comparison.run(everything, progress)
    console.print(summary_table(comparison.rows))
    for goal in comparison.goals():
        console.print(str(goal), style="green" if goal.reached else "bold red", soft_wrap=True)
    print(options.out / "results.csv")  # noqa: T201
    print(options.out / "index.html")  # noqa: T201


def chosen_recipes(options: argparse.Namespace) -> list[Recipe]:
    """The recipes that were named, each once; for `all` those that need no model that was not given.

    Raises:
        UnknownRecipe: names the nearest one.
    """
    everything = options.recipes == [ALL]
    names = recipe_names() if everything else list(dict.fromkeys(options.recipes))
    recipes = [find_recipe(name, tiers=options.gates) for name in names]
    if everything and options.model is None:
        return [recipe for recipe in recipes if recipe.source != "torch"]
    return recipes


def summary_table(rows: "Sequence[Row]") -> "Table":
    """Rows by bytes on the wire; what no other row beats in both bytes and loss is marked."""
    from rich.table import Table

    from packager.comparison.page import by_wire
    from packager.comparison.rows import front_of

    front = {row.recipe for row in front_of(rows)}
    table = Table(title="Recipes and stock peers; * is on the Pareto front", title_justify="left")
    for name in ("", "recipe", "wire KiB", "loss %", "interval", "worst station", "µs", "verdict"):
        left = name in ("", "recipe", "worst station", "verdict")
        table.add_column(name, justify="left" if left else "right")
    for row in by_wire(rows):
        table.add_row(
            "*" if row.recipe in front else "",
            row.recipe,
            _shown(row.bytes_on_wire and row.bytes_on_wire / 1024, 1),
            _shown(row.skill_loss_percent, 2),
            f"{_shown(row.skill_loss_low, 2)} to {_shown(row.skill_loss_high, 2)}",
            f"{row.worst_station or '–'} {_shown(row.worst_station_loss_percent, 2)}",
            _shown(row.microseconds, 0),
            row.verdict if row.verdict == "passed" else f"{row.verdict}: {row.reason[:160]}",
        )
    return table


def _shown(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{round(value, digits) + 0.0:.{digits}f}"
