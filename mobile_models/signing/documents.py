"""What each role's metadata says, as unsigned documents. Pure: values in, a document out."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from securesystemslib.signer import Key
from tuf.api.metadata import (
    DelegatedRole,
    Delegations,
    MetaFile,
    Role,
    Root,
    Signed,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)

from mobile_models.signing.roles import (
    AUDIT,
    DEVELOPMENT,
    DEVELOPMENT_NAME,
    HOLDERS,
    PLATFORM_ROLES,
    ROLLOUT,
    ROOT,
    SNAPSHOT,
    TARGETS,
    TIMESTAMP,
    delegated_paths,
)


@dataclass(frozen=True, slots=True)
class Trust:
    """The keys of a role and how many of them must sign."""

    keys: tuple[Key, ...]
    threshold: int = 1


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a key: a name that people know, and where the key is if it is no file."""

    name: str
    uri: str = ""

    def to_dict(self) -> dict[str, str]:
        """As it stands in the root."""
        return {"name": self.name, **({"uri": self.uri} if self.uri else {})}


@dataclass(frozen=True, slots=True)
class Charter:
    """Everything that the root and the top targets say: who is trusted for what."""

    roles: Mapping[str, Trust]
    holders: Mapping[str, Holder] = field(default_factory=dict)

    @property
    def development(self) -> bool:
        """Whether a key of those in use guards nothing, because it was made for a demonstration."""
        return any(self.holder(keyid).name.startswith(DEVELOPMENT_NAME) for keyid in self.keyids())

    def keyids(self) -> set[str]:
        """The ids of all keys in use."""
        return {key.keyid for trust in self.roles.values() for key in trust.keys}

    def holder(self, keyid: str) -> Holder:
        """Who holds a key."""
        return self.holders.get(keyid, Holder("unknown"))

    def to_dict(self) -> dict[str, Any]:
        """Who signs what, as the audit log keeps it."""
        return {
            role: {
                "threshold": trust.threshold,
                "keys": {key.keyid: self.holder(key.keyid).name for key in trust.keys},
            }
            for role, trust in self.roles.items()
        }


def root_document(charter: Charter, *, version: int, expires: datetime) -> Root:
    """The root: keys and thresholds of the top roles, and who holds every key."""
    root = Root(version=version, expires=expires, consistent_snapshot=True)
    for role in (ROOT, TARGETS, SNAPSHOT, TIMESTAMP):
        trust = charter.roles[role]
        root.roles[role] = Role([key.keyid for key in trust.keys], trust.threshold)
        root.keys.update({key.keyid: key for key in trust.keys})
    root.unrecognized_fields[HOLDERS] = {
        keyid: charter.holder(keyid).to_dict() for keyid in sorted(charter.keyids())
    }
    if charter.development:
        root.unrecognized_fields[DEVELOPMENT] = True
    return root


def targets_document(charter: Charter, *, version: int, expires: datetime) -> Targets:
    """The top targets: no file of its own, only who is trusted for which paths."""
    delegated = {role: charter.roles[role] for role in (ROLLOUT, *PLATFORM_ROLES)}
    keys = {key.keyid: key for trust in delegated.values() for key in trust.keys}
    roles = {
        role: DelegatedRole(
            role,
            [key.keyid for key in trust.keys],
            trust.threshold,
            terminating=True,
            paths=delegated_paths(role),
        )
        for role, trust in delegated.items()
    }
    return Targets(version=version, expires=expires, delegations=Delegations(keys, roles))


def files_document(files: Iterable[TargetFile], *, version: int, expires: datetime) -> Targets:
    """The metadata of a delegated role: its files by path."""
    return Targets(
        version=version, expires=expires, targets={file.path: file for file in sorted(files, key=_by_path)}
    )


def rollout_document(
    files: Iterable[TargetFile], *, version: int, expires: datetime, audit: tuple[int, str]
) -> Targets:
    """The catalogs, and the head of the audit log: a log whose tail was cut no longer reaches it."""
    document = files_document(files, version=version, expires=expires)
    document.unrecognized_fields[AUDIT] = {"sequence": audit[0], "hash": audit[1]}
    return document


def snapshot_document(
    contents: Mapping[str, tuple[int, bytes]], *, version: int, expires: datetime
) -> Snapshot:
    """The versions of everything but root, snapshot and timestamp, each with its length and digest."""
    meta = {f"{role}.json": _meta(*contents[role]) for role in sorted(contents)}
    return Snapshot(version=version, expires=expires, meta=meta)


def timestamp_document(snapshot: tuple[int, bytes], *, version: int, expires: datetime) -> Timestamp:
    """Which snapshot is in force."""
    return Timestamp(version=version, expires=expires, snapshot_meta=_meta(*snapshot))


def target_file(path: str, *, size: int, sha256: str, custom: dict[str, Any] | None = None) -> TargetFile:
    """One file under its path."""
    fields = {"custom": custom} if custom else None
    return TargetFile(length=size, hashes={"sha256": sha256}, path=path, unrecognized_fields=fields)


def document_file(path: str, content: bytes) -> TargetFile:
    """A file whose bytes are at hand."""
    return target_file(path, size=len(content), sha256=hashlib.sha256(content).hexdigest())


def charter_of(root: Root, targets: Targets) -> Charter:
    """Read back who is trusted for what."""
    delegations = targets.delegations
    roles = {role: _trust(root.roles[role], root.keys) for role in (ROOT, TARGETS, SNAPSHOT, TIMESTAMP)}
    if delegations is not None and delegations.roles is not None:
        roles |= {name: _trust(role, delegations.keys) for name, role in delegations.roles.items()}
    listed = root.unrecognized_fields.get(HOLDERS, {})
    holders = {keyid: Holder(holder["name"], holder.get("uri", "")) for keyid, holder in listed.items()}
    return Charter(roles, holders)


def same(published: Signed, wanted: Signed) -> bool:
    """Whether two documents say the same but for version and expiry."""
    ignored = {"version": 0, "expires": ""}
    return bool(published.to_dict() | ignored == wanted.to_dict() | ignored)


def _trust(role: Role, keys: Mapping[str, Key]) -> Trust:
    return Trust(tuple(keys[keyid] for keyid in role.keyids), role.threshold)


def _meta(version: int, content: bytes) -> MetaFile:
    return MetaFile(version, len(content), {"sha256": hashlib.sha256(content).hexdigest()})


def _by_path(file: TargetFile) -> str:
    return file.path
