import gzip
import hashlib
import io
import json
import subprocess
import tarfile
import zipfile

import numpy as np
import pytest

from packager.dataset import rebuilding
from packager.dataset.errors import SourceChanged, SourceUnreadable
from packager.dataset.reading import read_dataset

WEATHER = (
    b"origin,year,month,day,hour,temp,dewp,humid,wind_dir,wind_speed,wind_gust,precip,pressure,visib,time_hour\n"
    b"EWR,2013,1,1,1,50,32,59.37,270,10,NA,0.1,1012,10,2013-01-01T06:00:00Z\n"
)
LITE = b"2015 01 01 00 -83 -172 10243 270 62 2 8 -9999\n"


def station(station_id, package, path, format_name, content):
    return {
        "id": station_id,
        "name": "N",
        "latitude": 40.0,
        "longitude": -74.0,
        "elevation": 5.0,
        "source": "test",
        "kind": "actual",
        "format": format_name,
        "utc_offset": 0.0,
        "package": package,
        "files": [{"path": path, "sha256": hashlib.sha256(content).hexdigest()}],
    }


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A catalogue of one wheel and one source archive, both in the cache."""
    lite = gzip.compress(LITE, mtime=0)
    folder = tmp_path / "cache"
    folder.mkdir()
    with zipfile.ZipFile(folder / "a-1-py3-none-any.whl", "w") as wheel:
        wheel.writestr("a/lite.gz", lite)
    with tarfile.open(folder / "b-1.tar.gz", "w:gz") as sdist:
        member = tarfile.TarInfo("b-1/weather.csv")
        member.size = len(WEATHER)
        sdist.addfile(member, io.BytesIO(WEATHER))
    catalogue = {
        "packages": {
            "a": {"version": "1", "archive": "a-1-py3-none-any.whl", "licence": "x"},
            "b": {"version": "1", "archive": "b-1.tar.gz", "licence": "x"},
        },
        "stations": [
            station("isd-1", "a", "a/lite.gz", "isd_lite", lite),
            station("nyc-EWR", "b", "b-1/weather.csv", "nyc_airport", WEATHER),
        ],
    }
    path = tmp_path / "catalogue.json"
    path.write_text(json.dumps(catalogue))
    monkeypatch.setattr(rebuilding, "CATALOGUE", path)
    return folder


def change_catalogue(change):
    catalogue = json.loads(rebuilding.CATALOGUE.read_text())
    change(catalogue)
    rebuilding.CATALOGUE.write_text(json.dumps(catalogue))


def test_two_rebuilds_give_the_same_bytes(cache, tmp_path):
    rebuilding.rebuild(cache, tmp_path / "1")
    rebuilding.rebuild(cache, tmp_path / "2")
    for name in ("reference.parquet", "reference.json"):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()


def test_a_rebuild_reads_wheels_and_source_archives(cache, tmp_path):
    provenance = rebuilding.rebuild(cache, tmp_path / "out")
    dataset = read_dataset(tmp_path / "out" / "reference.parquet")
    assert dataset.provenance == provenance
    np.testing.assert_allclose(dataset.column("temperature"), [-8.3, 10.0], atol=1e-5)


def test_a_changed_source_is_refused_and_nothing_written(cache, tmp_path):
    change_catalogue(lambda catalogue: catalogue["stations"][1]["files"][0].update(sha256="0" * 64))
    with pytest.raises(SourceChanged, match=r"weather\.csv in b-1\.tar\.gz has SHA-256"):
        rebuilding.rebuild(cache, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("number", [0, 1])
def test_an_archive_without_the_file_is_refused(number, cache, tmp_path):
    change_catalogue(lambda catalogue: catalogue["stations"][number]["files"][0].update(path="none"))
    with pytest.raises(SourceUnreadable, match="does not give none"):
        rebuilding.rebuild(cache, tmp_path / "out")


def test_a_damaged_archive_is_refused(cache, tmp_path):
    (cache / "a-1-py3-none-any.whl").write_bytes(b"not a zip file")
    with pytest.raises(SourceUnreadable, match="Delete the archive"):
        rebuilding.rebuild(cache, tmp_path / "out")


def test_a_package_that_pip_cannot_fetch_is_named(cache, tmp_path, monkeypatch):
    (cache / "b-1.tar.gz").unlink()
    failed = subprocess.CompletedProcess([], 1, stdout="", stderr="ERROR: no network")
    monkeypatch.setattr(rebuilding.subprocess, "run", lambda *args, **kwargs: failed)
    with pytest.raises(SourceUnreadable, match=r"b-1\.tar\.gz of b==1: ERROR: no network"):
        rebuilding.rebuild(cache, tmp_path / "out")
