"""`python -m packager sensitivity`: how much a student loses when one of its layers is compressed."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packager.commands.arguments import add_data_arguments
from packager.recipes import find_recipe, get_profile

if TYPE_CHECKING:
    from rich.table import Table

    from packager.compress.sensitivity import Sensitivity

EXAMPLES = """examples:
  python -m packager sensitivity tflite_w8a8
  python -m packager sensitivity tflite_w8a8 --profile full --out var/sensitivity-full
"""
# Of a column, by kind.
HEADS = {"pruned": "zeros\n{:.0%}", "clustered": "values\n{:g}", "rounded": "bits\n{:g}"}
# From so many percent a figure stands out.
MUCH, TOO_MUCH = 1.0, 10.0


def add_parser(commands: Any) -> None:
    """Add the command to the parser of all commands."""
    help_text = "measure how much a recipe's student loses when one layer is pruned, clustered or rounded"
    parser: argparse.ArgumentParser = commands.add_parser(
        "sensitivity",
        help=help_text,
        description=f"{help_text[0].upper()}{help_text[1:]}; trains first what is not trained yet.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    parser.add_argument(
        "recipe", metavar="RECIPE", help="whose student; `python -m packager recipes` lists them"
    )
    parser.add_argument(
        "--after-steps", action="store_true", help="analyse the student after the recipe's steps, not before"
    )
    add_data_arguments(parser)
    parser.add_argument(
        "--out", type=Path, default=Path("var/sensitivity"),
        help="folder for sensitivity.json and index.html (default: %(default)s)",
    )  # fmt: skip


def run(options: argparse.Namespace) -> None:
    """Analyse, print the table, and write it as JSON and as a page.

    Raises:
        PackagerError: the recipe, the profile or the data are not what they must be.
    """
    recipe, profile = find_recipe(options.recipe), get_profile(options.profile)
    from packager.console import console, progress_bars
    from packager.quiet import load_tensorflow

    load_tensorflow()
    from packager.compress.sensitivity import Sensitivity
    from packager.sensitivity import SensitivityPipeline

    with progress_bars() as progress:
        pipeline = SensitivityPipeline(options.work, profile, dataset_file=options.dataset, progress=progress)
        stage = pipeline.sensitivity(recipe, after_steps=options.after_steps)
    found = Sensitivity.from_dict(stage.facts)
    when = "after its steps" if options.after_steps else "before its steps"
    subject = f"student of {recipe.name} {when}, profile {profile.name}"
    console.print(sensitivity_table(found, subject))
    for path in write(found, subject, options.out):
        print(path)  # noqa: T201


def sensitivity_table(found: "Sensitivity", subject: str) -> "Table":
    """Layers down, kinds and levels across; percent by which the loss rises."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    levels = list(dict.fromkeys((row.kind, row.level) for row in found.rows))
    title = f"Loss of the {subject}, percent more, one layer at a time"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, collapse_padding=True, pad_edge=False)
    table.add_column("layer", no_wrap=True)
    for kind, level in levels:
        table.add_column(HEADS[kind].format(level), justify="right", no_wrap=True)
    losses = {(row.layer, row.kind, row.level): row.loss_percent for row in found.rows}
    for name in found.layers:
        table.add_row(name, *(_cell(losses[name, kind, level]) for kind, level in levels))
    return table


def write(found: "Sensitivity", subject: str, folder: Path) -> list[Path]:
    """Write the table as `sensitivity.json` and as the page `index.html`; gives both paths."""
    from packager.archive import write_atomically
    from packager.report.sensitivity import sensitivity_page

    folder.mkdir(parents=True, exist_ok=True)
    document, page = folder / "sensitivity.json", folder / "index.html"
    values = {"subject": subject} | found.to_dict()
    write_atomically(document, json.dumps(values, indent=1).encode() + b"\n")
    write_atomically(page, sensitivity_page(found, subject=subject))
    return [document, page]


def _cell(percent: float) -> str:
    colour = "bold red" if percent >= TOO_MUCH else "yellow" if percent >= MUCH else ""
    # Adding zero takes the sign from a rounded nothing.
    figure = f"{round(percent, 2) + 0.0:+.2f}"
    return f"[{colour}]{figure}[/]" if colour else figure
