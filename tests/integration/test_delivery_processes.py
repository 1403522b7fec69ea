"""What delivery does in processes of their own, and what must stay out of the web process."""

import subprocess
import sys
from pathlib import Path

import pytest

from mobile_models import services
from mobile_models.errors import BundleRefused
from mobile_models.models import Bundle
from tests.factories import build_bundle

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("tensorflow", "tf_keras", "keras", "coremltools", "torch", "litert_quantizer", "sklearn")


@pytest.fixture(autouse=True)
def store(settings, tmp_path):
    settings.BLOBS_DIR = tmp_path / "blobs"
    return settings.BLOBS_DIR


@pytest.mark.django_db
def test_a_bundle_is_verified_by_the_command_line_before_it_is_stored(tmp_path, store):
    path = build_bundle(tmp_path / "good.zip")
    assert services.register_bundle(path=path).state == Bundle.State.VERIFIED


@pytest.mark.django_db
def test_one_flipped_byte_is_refused_with_the_verifiers_reason(tmp_path, store):
    path = build_bundle(tmp_path / "flipped.zip")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(BundleRefused, match="CRC-32"):
        services.register_bundle(path=path)
    assert not Bundle.objects.exists()
    assert not [file for file in store.rglob("*") if file.is_file()]


def test_the_web_process_loads_no_converter_and_no_trainer():
    code = (
        "import sys; from weatherapp.config.wsgi import application; from django.urls import get_resolver; "
        "get_resolver().url_patterns; "
        f"print(sorted(name for name in {HEAVY} if name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"
