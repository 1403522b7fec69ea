"""Signatures from a machine without a network: bytes to sign go out as a file, signatures come back in it."""

import base64
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from securesystemslib.signer import Key, Signature, Signer
from tuf.api.metadata import Metadata as Signed
from tuf.api.metadata import Role, Root, TargetFile, Targets
from tuf.api.serialization import DeserializationError

from mobile_models.errors import KeyRefused, ParameterInvalid, SignatureRefused
from mobile_models.models import PendingMetadata
from mobile_models.signing import pending
from mobile_models.signing.roles import PLATFORM_ROLES, ROOT, TARGETS
from packager.archive import write_atomically

FORMAT = "signing_request"
VERSION = 1
MAX_BYTES = 64 * 1024 * 1024
Document = dict[str, Any]


def export_request(rows: Sequence[PendingMetadata], path: Path, *, purpose: str) -> None:
    """Write what waits for signatures to a file: the exact bytes, and which keys may sign them."""
    standings = {standing.role: standing for standing in pending.standings(rows)}
    keys = pending.keys_of(rows)
    documents = [
        {
            "role": row.role,
            "version": row.version,
            "keys": {keyid: _public(keys[keyid]) for keyid in standings[row.role].unsigned},
            "payload": base64.b64encode(pending.read(row).signed_bytes).decode(),
            "signatures": {},
        }
        for row in rows
    ]
    _write(path, {FORMAT: VERSION, "purpose": purpose, "documents": documents})


def sign_request(path: Path, signers: Sequence[Signer]) -> list[str]:
    """Add signatures to a file, where there is no database; says what the bytes say and what was signed.

    Without keys nothing is signed: a holder looks first.

    Raises:
        ParameterInvalid: it is no such file, or holds other bytes than it claims.
        KeyRefused: none of the keys is asked for.
    """
    request = read_request(path)
    lines = []
    for document in request["documents"]:
        lines += _described(document["role"], _payload(document))
    signed = [
        _signed(document, signer)
        for document in request["documents"]
        for signer in signers
        if signer.public_key.keyid in document["keys"]
    ]
    wanted = sorted({keyid[:8] for document in request["documents"] for keyid in document["keys"]})
    asked = f"it asks for {', '.join(wanted) or 'none'}."
    if not signers:
        return [*lines, f"Nothing was signed. To sign it give --key KEY; {asked}"]
    if not signed:
        raise KeyRefused(f"{path} asks for none of these keys; {asked}")
    _write(path, request)
    return lines + signed


def _signed(document: Document, signer: Signer) -> str:
    signature = signer.sign(_payload(document))
    document["signatures"][signature.keyid] = signature.signature
    return f"Signed {document['role']} with {signature.keyid[:8]}."


def import_signatures(rows: Sequence[PendingMetadata], path: Path) -> int:
    """Take the signatures of a file, each verified; says how many.

    Raises:
        ParameterInvalid: it is no such file.
        SignatureRefused: it bears none, or one that is not of what waits now.
    """
    count = 0
    for document in read_request(path)["documents"]:
        for keyid, signature in document["signatures"].items():
            pending.add_signature(rows, document["role"], Signature(keyid, signature))
            count += 1
    if not count:
        raise SignatureRefused(
            f"{path} bears no signature. Run `manage.py keys sign {path} --key KEY` where the key is."
        )
    return count


def read_request(path: Path) -> Document:
    """A file of `export_request`, its shape checked.

    Raises:
        ParameterInvalid: it cannot be read, or is no such file.
    """
    try:
        with path.open("rb") as file:
            request = json.loads(file.read(MAX_BYTES))
    except (OSError, ValueError, RecursionError) as error:
        raise _no_request(path) from error
    if not isinstance(request, dict) or request.get(FORMAT) != VERSION:
        raise _no_request(path)
    documents = request.get("documents")
    if not isinstance(documents, list) or not all(_is_document(document) for document in documents):
        raise _no_request(path)
    return request


def keys_asked(path: Path) -> list[Key]:
    """The keys that a file asks for."""
    found = {}
    try:
        for document in read_request(path)["documents"]:
            for keyid, public in document["keys"].items():
                found[keyid] = Key.from_dict(keyid, dict(public))
    except (KeyError, TypeError, ValueError) as error:
        raise _no_request(path) from error
    return list(found.values())


def _public(key: Key) -> dict[str, Any]:
    return dict(key.to_dict())


def _is_document(document: Any) -> bool:
    if not isinstance(document, dict):
        return False
    kinds = {"role": str, "version": int, "keys": dict, "payload": str, "signatures": dict}
    if any(not isinstance(document.get(name), kind) for name, kind in kinds.items()):
        return False
    texts = [*document["keys"], *document["signatures"], *document["signatures"].values()]
    return all(isinstance(text, str) for text in texts)


def _payload(document: Mapping[str, Any]) -> bytes:
    try:
        return base64.b64decode(document["payload"], validate=True)
    except ValueError as error:
        raise _damaged(document["role"]) from error


def _described(role: str, payload: bytes) -> list[str]:
    """What the bytes say, read from the bytes themselves: a label beside them could lie.

    Raises:
        ParameterInvalid: they are no metadata, or not of this role's kind.
    """
    try:
        metadata: Signed[Any] = Signed.from_bytes(b'{"signatures":[],"signed":' + payload + b"}")
    except DeserializationError as error:
        raise _damaged(role) from error
    if metadata.signed_bytes != payload:
        raise _damaged(role)
    signed = metadata.signed
    head = f"{role}: {signed.type} version {signed.version}, good until {signed.expires:%Y-%m-%d %H:%M}"
    if isinstance(signed, Root) and role == ROOT:
        return [f"{head}, trusts:", *_trusted(signed.roles)]
    if isinstance(signed, Targets) and role == TARGETS and signed.delegations and not signed.targets:
        return [f"{head}, trusts:", *_trusted(signed.delegations.roles or {})]
    if isinstance(signed, Targets) and role in PLATFORM_ROLES and signed.delegations is None:
        return [f"{head}, {len(signed.targets)} bundles:", *(_file(file) for file in signed.targets.values())]
    raise ParameterInvalid(
        f"The bytes under {role} are other metadata ({signed.type}), so somebody changed the file. Do not "
        "sign it; export again."
    )


def _trusted(roles: Mapping[str, Role]) -> list[str]:
    return [
        f"  {name}: {role.threshold} of {len(role.keyids)}, {', '.join(keyid[:8] for keyid in role.keyids)}"
        for name, role in roles.items()
    ]


def _file(file: TargetFile) -> str:
    told = file.custom or {}
    return f"  {file.path} {told.get('release')} {told.get('variant')}"


def _damaged(role: str) -> ParameterInvalid:
    return ParameterInvalid(f"The bytes of {role} are damaged. Export them again.")


def _write(path: Path, request: Document) -> None:
    try:
        write_atomically(path, json.dumps(request, indent=1).encode())
    except OSError as error:
        raise ParameterInvalid(f"{path} cannot be written: {error.strerror}. Give another path.") from error


def _no_request(path: Path) -> ParameterInvalid:
    return ParameterInvalid(
        f"{path} is no signing request; allowed is a file that `manage.py sign_release VERSION --export "
        "FILE` or `manage.py keys sign --export FILE` wrote."
    )
