"""Stock tools run on our models, each in a process of its own, and what they make can be scored."""

import numpy as np
import pytest

from packager.comparison import stock
from packager.comparison.peers import PEERS
from packager.comparison.stock import MAKERS, StockRequest, make_stock
from packager.contract import canonical_json
from packager.errors import ConversionFailed
from packager.recipes import recipe_names
from packager.runtimes import open_runtime
from tests.students import CONTRACT, expected, student_folder, weather

CASES = 6


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stock")
    (folder / "contract.json").write_bytes(canonical_json(CONTRACT.document))
    np.savez(folder / "calibration.npz", **weather(20, seed=5))
    return folder


def request(place, maker, name, **changed):
    told = {
        "maker": maker,
        "model": student_folder(),
        "contract": place / "contract.json",
        "calibration": place / "calibration.npz",
        "lesson": place / "calibration.npz",
        "output": place / name,
    }
    return StockRequest(**told | changed)


@pytest.mark.parametrize(
    ("maker", "format", "near"),
    [
        ("litert_dynamic", "tflite", 2.0),
        ("litert_static", "tflite", 4.0),
        ("coreml_linear8", "coreml", 2.0),
    ],
)
def test_what_a_stock_tool_makes_is_run_as_ours_are(place, maker, format, near):  # noqa: A002
    name = f"{maker}.{'tflite' if format == 'tflite' else 'mlpackage'}"
    facts = make_stock(request(place, maker, name))
    assert facts["scheme"]
    outputs = open_runtime(place / name, format, contract=CONTRACT).run(weather(CASES))
    for spec in CONTRACT.outputs:
        assert outputs[spec.name].shape == (CASES, *spec.shape[1:])
        assert np.isfinite(outputs[spec.name]).all()
    assert np.median(np.abs(outputs["temperature"] - expected(CASES)["temperature"])) < near


def test_a_tool_that_dies_is_an_error_with_its_last_words(place):
    with pytest.raises(ConversionFailed, match=r"litert_dynamic ended with status 1: .*ArtifactRefused"):
        make_stock(request(place, "litert_dynamic", "x.tflite", model=place))
    assert not (place / "x.tflite").exists()


def test_a_tool_that_hangs_is_killed(place, monkeypatch):
    monkeypatch.setattr(stock, "TIMEOUT_SECONDS", 0.01)
    with pytest.raises(ConversionFailed, match="litert_dynamic took too long"):
        make_stock(request(place, "litert_dynamic", "x.tflite"))


def test_every_peer_has_a_maker_and_a_name_that_no_recipe_has():
    assert {peer.maker for peer in PEERS.values()} == set(MAKERS)
    assert not set(PEERS) & set(recipe_names())
    for peer in PEERS.values():
        assert peer.recipe.gates.limits() == {}
        assert peer.recipe.export.format == peer.format
        assert peer.model in ("member", "student")
