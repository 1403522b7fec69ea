"""`python -m packager card`: the model card of a recipe, a bundle or a release, as one HTML file."""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packager.commands.arguments import (
    add_data_arguments,
    add_model_arguments,
    add_teacher_arguments,
    foreign_models,
)
from packager.details.errors import DetailsInvalid
from packager.errors import BundleInvalid
from packager.recipes import find_recipe, get_profile

if TYPE_CHECKING:
    from packager.bundle import Bundle

EXAMPLES = """examples:
  python -m packager card tflite_w8a8
  python -m packager card var/bundles/tflite_w8a8.bundle
  python -m packager card --release var/bundles
"""
ENDING = ".bundle"


def add_parser(commands: Any) -> None:
    """Add the command to the parser of all commands."""
    help_text = "write the model card of a recipe, a bundle or a release"
    parser: argparse.ArgumentParser = commands.add_parser(
        "card",
        help=help_text,
        description=f"{help_text[0].upper()}{help_text[1:]}. What a recipe's card says beyond the manifest "
        "is measured once, and kept beside the card for those of the bundle and the release.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    subject = parser.add_mutually_exclusive_group(required=True)
    subject.add_argument(
        "subject", nargs="?", metavar="RECIPE or BUNDLE",
        help="a recipe, which is built first where it is not built yet; or the path of a .bundle file",
    )  # fmt: skip
    subject.add_argument(
        "--release", type=Path, metavar="FOLDER", help="one card for all bundles in a folder"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("var/cards"), help="folder for the cards (default: %(default)s)"
    )
    add_data_arguments(parser)
    add_teacher_arguments(parser)
    add_model_arguments(parser)


def run(options: argparse.Namespace) -> None:
    """Write one card and print its path.

    Raises:
        BundleInvalid: a file is no bundle, or a folder has none.
        UnknownRecipe: no recipe has this name.
        PackagerError: whichever stage of the recipe failed says why.
    """
    if options.release is not None:
        path = write_release(options.release, options.out)
    elif options.subject.endswith(ENDING):
        path = write_bundle_card(Path(options.subject), options.out)
    else:
        path = write_recipe_card(options)
    print(path)  # noqa: T201


def write_recipe_card(options: argparse.Namespace) -> Path:
    """Build a recipe's bundle, measure its details, write `<recipe>.html` and `<recipe>.json`."""
    recipe, profile = find_recipe(options.subject), get_profile(options.profile)
    from packager.archive import write_atomically
    from packager.bundle import open_bundle
    from packager.console import progress_bars
    from packager.quiet import load_tensorflow
    from packager.report.full import full_card

    load_tensorflow()
    from packager.details.stage import DetailsPipeline

    with progress_bars() as progress:
        pipeline = DetailsPipeline(
            options.work, profile, dataset_file=options.dataset, progress=progress, **foreign_models(options)
        )
        details = pipeline.details(recipe).facts
        bundle = open_bundle(pipeline.bundle_stage(recipe).folder / f"{recipe.name}{ENDING}")
    options.out.mkdir(parents=True, exist_ok=True)
    write_atomically(details_file(options.out, recipe.name), json.dumps(details, indent=1).encode() + b"\n")
    page: Path = options.out / f"{recipe.name}.html"
    write_atomically(page, full_card(bundle.manifest, details))
    return page


def write_bundle_card(path: Path, out: Path) -> Path:
    """The card of one archive, with details where they were measured of the very same bytes."""
    from packager.archive import write_atomically
    from packager.bundle import open_bundle
    from packager.report.full import full_card

    bundle = open_bundle(path)
    out.mkdir(parents=True, exist_ok=True)
    page = out / f"{path.stem}.html"
    write_atomically(page, full_card(bundle.manifest, known_details(bundle, out)))
    return page


def write_release(folder: Path, out: Path) -> Path:
    """One card for all bundles of a folder, `release-<folder>.html`."""
    from packager.archive import write_atomically
    from packager.bundle import open_bundle, wire_size
    from packager.report.release import Carded, release_card

    paths = sorted(folder.glob(f"*{ENDING}"))
    if not paths:
        raise BundleInvalid(
            f"{folder} holds no *{ENDING} file. Name the folder that `python -m packager package` wrote."
        )
    carded = []
    for path in paths:
        bundle = open_bundle(path)
        details = known_details(bundle, out)
        carded.append(Carded(bundle.manifest, bundle.sha256, wire_size(path), details))
    out.mkdir(parents=True, exist_ok=True)
    page = out / f"release-{folder.resolve().name}.html"
    write_atomically(page, release_card(carded, title=f"release of {len(carded)} bundles"))
    return page


def known_details(bundle: "Bundle", out: Path) -> Mapping[str, Any] | None:
    """Details that an earlier run left in the folder of cards; None where they are of other bytes.

    Raises:
        DetailsInvalid: the file is no JSON document of details.
    """
    path = details_file(out, str(bundle.manifest["variant"]))
    if not path.exists():
        return None
    try:
        details: dict[str, Any] = json.loads(path.read_text())
        same = details["bundle"]["sha256"] == bundle.sha256
    except (ValueError, KeyError, TypeError) as error:
        raise DetailsInvalid(
            f"{path} holds no details of a card: {error!r}. Delete it, and write it again with "
            f"`python -m packager card {bundle.manifest['variant']}`."
        ) from error
    return details if same else None


def details_file(out: Path, variant: str) -> Path:
    """Where the details of a variant's card are kept: beside the card."""
    return out / f"{variant}.json"
