"""Read a bundle's archive and check every digest in it. The archive's own digest was checked before."""

import hashlib
import io
import json
import re
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from phone.errors import BundleRefused
from phone.versions import VERSION, Version, at_least, parse_version

MAX_MEMBERS = 64
SAFE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*")
UNREADABLE = (zipfile.BadZipFile, struct.error, EOFError, OSError)
# What reading a document raises that is not of the shape that was expected; RuntimeError: nested too deep.
MISSHAPEN = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RuntimeError)
# The contract versions that this app can feed: with another one it would need other inputs.
CONTRACTS = {"skyfold-point": {1, 2}}


@dataclass(frozen=True)
class PhoneBundle:
    """A bundle whose members are what its manifest says; `digests` counts those that were compared."""

    manifest: Mapping[str, Any]
    contract: Mapping[str, Any]
    golden: Mapping[str, Any]
    model: bytes
    digests: int

    @property
    def cases(self) -> int:
        """How many golden vectors it says that it has; replaying them finds whether they are there."""
        cases = self.golden.get("cases")
        return cases if isinstance(cases, int) else 0


def read_bundle(archive: bytes) -> PhoneBundle:
    """Check members and contract.

    Raises:
        BundleRefused: not a bundle, damaged, of a format that this phone cannot run, or an unknown contract.
    """
    try:
        members = _members(archive)
        manifest = json.loads(members.pop("manifest.json"))
        files, name = manifest["files"], manifest["artifact"]
        if members.keys() != files.keys():
            raise BundleRefused(f"The archive holds {sorted(members)}, its manifest names {sorted(files)}.")
        for member, content in members.items():
            check_digest(member, content, files[member]["sha256"])
        if manifest["format"] != "tflite":
            raise BundleRefused(f"The bundle is for {manifest['format']}; this phone runs tflite.")
        contract = json.loads(members["contract.json"])
        check_digest("contract.json", members["contract.json"], manifest["contract"]["sha256"])
        _check_contract(contract)
        golden = json.loads(members["golden.json"])
        _check_engine(manifest["engine_min"].get("litert"))
        return PhoneBundle(manifest, contract, golden, members[name], digests=len(members) + 1)
    except (*UNREADABLE, *MISSHAPEN) as error:
        raise BundleRefused(f"The archive is not a bundle: {type(error).__name__}: {error}.") from error


def _members(archive: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        entries = opened.infolist()
        names = {entry.filename for entry in entries}
        if len(entries) > MAX_MEMBERS or len(names) < len(entries):
            raise BundleRefused(f"The archive has {len(entries)} members, {len(names)} different ones.")
        for entry in entries:
            # Stored members cannot unpack to more than the archive itself: no bomb.
            if entry.compress_type != zipfile.ZIP_STORED or not SAFE_NAME.fullmatch(entry.filename):
                raise BundleRefused(
                    f"The archive's member {entry.filename[:80]!r} is compressed or misnamed."
                )
        return {name: opened.read(name) for name in sorted(names)}


def check_digest(name: str, content: bytes, promised: str) -> None:
    """Compare a digest with what was promised.

    Raises:
        BundleRefused: it is another.
    """
    digest = hashlib.sha256(content).hexdigest()
    if digest != promised:
        raise BundleRefused(f"{name} has SHA-256 {digest}; {promised} was promised.")


def engine_version() -> Version:
    """The version of LiteRT in this app."""
    numbers = VERSION.match(metadata.version("ai-edge-litert"))
    return parse_version(numbers[0]) if numbers else ()


def _check_engine(oldest: str | None) -> None:
    if oldest is not None and not at_least(engine_version(), oldest):
        here = ".".join(map(str, engine_version()))
        raise BundleRefused(f"The bundle needs LiteRT {oldest}; this app has {here}. Update the app.")


def _check_contract(contract: Mapping[str, Any]) -> None:
    if contract["version"] not in CONTRACTS.get(contract["contract"], ()):
        known = ", ".join(f"{name} {sorted(versions)}" for name, versions in CONTRACTS.items())
        raise BundleRefused(
            f"The bundle is for contract {contract['contract']} version {contract['version']}; "
            f"this app knows {known}. Update the app."
        )
