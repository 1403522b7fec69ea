"""An archive whose documents are of other shapes than a bundle's is refused, whatever they hold."""

import io
import json
import zipfile

import pytest

from phone.bundle import read_bundle
from phone.errors import BundleRefused
from phone.model import Model


def with_manifest(path, change):
    packed = io.BytesIO()
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(packed, "w") as made:
        for name in source.namelist():
            content = source.read(name)
            made.writestr(name, change(content) if name == "manifest.json" else content)
    return packed.getvalue()


def changed(**changes):
    return lambda content: json.dumps({**json.loads(content), **changes}).encode()


@pytest.mark.parametrize(
    "change",
    [
        lambda content: b"[" * 100_000,
        lambda content: b"[]",
        lambda content: b"9" * 10_000,
        lambda content: b"\xff",
        changed(engine_min=["litert"]),
        changed(engine_min={"litert": "new"}),
        changed(files=["contract.json"]),
        changed(artifact={}),
        changed(contract=None),
    ],
)
def test_a_manifest_of_another_shape_is_refused(bundles, change):
    with pytest.raises(BundleRefused):
        read_bundle(with_manifest(bundles[0], change))


@pytest.mark.parametrize("outputs", [None, [{}], [{"name": "temperature", "shape": 1}]])
def test_a_contract_of_another_shape_is_refused(bundles, outputs):
    bundle = read_bundle(bundles[0].read_bytes())
    with pytest.raises(BundleRefused, match="LiteRT does not take the model"):
        Model(bundle.model, {**bundle.contract, "outputs": outputs})


def test_offsets_beyond_all_memory_are_refused(bundles):
    """The archive says that its first member begins where no file reaches."""
    archive = bytearray(bundles[0].read_bytes())
    at = archive.rindex(b"PK\x01\x02") + 42
    archive[at : at + 4] = b"\xfe\xff\xff\xff"
    with pytest.raises(BundleRefused):
        read_bundle(bytes(archive))
