"""A bundle has one byte form, and whatever is not it is refused with the reason."""

import io
import os
import stat
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from packager import archive
from packager.bundle import open_bundle, parse_bundle, wire_size, write_bundle
from packager.contract import canonical_json, reference_contract
from packager.errors import BundleInvalid
from tests.factories import ManifestFactory, build_bundle, contract_reference, repack, short_contract

PNG = bytes.fromhex("89504e470d0a1a0a0000000d49484452")


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return build_bundle(tmp_path_factory.mktemp("small") / "small.skyfold", contract=short_contract())


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return build_bundle(tmp_path_factory.mktemp("whole") / "point.skyfold")


def refused(data: bytes, path: Path = Path("some.skyfold")) -> str:
    with pytest.raises(BundleInvalid) as caught:
        parse_bundle(data, path)
    return str(caught.value)


def test_written_bundle_opens_with_its_parts(whole, tmp_path):
    bundle = open_bundle(whole)
    assert bundle.format == "tflite"
    assert bundle.contract == reference_contract()
    assert bundle.golden["cases"] == 16
    assert bundle.size == whole.stat().st_size
    artifact = bundle.extract(tmp_path)
    assert artifact.read_bytes() == bundle.members["model.tflite"]
    assert artifact.stat().st_size == bundle.manifest["sizes"]["artifact"]


def test_any_zip_tool_reads_it(whole):
    with zipfile.ZipFile(whole) as opened:
        assert opened.testzip() is None
        assert sorted(opened.namelist()) == ["contract.json", "golden.json", "manifest.json", "model.tflite"]


def test_every_flipped_byte_is_refused(small):
    data = bytearray(small.read_bytes())
    accepted = []
    for offset in range(len(data)):
        data[offset] ^= 0xFF
        try:
            parse_bundle(bytes(data), small)
            accepted.append(offset)
        except BundleInvalid:
            pass
        data[offset] ^= 0xFF
    assert accepted == []
    parse_bundle(bytes(data), small)


@given(data=st.data())
@settings(max_examples=200, deadline=None)
def test_any_single_bit_anywhere_is_refused(small, data):
    content = bytearray(small.read_bytes())
    offset = data.draw(st.integers(0, len(content) - 1))
    content[offset] ^= 1 << data.draw(st.integers(0, 7))
    refused(bytes(content))


def test_every_truncation_is_refused(small):
    data = small.read_bytes()
    for size in [*range(0, len(data), 97), *range(len(data) - 300, len(data))]:
        refused(data[:size])


def test_trailing_bytes_are_refused(small):
    assert "differs at byte" in refused(small.read_bytes() + b"\0")


def test_foreign_file_says_what_it_starts_with():
    assert "89504e47" in refused(PNG)
    assert "nothing" in refused(b"")


def test_plain_zip_is_refused():
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as made:
        made.writestr("manifest.json", "{}")
    assert "another tool" in refused(packed.getvalue())


def test_zip_bomb_is_refused_without_inflating():
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("manifest.json", bytes(50_000_000))
    assert "stored" in refused(packed.getvalue())


def test_damage_in_a_member_names_the_member(small):
    data = bytearray(small.read_bytes())
    data[-3000] ^= 1
    assert "'model.tflite' is damaged: its CRC-32" in refused(bytes(data))


def test_lying_size_is_refused(small):
    data = bytearray(small.read_bytes())
    struct.pack_into("<II", data, 18, 0xFFFFFFF0, 0xFFFFFFF0)
    assert "too early" in refused(bytes(data))


def test_too_many_members_are_refused():
    local = b"".join(
        archive.LOCAL.pack(archive.LOCAL_MAGIC, 20, 0, 0, 0, 33, 0, 0, 0, 4, 0) + b"%04d" % number
        for number in range(archive.MAX_MEMBERS + 1)
    )
    assert f"more than {archive.MAX_MEMBERS}" in refused(local)


def test_duplicated_member_is_refused(small):
    data = small.read_bytes()
    first = archive.LOCAL.size + len("contract.json") + len(open_bundle(small).members["contract.json"])
    assert "twice" in refused(data[:first] + data)


@pytest.mark.parametrize(
    "name", ["../evil", "/etc/passwd", "a//b", "a\\b", ".hidden", "model.mlpackage/../../x", "é", ""]
)
def test_unsafe_names_are_refused(name):
    label = name.encode()
    local = archive.LOCAL.pack(archive.LOCAL_MAGIC, 20, 0, 0, 0, 33, 0, 0, 0, len(label), 0) + label
    assert "is not a name for a member" in refused(local)


@pytest.mark.parametrize("names", [["a", "A"], ["a", "a/b"]])
def test_names_that_collide_on_some_file_system_are_refused(names):
    with pytest.raises(BundleInvalid, match="one file on some devices"):
        archive.check_names(names)


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"extra.bin": b"x"}, "not in the manifest: extra.bin"),
        ({"golden.json": None}, "Missing from the archive: golden.json"),
        ({"manifest.json": None}, "has no manifest.json"),
        ({"manifest.json": b"{}"}, "is a required property"),
        ({"manifest.json": b'{"manifest": 1}'}, "not canonical"),
        ({"manifest.json": b"[" * 100_000}, "is not JSON"),
        ({"manifest.json": b'{"manifest":NaN}'}, "is not JSON"),
        ({"model.tflite": b"other"}, "model.tflite has 5 bytes with SHA-256"),
    ],
)
def test_well_formed_archive_with_wrong_members_is_refused(small, tmp_path, members, reason):
    changed = repack(small, tmp_path / "changed.skyfold", **members)
    with pytest.raises(BundleInvalid, match=reason):
        open_bundle(changed)


def written(tmp_path, *, manifest=None, golden=None, artifact="model.tflite"):
    contract = reference_contract()
    good = open_bundle(build_bundle(tmp_path / "good.skyfold"))
    model = good.extract(tmp_path)
    document = ManifestFactory(
        **{
            "contract": contract_reference(contract),
            "sizes": {"artifact": model.stat().st_size},
            **(manifest or {}),
        }
    )
    golden = {**good.golden, **(golden or {})}
    return write_bundle(
        tmp_path / "new.skyfold",
        artifact=tmp_path / artifact,
        manifest=document,
        golden=golden,
        contract=contract,
    )


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ({"manifest": {"sizes": {"artifact": 1}}}, "sizes say 1"),
        ({"manifest": {"contract": {"name": "other", "version": 1, "sha256": "0" * 64}}}, "manifest says"),
        ({"manifest": {"format": "coreml"}}, "manifest.json: "),
        ({"manifest": {"made_at": "2026-01-01"}}, "made_at"),
        ({"manifest": {"targeting": {"ram_min_mb": 0}}}, "targeting/ram_min_mb"),
        ({"manifest": {"targeting": {"app_range": {"min": "2", "max": "1"}}}}, "holds no version"),
        ({"golden": {"cases": 15}}, "golden.json: cases"),
        ({"golden": {"contract_sha256": "0" * 64}}, "golden vectors are of contract"),
        ({"artifact": "absent.tflite"}, "no artifact"),
    ],
)
def test_bundle_that_would_not_open_is_never_written(tmp_path, parts, reason):
    with pytest.raises(BundleInvalid, match=reason):
        written(tmp_path, **parts)
    assert not (tmp_path / "new.skyfold").exists()


def test_disk_full_leaves_the_old_bundle(whole, tmp_path, monkeypatch):
    path = tmp_path / "point.skyfold"
    path.write_bytes(whole.read_bytes())

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        archive.write_atomically(path, b"half")
    assert path.read_bytes() == whole.read_bytes()
    assert [item.name for item in tmp_path.iterdir()] == ["point.skyfold"]


def test_folder_artifact_keeps_its_files(tmp_path):
    package = tmp_path / "some.mlpackage"
    (package / "Data" / "weights").mkdir(parents=True)
    (package / "Manifest.json").write_bytes(b"{}")
    (package / "Data" / "weights" / "weight.bin").write_bytes(b"12345")
    golden = open_bundle(build_bundle(tmp_path / "good.skyfold")).golden
    manifest = ManifestFactory(format="coreml", artifact="model.mlpackage", sizes={"artifact": 7})
    path = tmp_path / "coreml.skyfold"
    write_bundle(path, artifact=package, manifest=manifest, golden=golden, contract=reference_contract())
    artifact = open_bundle(path).extract(tmp_path / "out")
    assert artifact == tmp_path / "out" / "model.mlpackage"
    assert (artifact / "Data" / "weights" / "weight.bin").read_bytes() == b"12345"


def test_two_processes_write_the_same_bytes(tmp_path):
    script = (
        "import sys; from pathlib import Path; from tests.factories import build_bundle;"
        "build_bundle(Path(sys.argv[1]), variant='tflite_w8a8')"
    )
    paths = [tmp_path / "one.skyfold", tmp_path / "two.skyfold"]
    for seed, path in enumerate(paths):
        environment = {**os.environ, "PYTHONHASHSEED": str(seed)}
        subprocess.run([sys.executable, "-c", script, path], check=True, env=environment, capture_output=True)
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_other_offset_gives_another_bundle(whole, tmp_path):
    other = build_bundle(tmp_path / "other.skyfold", offset=0.5)
    assert open_bundle(other).sha256 != open_bundle(whole).sha256


def test_wire_size_is_smaller_than_the_archive(whole):
    assert 0 < wire_size(whole) < whole.stat().st_size


def test_missing_file_says_so(tmp_path):
    with pytest.raises(BundleInvalid, match=r"absent\.skyfold cannot be read"):
        open_bundle(tmp_path / "absent.skyfold")


def test_written_file_is_readable_by_others(whole):
    assert stat.S_IMODE(whole.stat().st_mode) == 0o644


@given(
    st.dictionaries(
        st.from_regex(r"[a-z][a-z0-9_]{0,8}(/[a-z][a-z0-9]{0,5}){0,2}", fullmatch=True),
        st.binary(max_size=200),
        min_size=1,
    )
)
def test_archive_round_trips(members):
    try:
        archive.check_names(list(members))
    except BundleInvalid:
        return
    data = archive.encode(members)
    assert archive.decode(data) == members
    assert archive.encode(archive.decode(data)) == data


def test_members_are_canonical_json(whole):
    bundle = open_bundle(whole)
    assert bundle.members["manifest.json"] == canonical_json(bundle.manifest)
