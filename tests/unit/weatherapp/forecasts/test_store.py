import os
import time

import numpy as np
import pytest

from packager.contract import reference_contract
from tests.weather import CHICAGO, INIT, make_inputs, make_outputs
from weatherapp.forecasts import store
from weatherapp.forecasts.errors import NoCurrentRun, RunNotStored


def write(name="run-1"):
    store.write_run(
        name,
        init_time=INIT,
        contract=reference_contract(),
        stations=(CHICAGO,),
        inputs=make_inputs((CHICAGO,)),
        outputs=make_outputs(1),
    )


def test_a_run_reads_back_as_written():
    write()
    run = store.open_run("run-1")
    assert run.init_time == INIT
    assert run.stations == (CHICAGO,)
    assert run.contract.digest == reference_contract().digest
    for name, values in make_outputs(1).items():
        assert np.array_equal(run.outputs[name], values)
    for name, values in make_inputs((CHICAGO,)).items():
        assert np.array_equal(run.inputs[name], values)


def test_a_run_is_opened_once_and_survives_its_removal(runs_dir):
    write()
    run = store.open_run("run-1")
    assert store.open_run("run-1") is run
    store.remove_run("run-1")
    assert not (runs_dir / "run-1").exists()
    assert np.array_equal(run.outputs["temperature"], make_outputs(1)["temperature"])


@pytest.mark.parametrize(
    ("owner", "name"),
    [(np, "save"), (os, "fsync"), (store.json, "dump"), (store.Path, "rename"), (store, "_sync_folder")],
)
def test_a_full_disk_at_any_step_leaves_nothing_behind(monkeypatch, runs_dir, owner, name):
    def fail(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    runs_dir.mkdir()
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, fail)
        with pytest.raises(RunNotStored, match="No space left on device"):
            write()
    assert list(runs_dir.iterdir()) == []


@pytest.mark.parametrize("damage", ["unlink", "truncate", "document"])
def test_a_damaged_run_is_refused(runs_dir, damage):
    write("damaged")
    array = runs_dir / "damaged" / "output-temperature.npy"
    if damage == "unlink":
        array.unlink()
    if damage == "truncate":
        array.write_bytes(array.read_bytes()[:100])
    if damage == "document":
        (runs_dir / "damaged" / store.DOCUMENT).write_text("{")
    with pytest.raises(NoCurrentRun, match="damaged"):
        store.open_run("damaged")


def test_sweeping_removes_what_dead_writers_left_and_nothing_else(runs_dir):
    write("known")
    for name in (f"{store.TEMPORARY}dead", "orphan", "fresh"):
        (runs_dir / name).mkdir()
    old = time.time() - store.ABANDONED_SECONDS - 60
    for name in ("known", "orphan", f"{store.TEMPORARY}dead"):
        os.utime(runs_dir / name, (old, old))
    assert sorted(store.sweep({"known"})) == [f"{store.TEMPORARY}dead", "orphan"]
    assert sorted(folder.name for folder in runs_dir.iterdir()) == ["fresh", "known"]


def test_sweeping_without_a_store_is_harmless():
    assert store.sweep(set()) == []
