"""The next versions of offline roles while their signatures come together.

Rows wait in sets: the roles that a release needs, or those that a change of keys needs. A set is published as
a whole, once every role in it has its threshold.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.utils.timezone import now
from securesystemslib.signer import Key, Signature, Signer
from tuf.api.metadata import Metadata as Signed
from tuf.api.metadata import Root, Targets

from mobile_models.errors import SignatureRefused
from mobile_models.models import PendingMetadata, Release
from mobile_models.signing import store
from mobile_models.signing.roles import OFFLINE, ROOT, TARGETS


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a role's next version is: who signed, who else may, how many more must."""

    role: str
    version: int
    signed: tuple[str, ...]
    unsigned: tuple[str, ...]
    missing: int

    def __str__(self) -> str:
        total = len(self.signed) + self.missing
        return f"{self.role} {self.version}: {len(self.signed)} of {total} signatures"


def waiting(release: Release | None) -> QuerySet[PendingMetadata]:
    """The set of a release, or of a change of keys."""
    return PendingMetadata.objects.filter(release=release)


def propose(role: str, document: Root | Targets, release: Release | None = None) -> None:
    """Put the next version of a role up for signatures.

    Another set that waited for the role is forgotten as a whole: half of it could never be published.
    """
    other = PendingMetadata.objects.filter(role=role).first()
    if other is not None and other.release_id != (release.pk if release else None):
        PendingMetadata.objects.filter(release=other.release_id).delete()
    PendingMetadata.objects.update_or_create(
        role=role,
        defaults={
            "version": document.version,
            "content": Signed[Any](document).to_bytes(),
            "release": release,
            "created": now(),
        },
    )


def drop_all() -> int:
    """Forget everything that waits; says how many rows that were. What is in force stays."""
    count, _ = PendingMetadata.objects.all().delete()
    return count


def read(row: PendingMetadata) -> Signed[Any]:
    """A row's metadata with the signatures so far."""
    return Signed.from_bytes(bytes(row.content))


def standings(rows: Sequence[PendingMetadata]) -> list[Standing]:
    """How far each row of a set is."""
    trust = _Delegators(rows)
    return [trust.standing(row) for row in rows]


def keys_of(rows: Sequence[PendingMetadata]) -> dict[str, Key]:
    """Every key that may sign something of a set."""
    trust = _Delegators(rows)
    return {keyid: key for row in rows for keyid, key in trust.keys(row.role).items()}


def add_signers(rows: Sequence[PendingMetadata], signers: Iterable[Signer]) -> int:
    """Sign every row with each key that has a part in it; says how many signatures came."""
    trust = _Delegators(rows)
    added = 0
    for row in rows:
        metadata = read(row)
        unsigned = trust.standing(row).unsigned
        able = [signer for signer in signers if signer.public_key.keyid in unsigned]
        for signer in able:
            metadata.sign(signer, append=True)
        added += len(able)
        _save(row, metadata)
    return added


def add_signature(rows: Sequence[PendingMetadata], role: str, signature: Signature) -> None:
    """Add a signature that was made elsewhere, if it is one.

    Raises:
        SignatureRefused: the role does not wait, the key has no part in it, or the bytes are others.
    """
    row = next((row for row in rows if row.role == role), None)
    if row is None:
        names = ", ".join(row.role for row in rows)
        raise SignatureRefused(f"{role} waits for no signature; waiting are {names or 'none'}.")
    metadata = read(row)
    key = _Delegators(rows).keys(role).get(signature.keyid)
    if key is None:
        raise SignatureRefused(
            f"Key {signature.keyid[:8]} has no part in {role}. Sign with one of the role's keys."
        )
    try:
        key.verify_signature(signature, metadata.signed_bytes)
    except Exception as error:
        raise SignatureRefused(
            f"The signature of {role} by key {signature.keyid[:8]} is not of the bytes that wait. They may "
            "have changed since the export: export again."
        ) from error
    metadata.signatures[signature.keyid] = signature
    _save(row, metadata)


def is_complete(rows: Sequence[PendingMetadata]) -> bool:
    """Whether every row of a set has its threshold."""
    return bool(rows) and all(standing.missing == 0 for standing in standings(rows))


def take(rows: Sequence[PendingMetadata]) -> None:
    """Publish a complete set, verified once more, and forget that it waited."""
    trust = _Delegators(rows)
    for row in sorted(rows, key=lambda row: OFFLINE.index(row.role)):
        metadata = read(row)
        trust.verify(row.role, metadata)
        store.write(row.role, metadata)
    PendingMetadata.objects.filter(pk__in=[row.pk for row in rows]).delete()


def _save(row: PendingMetadata, metadata: Signed[Any]) -> None:
    row.content = metadata.to_bytes()
    row.save(update_fields=["content"])


class _Delegators:
    """Who must sign what: by the root and targets of the set where they are in it, else by those in force."""

    def __init__(self, rows: Sequence[PendingMetadata]) -> None:
        proposed = {row.role: read(row).signed for row in rows}
        self._previous: Root | None = store.root().signed if store.is_initialised() else None
        self._root: Root = proposed.get(ROOT) or store.root().signed
        self._targets: Targets = proposed.get(TARGETS) or store.targets().signed

    def standing(self, row: PendingMetadata) -> Standing:
        """How far a row is."""
        metadata = read(row)
        payload, signatures = metadata.signed_bytes, metadata.signatures
        if row.role == ROOT:
            both = self._root.get_root_verification_result(self._previous, payload, signatures)
            signed, unsigned = tuple(both.signed), tuple(both.unsigned)
            return Standing(
                row.role, row.version, signed, unsigned, max(both.first.missing, both.second.missing)
            )
        result = self._delegator(row.role).get_verification_result(row.role, payload, signatures)
        return Standing(row.role, row.version, tuple(result.signed), tuple(result.unsigned), result.missing)

    def keys(self, role: str) -> dict[str, Key]:
        """The keys that may sign a role: of a new root, those of the one before too."""
        keyids = self._delegator(role).get_delegated_role(role).keyids
        found = {keyid: self._delegator(role).get_key(keyid) for keyid in keyids}
        if role == ROOT and self._previous is not None:
            found |= {keyid: self._previous.keys[keyid] for keyid in self._previous.roles[ROOT].keyids}
        return found

    def verify(self, role: str, metadata: Signed[Any]) -> None:
        """Raise UnsignedMetadataError unless every threshold is met."""
        if role == ROOT and self._previous is not None:
            self._previous.verify_delegate(role, metadata.signed_bytes, metadata.signatures)
        self._delegator(role).verify_delegate(role, metadata.signed_bytes, metadata.signatures)

    def _delegator(self, role: str) -> Root | Targets:
        return self._root if role in {ROOT, TARGETS} else self._targets
