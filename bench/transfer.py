"""`python -m bench.transfer [STATION ...]`: what a region that a release never saw gains by a small patch.

A release is trained without a station. Then the station's hours arrive, and the release's phone_mid and ios
learn them in each mode (docs/transfer.md). What is scored is the station's unseen days and, for what it costs
elsewhere, both held-out splits of the other stations. Each station needs a teacher and a student of its own:
a quarter of an hour on two cores.
"""

import argparse
import os
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from packager.commands.transfer import transfers_table
from packager.console import console, progress_bars
from packager.dataset.columns import METADATA_KEY
from packager.dataset.reference import REFERENCE_FILE, load_reference
from packager.dataset.region import parse_region
from packager.errors import PackagerError
from packager.quiet import load_tensorflow
from packager.recipes import TRANSFER_MODES, get_profile, get_recipe

ROOT = Path(__file__).resolve().parents[1]
VAR = Path(os.environ.get("SKYFOLD_VAR", ROOT / "var"))
RECIPES = ("phone_mid", "ios")
STATIONS = ("isd-702910", "isd-725957")


def main() -> int:
    known = [station.id for station in load_reference().stations]
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("stations", nargs="*", metavar="STATION", help=f"default: {' '.join(STATIONS)}")
    parser.add_argument("--modes", nargs="+", choices=list(TRANSFER_MODES), default=list(TRANSFER_MODES))
    options = parser.parse_args()
    stations = options.stations or STATIONS
    if unknown := [station for station in stations if station not in known]:
        parser.error(f"unknown station {', '.join(unknown)}; the reference dataset has {', '.join(known)}")
    load_tensorflow()
    try:
        for station in stations:
            measure(station, options.modes)
    except PackagerError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    return 0


def measure(station: str, modes: list[str]) -> None:
    """Train a release without the station, let it learn the station in each mode, print what came of it."""
    from packager.pipeline import Pipeline
    from packager.retrain import find_bases, recipes_of
    from packager.transfer import Transfer

    folder, profile = VAR / "bench-transfer" / station, get_profile("demo")
    region = parse_region("stations", station)
    earlier = without(station, folder / "earlier.parquet")
    with progress_bars() as progress:
        release = Pipeline(folder / "work", profile, dataset_file=earlier, progress=progress)
        bundles = [release.bundle(get_recipe(n)).folder / f"{n}.bundle" for n in RECIPES]
        for mode in (TRANSFER_MODES[name] for name in modes):
            rows = []
            for base in find_bases(release.workspace, bundles):
                transfer = Transfer(
                    folder / "work", profile, progress=progress, base=base, mode=mode, region=region
                )
                rows += [transfer.update(recipe) for recipe in recipes_of(base)]
            console.print(transfers_table(rows, region, mode))


def without(station: str, path: Path) -> Path:
    """The reference dataset as it was before the station reported."""
    table = pq.read_table(REFERENCE_FILE)
    index = [known.id for known in load_reference().stations].index(station)
    kept = table.filter(pa.array(table["station"].to_numpy() != index))
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = kept.replace_schema_metadata({METADATA_KEY: table.schema.metadata[METADATA_KEY]})
    pq.write_table(kept, path, compression="zstd")
    return path


if __name__ == "__main__":
    sys.exit(main())
