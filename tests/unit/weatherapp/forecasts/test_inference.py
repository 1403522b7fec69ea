import tempfile
from pathlib import Path

import numpy as np
import pytest

from packager.contract import reference_contract
from packager.errors import PackagerError
from tests.factories import build_bundle
from weatherapp.forecasts import inference
from weatherapp.forecasts.inference import ServerModel


def inputs(stations):
    rng = np.random.default_rng(2)
    made = {
        spec.name: rng.normal(0, 1, (stations, *spec.shape[1:])).astype(np.float32)
        for spec in reference_contract().inputs
    }
    made["history_mask"][:] = 1
    return made


@pytest.mark.parametrize("threads", [1, 3])
def test_many_stations_in_parts_give_what_they_give_at_once(server_archive, monkeypatch, threads):
    given = inputs(23)
    with ServerModel(server_archive, threads=1) as model:
        whole = model.run(given)
    monkeypatch.setattr(inference, "STATIONS_AT_ONCE", 4)
    with ServerModel(server_archive, threads=threads) as model:
        parts = model.run(given)
    assert set(parts) == {spec.name for spec in reference_contract().outputs}
    for name, values in whole.items():
        assert values.shape[0] == 23
        assert np.allclose(parts[name], values, atol=1e-5)


def test_a_failure_in_one_part_is_the_failure_of_the_whole(server_archive, monkeypatch):
    monkeypatch.setattr(inference, "STATIONS_AT_ONCE", 4)

    def fail(self, given):
        raise RuntimeError("out of memory")

    monkeypatch.setattr("packager.runtimes.tflite.TfliteRuntime.run", fail)
    with (
        ServerModel(server_archive, threads=2) as model,
        pytest.raises(RuntimeError, match="out of memory"),
    ):
        model.run(inputs(9))


def test_the_unpacked_model_goes_with_the_block(server_archive, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with ServerModel(server_archive) as model:
        assert list(tmp_path.iterdir())
        assert model.contract.digest == reference_contract().digest
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_bundle_is_refused_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    bundle = build_bundle(tmp_path / "server.zip", batch=None)
    bundle.write_bytes(bundle.read_bytes()[:500])
    with pytest.raises(PackagerError):
        ServerModel(bundle)
    assert list(Path(tempfile.tempdir).iterdir()) == []


def test_there_is_at_least_one_core():
    assert inference.usable_cores() >= 1
