"""`python -m packager transfer`: fine-tune released bundles for a region, for an update of few bytes."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packager.commands.arguments import add_data_arguments
from packager.dataset.region import FORMS, Region, parse_region
from packager.errors import PackagerError
from packager.recipes import TRANSFER_MODES, UpdateMode, get_profile, get_transfer_mode

if TYPE_CHECKING:
    from rich.table import Table

EXAMPLES = """examples:
  python -m packager transfer --from var/bundles --near 62.96,-141.93,300 --out var/bundles-alaska
  python -m packager transfer --from var/bundles --box 35,-110,42,-103 --mode biases --out var/bundles-west
  python -m packager transfer --from var/bundles --near=-33.9,151.2,200 --out var/bundles-sydney
"""
# Columns of the table: a set of scored cases, and its heading.
SETS = {
    "region": "region",
    "region_unseen_period": "its unseen days",
    "region_unseen_station": "its unseen stations",
    "elsewhere": "elsewhere",
}


def add_parser(commands: Any) -> None:
    """Add the command to the parser of all commands."""
    help_text = "fine-tune released bundles for a region, so that their update is a small patch"
    parser: argparse.ArgumentParser = commands.add_parser(
        "transfer",
        help=help_text,
        description=f"{help_text[0].upper()}{help_text[1:]}.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    parser.add_argument(
        "--from", dest="released", nargs="+", type=Path, required=True, metavar="BUNDLE",
        help="released bundles, or a folder of them; --work must be where they were built",
    )  # fmt: skip
    region = parser.add_mutually_exclusive_group(required=True)
    for form, meaning in FORMS.items():
        region.add_argument(f"--{form}", help=f"the region: {meaning}")
    parser.add_argument(
        "--mode", default="biases", help=f"one of {', '.join(TRANSFER_MODES)} (default: %(default)s)"
    )
    _add_places(parser)


def _add_places(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, required=True, help="folder for the region's bundles")
    add_data_arguments(parser)


def run(options: argparse.Namespace) -> None:
    """Fine-tune, print what it costs and gains, and write the bundles that gain.

    Raises:
        PackagerError: the region, the mode or the bundles are not what they must be, the region has too few
            windows, or a bundle was refused.
    """
    region, mode = _region(options), get_transfer_mode(options.mode)
    from packager.console import console

    rows = _transfer(options, region, mode)
    console.print(transfers_table(rows, region, mode))
    _write(rows, options.out)


def _region(options: argparse.Namespace) -> Region:
    form, text = next((form, value) for form in FORMS if (value := getattr(options, form)) is not None)
    return parse_region(form, text)


def _transfer(options: argparse.Namespace, region: Region, mode: UpdateMode) -> list[dict[str, Any]]:
    from packager.console import progress_bars
    from packager.quiet import load_tensorflow
    from packager.retrain import find_bases, recipes_of
    from packager.transfer import Transfer
    from packager.workspace import Workspace

    profile = get_profile(options.profile)
    bases = find_bases(Workspace(options.work), options.released)
    load_tensorflow()
    rows = []
    with progress_bars() as progress:
        for base in bases:
            transfer = Transfer(
                options.work, profile, dataset_file=options.dataset, progress=progress,
                base=base, mode=mode, region=region,
            )  # fmt: skip
            for recipe in recipes_of(base):
                rows.append(transfer.update(recipe))
                progress(recipe.name, 1.0, "bundled" if rows[-1]["bundled"] else "refused")
    return rows


def transfers_table(rows: list[dict[str, Any]], region: Region, mode: UpdateMode) -> "Table":
    """What each variant's update costs a phone, and what it gains in the region and elsewhere."""
    from rich.table import Table

    title = f"Transfer to {region}, {mode.name}: goal {mode.goal_percent:g} % of the full bundle on the wire"
    table = Table(title=title, caption="Skill against the released bundle on the same cases; + is better.")
    counts: dict[str, int] = next((row["cases"] for row in rows if "cases" in row), {})
    shown = [name for name in SETS if name in counts]
    headings = [f"{SETS[name]}, % ({counts[name]} cases)" for name in shown]
    for name in ("variant", "patch bytes", "% of full", *headings, "verdict"):
        table.add_column(name, justify="left" if name in ("variant", "verdict") else "right")
    for row in rows:
        gains = row.get("gain_percent", {})
        table.add_row(
            row["name"],
            str(row.get("patch_bytes", "–")),
            f"{row['patch_percent']:.2f}" if "patch_percent" in row else "–",
            *(f"{gains[name]:+.2f}" if name in gains else "–" for name in shown),
            "bundled" if row["bundled"] else f"refused: {row['reason']}",
        )
    return table


def _write(rows: list[dict[str, Any]], folder: Path) -> None:
    from packager.archive import write_atomically

    folder.mkdir(parents=True, exist_ok=True)
    for row in rows:
        if row["bundled"]:
            target = folder / f"{row['name']}.bundle"
            write_atomically(target, Path(row["path"]).read_bytes())
            print(target)  # noqa: T201
    if refused := [f"{row['name']}: {row['reason']}" for row in rows if not row["bundled"]]:
        raise PackagerError("Not bundled. " + " ".join(refused))
