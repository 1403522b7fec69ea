"""A bundle is believed after its artifact ran and gave what the golden vectors say."""

import copy
import json

import pytest

from packager.bundle import open_bundle, write_bundle
from packager.contract import reference_contract
from packager.errors import ArtifactRefused, BundleInvalid
from packager.runtimes import open_runtime
from packager.verify.artifact import verify_bundle
from packager.verify.golden import make_golden
from tests.factories import (
    TOLERANCES,
    ManifestFactory,
    build_bundle,
    short_contract,
    swap_artifact,
    weather_windows,
)
from tests.tiny_coreml import build_mlpackage
from tests.tiny_tflite import build_tflite


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return build_bundle(tmp_path_factory.mktemp("bundle") / "point.skyfold", variant="tflite_w8a8")


def test_whole_bundle_is_verified_with_its_figures(bundle):
    report = verify_bundle(bundle)
    assert report.sha256 == open_bundle(bundle).sha256
    assert (report.name, report.variant, report.format) == ("point", "tflite_w8a8", "tflite")
    assert report.wire_size < report.size == bundle.stat().st_size
    assert report.members == 4
    assert report.golden_cases == 16
    assert 0 < report.max_abs_difference["float32"]["temperature"] < 0.5
    assert json.loads(json.dumps(report.as_json()))["variant"] == "tflite_w8a8"


def test_server_bundle_with_a_dynamic_batch_is_verified(tmp_path):
    path = build_bundle(tmp_path / "server.skyfold", variant="server_fp32", batch=None)
    assert verify_bundle(path).variant == "server_fp32"


def test_consistent_bundle_around_another_model_is_refused(bundle, tmp_path):
    other = build_tflite(open_bundle(bundle).contract, offset=2.0)
    path = swap_artifact(bundle, tmp_path / "swapped.skyfold", other)
    with pytest.raises(ArtifactRefused, match=r"swapped.skyfold, run in float32: .*temperature differs by 2"):
        verify_bundle(path)


def test_consistent_bundle_around_a_model_of_another_contract_is_refused(bundle, tmp_path):
    path = swap_artifact(bundle, tmp_path / "swapped.skyfold", build_tflite(short_contract()))
    with pytest.raises(ArtifactRefused, match="history has shape"):
        verify_bundle(path)


def test_consistent_bundle_around_no_model_is_refused(bundle, tmp_path):
    path = swap_artifact(bundle, tmp_path / "swapped.skyfold", b"not a model")
    with pytest.raises(ArtifactRefused, match="not a TFLite model"):
        verify_bundle(path)


def test_damaged_bundle_is_refused_before_it_is_run(bundle, tmp_path):
    data = bytearray(bundle.read_bytes())
    data[len(data) // 2] ^= 1
    path = tmp_path / "damaged.skyfold"
    path.write_bytes(data)
    with pytest.raises(BundleInvalid, match="is damaged"):
        verify_bundle(path)


@pytest.fixture(scope="module")
def coreml_bundle(tmp_path_factory):
    folder, contract = tmp_path_factory.mktemp("coreml"), reference_contract()
    package = build_mlpackage(contract, folder / "model.mlpackage")
    size = sum(path.stat().st_size for path in package.rglob("*") if path.is_file())
    manifest = ManifestFactory(format="coreml", artifact="model.mlpackage", sizes={"artifact": size})
    golden = make_golden(
        open_runtime(package, "coreml"), weather_windows(contract), contract, tolerances=TOLERANCES
    )
    path = folder / "coreml.skyfold"
    write_bundle(path, artifact=package, manifest=manifest, golden=golden, contract=contract)
    return path


def test_core_ml_bundle_is_run_in_both_precisions(coreml_bundle):
    report = verify_bundle(coreml_bundle)
    differences = report.max_abs_difference
    assert set(differences) == {"float32", "float16"}
    assert differences["float16"]["temperature"] != differences["float32"]["temperature"]


def test_core_ml_bundle_that_misses_in_float16_only_is_refused(coreml_bundle, tmp_path):
    bundle = open_bundle(coreml_bundle)
    found = verify_bundle(coreml_bundle).max_abs_difference
    name = max(found["float16"], key=lambda name: found["float16"][name] - found["float32"][name])
    scale = bundle.golden["outputs"][name]["scale"]
    golden = copy.deepcopy(dict(bundle.golden))
    golden["tolerances"][name] = (found["float16"][name] + found["float32"][name]) / 2 - scale / 2
    manifest = {key: value for key, value in bundle.manifest.items() if key != "files"}
    path = tmp_path / "tight.skyfold"
    artifact = bundle.extract(tmp_path)
    write_bundle(path, artifact=artifact, manifest=manifest, golden=golden, contract=bundle.contract)
    with pytest.raises(ArtifactRefused, match=rf"run in float16: .*{name} differs by"):
        verify_bundle(path)
