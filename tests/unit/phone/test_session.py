"""A round without a forecast counts what was done, and blames the model only for its own faults."""

import json

import pytest

from phone.__main__ import main
from phone.errors import BundleRefused
from phone.state import held

PLACE = ["--latitude", "41.9", "--longitude", "-87.9"]


@pytest.fixture
def round_of(server, address, bundles, tmp_path):
    server.offer(bundles[0])
    root = tmp_path / "root.json"
    root.write_bytes(server.repository.first_root)
    state = tmp_path / "phone"

    def run():
        assert main(["--server", address, "--state", str(state), "--root", str(root), *PLACE]) == 2
        journal = json.loads((state / "notes" / "journal.json").read_text())
        return journal["labels"], {key.rsplit(" ", 1)[0] for key in journal["operations"]}

    return run


def test_inputs_that_cannot_be_had_are_not_counted_as_the_models_failure(round_of, capsys):
    labels, counted = round_of()
    assert "404" in capsys.readouterr().err
    assert counted == {"check ok", "download ok", "verify ok", "golden ok", "activate ok"}
    assert (labels["release"], labels["variant"], labels["cell"]) == ("2026.1.1-1", "tflite_fp16", "N41W088")


def test_a_model_that_does_not_run_is_counted_with_its_release(server, round_of, monkeypatch):
    server.documents["/v1/cells/N41W088/inputs"] = {}

    def refuse(*_):
        raise BundleRefused("It does not run.")

    monkeypatch.setattr("phone.session.forecast", refuse)
    labels, counted = round_of()
    assert "infer failed" in counted
    assert labels["release_counter"] == 1


def test_two_rounds_at_once_do_not_mix_in_one_folder(address, tmp_path, capsys):
    folder = tmp_path / "phone"
    with held(folder):
        assert main(["--server", address, "--state", str(folder), *PLACE]) == 2
    assert "Another round works in" in capsys.readouterr().err
    assert [path.name for path in folder.iterdir()] == ["lock"]
