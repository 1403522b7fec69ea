"""The audit log: who did what, before, after and why; each entry holds the hash of the one before it.

Whoever changes, removes or reorders an entry breaks the chain. Whoever cuts its tail, or writes all of it
anew, no longer fits the heads that were signed into the `rollout` metadata when catalogs were published.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from django.contrib.auth.models import User
from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection, transaction
from django.utils.timezone import now

from mobile_models.models import AuditEntry, Bundle, Metadata, Release, Rollout

SYSTEM = "system"
GENESIS = "0" * 64
HEAD_FIELD = "x-skyfold-audit"
# Any number that nothing else in this database locks by: "audit" in ASCII.
LOCK = 0x6175646974
BATCH = 500


def record(
    *,
    action: str,
    row: Bundle | Release | Rollout | None,
    by: User | None,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    reason: str = "",
    actor_name: str = SYSTEM,
) -> AuditEntry:
    """Append an entry, in the transaction of the step that it tells of: both happen or neither.

    Args:
        action: the service's name.
        row: what it was done to; None for what has no row, such as a key.
        by: who did it; None for the system, which `actor_name` then names.
        before: what the row said before, by field.
        after: what it said afterwards.
        reason: in the person's words.
        actor_name: which task or command.
    """
    with transaction.atomic():
        _lock()
        sequence, previous = head()
        entry = AuditEntry(
            sequence=sequence + 1,
            at=now(),
            actor=by,
            actor_name=by.get_username() if by else actor_name,
            action=action,
            object_type=type(row).__name__.lower() if row else "",
            object_id=str(row.pk) if row else "",
            object_name=str(row)[:200] if row else "",
            before=_plain(before),
            after=_plain(after),
            reason=reason,
            previous_hash=previous,
        )
        entry.hash = hash_of(entry)
        entry.save(force_insert=True)
    return entry


def head() -> tuple[int, str]:
    """Sequence and hash of the newest entry; zero and zeros before the first."""
    newest = AuditEntry.objects.order_by("-sequence").values_list("sequence", "hash").first()
    return newest or (0, GENESIS)


def hash_of(entry: AuditEntry) -> str:
    """SHA-256 over the canonical JSON of everything that the entry says."""
    content = document(entry)
    del content["hash"]
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def document(entry: AuditEntry) -> dict[str, Any]:
    """An entry as plain values: what is hashed and exported."""
    return {
        "sequence": entry.sequence,
        "at": entry.at.isoformat(),
        "actor": entry.actor_id,
        "actor_name": entry.actor_name,
        "action": entry.action,
        "object_type": entry.object_type,
        "object_id": entry.object_id,
        "object_name": entry.object_name,
        "before": entry.before,
        "after": entry.after,
        "reason": entry.reason,
        "previous_hash": entry.previous_hash,
        "hash": entry.hash,
    }


def verify() -> list[str]:
    """Hold every entry against its hash, the one before it, and the heads that were signed.

    Returns:
        A sentence per problem; none when the log is whole.
    """
    return [*_broken_links(), *_missing_heads()]


def snapshot(row: Bundle | Release | Rollout) -> dict[str, Any]:
    """What an entry keeps of a row: what its services change."""
    if isinstance(row, Bundle):
        return {"sha256": row.sha256, "variant": row.variant, "state": row.state}
    if isinstance(row, Release):
        return {
            "version": row.version,
            "state": row.state,
            "bundles": {bundle.variant: bundle.sha256 for bundle in row.bundles.order_by("variant")},
            "gate_failures": row.gate.get("failures", []),
            "override_reason": row.override_reason,
        }
    return {
        "channel": row.channel.name,
        "release": row.release.version,
        "release_counter": row.release_counter,
        "state": row.state,
        "basis_points": row.basis_points,
        "conditions": row.conditions,
        "stage": row.stage,
        "stages": row.stages,
        "starts_at": row.starts_at,
        "next_stage_at": row.next_stage_at,
    }


def _broken_links() -> Iterator[str]:
    expected, previous = 1, GENESIS
    for entry in AuditEntry.objects.order_by("sequence").iterator(chunk_size=BATCH):
        if entry.sequence != expected:
            missing = (
                f"{expected}" if entry.sequence == expected + 1 else f"{expected} to {entry.sequence - 1}"
            )
            yield f"Entry {missing} is missing."
        elif entry.previous_hash != previous:
            yield f"Entry {entry.sequence} does not follow the entry before it: one of them was replaced."
        if not _has_its_hash(entry):
            yield f"Entry {entry.sequence} was edited: it does not have its hash."
        expected, previous = entry.sequence + 1, entry.hash


def _has_its_hash(entry: AuditEntry) -> bool:
    try:
        return hash_of(entry) == entry.hash
    except (AttributeError, TypeError, ValueError):
        return False  # what was written into it is not even of its kind: a time that is none


def _missing_heads() -> Iterator[str]:
    """Signed heads that the log no longer has."""
    for metadata in Metadata.objects.filter(role="rollout").order_by("version").iterator(chunk_size=BATCH):
        signed = json.loads(bytes(metadata.content))["signed"].get(HEAD_FIELD)
        if signed is None or signed["sequence"] == 0:
            continue
        if not AuditEntry.objects.filter(sequence=signed["sequence"], hash=signed["hash"]).exists():
            yield (
                f"Entry {signed['sequence']} is gone or another: {metadata} was signed over one with the "
                f"hash {signed['hash'][:12]}."
            )


def _lock() -> None:
    """One writer at a time until the transaction ends. SQLite has only one; PostgreSQL is told."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values as a database gives them back, so that the hash is over what will be read."""
    plain: dict[str, Any] = json.loads(json.dumps(values, cls=DjangoJSONEncoder))
    return plain
