"""A bundle is believed after its artifact ran and gave what the golden vectors say."""

import json

import pytest

from packager.bundle import open_bundle
from packager.errors import ArtifactRefused, BundleInvalid
from packager.verify.artifact import verify_bundle
from tests.factories import build_bundle, short_contract, swap_artifact
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
