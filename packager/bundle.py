"""A bundle: the archive of one variant with its manifest, contract and golden vectors.

Members: `manifest.json`, `contract.json`, `golden.json` and the artifact (`model.tflite`, `model.onnx`, or
the files below `model.mlpackage/` or `model.micro/`). Opening one proves that every byte is what the manifest
says; it does not run it.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import bsdiff4
import jsonschema
import zstandard

from packager import archive
from packager.contract import Contract, canonical_json, parse_contract
from packager.errors import BundleInvalid, ContractInvalid
from packager.recipes.targeting import empty_range

HERE = Path(__file__).parent
MANIFEST, CONTRACT, GOLDEN = "manifest.json", "contract.json", "golden.json"
WIRE_LEVEL = 19


@dataclass(frozen=True)
class Bundle:
    """An archive that was read and found to be whole and to be what its manifest says."""

    path: Path
    sha256: str
    size: int
    manifest: Mapping[str, Any]
    golden: Mapping[str, Any]
    contract: Contract
    members: Mapping[str, bytes] = field(repr=False)

    @property
    def format(self) -> str:
        """What runs the artifact: tflite, coreml, onnx or micro."""
        return str(self.manifest["format"])

    def extract(self, folder: Path) -> Path:
        """Write the artifact below a folder; gives the path of its file or package folder."""
        for name in _artifact_members(self.manifest, self.members):
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(self.members[name])
        return folder / str(self.manifest["artifact"])


def write_bundle(
    path: Path,
    *,
    artifact: Path,
    manifest: Mapping[str, Any],
    golden: Mapping[str, Any],
    contract: Contract,
) -> str:
    """Write a bundle, whole or not at all; equal arguments give equal bytes.

    Args:
        path: where the archive goes; its folder is made.
        artifact: a `.tflite` or `.onnx` file, an `.mlpackage` or `.micro` folder.
        manifest: as in manifest.schema.json but without `files`, which is filled in here.
        golden: as `packager.verify.golden.make_golden` gives it.
        contract: what the artifact fulfils.

    Returns:
        SHA-256 of the archive, hexadecimal.

    Raises:
        BundleInvalid: manifest or golden vectors do not fit the schema, the contract or the artifact.
    """
    members = {CONTRACT: canonical_json(contract.document), GOLDEN: canonical_json(golden)}
    members |= dict(_read_artifact(artifact, str(manifest.get("artifact"))))
    files = {name: {"size": len(content), "sha256": _sha256(content)} for name, content in members.items()}
    members[MANIFEST] = canonical_json({**manifest, "files": files})
    data = archive.encode(members)
    bundle = parse_bundle(data, path)
    archive.write_atomically(path, data)
    return bundle.sha256


def open_bundle(path: Path) -> Bundle:
    """Read and check an archive.

    Raises:
        BundleInvalid: unreadable, not a bundle, damaged, or not what its manifest says.
    """
    try:
        size = path.stat().st_size
        if size > archive.MAX_BYTES:
            raise BundleInvalid(f"{path.name} has {size} bytes; a bundle has at most {archive.MAX_BYTES}.")
        data = path.read_bytes()
    except OSError as error:
        raise BundleInvalid(
            f"{path.name} cannot be read: {error.strerror}. Give the path of a bundle."
        ) from error
    return parse_bundle(data, path)


def parse_bundle(data: bytes, path: Path) -> Bundle:
    """Check the bytes of an archive; `path` only says where they came from.

    Raises:
        BundleInvalid: not a bundle, damaged, or not what its manifest says.
    """
    members = archive.decode(data)
    manifest = _document(members, MANIFEST)
    _check_schema(manifest, MANIFEST)
    if empty := empty_range(manifest.get("targeting", {})):
        raise BundleInvalid(f"{MANIFEST}: {empty}")
    _check_files(manifest["files"], members)
    _check_artifact(manifest, members)
    contract = _check_contract(manifest, members)
    golden = _document(members, GOLDEN)
    _check_schema(golden, GOLDEN)
    if golden["contract_sha256"] != contract.digest:
        raise BundleInvalid(
            f"The golden vectors are of contract {golden['contract_sha256']}, the bundle's is "
            f"{contract.digest}. Make them with the contract that the model was built for."
        )
    return Bundle(path, _sha256(data), len(data), manifest, golden, contract, members)


def wire_size(path: Path) -> int:
    """Bytes that a phone downloads: the archive compressed with zstd at level 19."""
    return len(zstandard.ZstdCompressor(level=WIRE_LEVEL).compress(path.read_bytes()))


def patch_size(released: Path, path: Path) -> int:
    """Bytes that a phone downloads which has the released archive: a bsdiff patch between the two."""
    return len(bsdiff4.diff(released.read_bytes(), path.read_bytes()))


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _read_artifact(artifact: Path, name: str) -> Iterator[tuple[str, bytes]]:
    if artifact.is_file():
        yield name, artifact.read_bytes()
        return
    if not artifact.is_dir():
        raise BundleInvalid(f"There is no artifact at {artifact.name}. Export the variant first.")
    for path in sorted(artifact.rglob("*")):
        if path.is_file():
            yield f"{name}/{path.relative_to(artifact).as_posix()}", path.read_bytes()


def _document(members: Mapping[str, bytes], name: str) -> Any:
    if name not in members:
        raise BundleInvalid(
            f"The archive has no {name}; it holds {_list(set(members))}. It is not a bundle or not whole."
        )
    try:
        document = json.loads(members[name], parse_constant=_refuse_constant)
        canonical = canonical_json(document)
    except (ValueError, RecursionError) as error:
        raise BundleInvalid(f"{name} is not JSON: {error}. Build the bundle again.") from error
    if canonical != members[name]:
        raise BundleInvalid(f"{name} is not canonical JSON (sorted keys, no spaces). Build the bundle again.")
    return document


def _refuse_constant(text: str) -> float:
    raise ValueError(f"{text} is no number of JSON")


@cache
def _validator(name: str) -> jsonschema.Draft202012Validator:
    schema = HERE / name.replace(".json", ".schema.json")
    return jsonschema.Draft202012Validator(json.loads(schema.read_text()))


def _check_schema(document: Any, name: str) -> None:
    error = jsonschema.exceptions.best_match(_validator(name).iter_errors(document))
    if error is not None:
        where = "/".join(str(part) for part in error.absolute_path) or "the document"
        raise BundleInvalid(
            f"{name}: {where}: {error.message[:300]}. See packager/{name.replace('.json', '.schema.json')}."
        )


def _check_files(files: Mapping[str, Any], members: Mapping[str, bytes]) -> None:
    held = members.keys() - {MANIFEST}
    if held != files.keys():
        raise BundleInvalid(
            f"Missing from the archive: {_list(files.keys() - held)}; not in the manifest: "
            f"{_list(held - files.keys())}. Build the bundle again."
        )
    for name, said in files.items():
        digest = _sha256(members[name])
        if (len(members[name]), digest) != (said["size"], said["sha256"]):
            raise BundleInvalid(
                f"{name} has {len(members[name])} bytes with SHA-256 {digest}; the manifest says "
                f"{said['size']} with {said['sha256']}. Build the bundle again."
            )


def _artifact_members(manifest: Mapping[str, Any], members: Mapping[str, bytes]) -> list[str]:
    artifact = manifest["artifact"]
    return [name for name in members if name == artifact or name.startswith(f"{artifact}/")]


def _check_artifact(manifest: Mapping[str, Any], members: Mapping[str, bytes]) -> None:
    names = _artifact_members(manifest, members)
    if not names:
        raise BundleInvalid(f"The archive has no {manifest['artifact']}. Build the bundle again.")
    others = members.keys() - {MANIFEST, CONTRACT, GOLDEN, *names}
    if others:
        raise BundleInvalid(f"The archive has members that no bundle has: {_list(others)}. Build it again.")
    size = sum(len(members[name]) for name in names)
    if size != manifest["sizes"]["artifact"]:
        raise BundleInvalid(
            f"The artifact has {size} bytes; the manifest's sizes say {manifest['sizes']['artifact']}."
        )


def _check_contract(manifest: Mapping[str, Any], members: Mapping[str, bytes]) -> Contract:
    try:
        contract = parse_contract(_document(members, CONTRACT))
    except ContractInvalid as error:
        raise BundleInvalid(f"{CONTRACT}: {error}") from error
    seen = {"name": contract.name, "version": contract.version, "sha256": contract.digest}
    if seen != manifest["contract"]:
        raise BundleInvalid(
            f"{CONTRACT} is {seen}; the manifest says {dict(manifest['contract'])}. Build the bundle again."
        )
    return contract


def _list(names: set[str]) -> str:
    return ", ".join(sorted(names)) or "nothing"
