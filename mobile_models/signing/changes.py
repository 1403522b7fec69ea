"""Change the keys: rotate, revoke, renew. What changes together is signed together and published together."""

from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from pathlib import Path

from django.conf import settings
from django.db import transaction
from securesystemslib.signer import Key, Signer
from tuf.api.exceptions import UnsignedMetadataError
from tuf.api.metadata import Root, Targets

from mobile_models import audit
from mobile_models.errors import KeyRefused, ParameterInvalid, StateConflict
from mobile_models.models import PendingMetadata
from mobile_models.signing import exchange, pending, store
from mobile_models.signing.documents import (
    Charter,
    Holder,
    Trust,
    files_document,
    root_document,
    same,
    targets_document,
)
from mobile_models.signing.files import platform_files
from mobile_models.signing.online import THIS_SERVER, make_online_key
from mobile_models.signing.pending import Standing
from mobile_models.signing.publishing import bring_up_to_date, is_half_gone
from mobile_models.signing.roles import OFFLINE, ONLINE, PLATFORM_ROLES, ROOT, TARGETS, TIMESTAMP, expiry

# What a person may name: one role, or all that one kind of key signs.
GROUPS = {"offline": OFFLINE, "online": ONLINE, **{role: (role,) for role in OFFLINE}}
COMMAND = "manage.py keys"
Step = list[Standing]


def rotate(
    *,
    group: str,
    add: Sequence[tuple[Key, Holder]] = (),
    remove: Sequence[str] = (),
    threshold: int | None = None,
    signers: Sequence[Signer] = (),
    reason: str = "",
) -> Step:
    """Change who signs a role, or all offline or online roles.

    A new root is signed by the threshold of before and by its own: phones follow it from the one they have.

    Args:
        group: a role, `offline` or `online`; `online` with no key gets a new one in the place of the old.
        add: new keys, each with its holder.
        remove: ids of keys that go; their first digits do.
        threshold: how many must sign from now on; as many as before where none is given.
        signers: the keys at hand.
        reason: for the audit log.

    Returns:
        How far each role is; empty once it was published.

    Raises:
        ParameterInvalid: no such role or key, a key that is there already, or nothing to change.
        StateConflict: the threshold cannot be met, or another change waits.
        KeyRefused: the online key cannot be used.
    """
    if group not in GROUPS:
        raise ParameterInvalid(f"role: {group!r} was given; allowed are {', '.join(GROUPS)}.")
    if group == "online" and threshold not in {None, 1}:
        raise ParameterInvalid(
            f"threshold: {threshold} was given; allowed is 1: this server signs the online roles alone."
        )
    with transaction.atomic():
        charter = _locked_charter()
        gone = {_full_id(charter, start, GROUPS[group]) for start in remove}
        if group == "online" and not add and not gone:
            add, gone = _new_online(), {key.keyid for key in charter.roles[TIMESTAMP].keys}
        roles = {
            role: _changed(role, charter.roles[role], [key for key, _ in add], gone, threshold)
            for role in GROUPS[group]
        }
        return _change(charter, roles, add, gone, signers, "rotate_keys", reason)


def revoke(
    *,
    keyid: str,
    add: Sequence[tuple[Key, Holder]] = (),
    threshold: int | None = None,
    signers: Sequence[Signer] = (),
    reason: str = "",
) -> Step:
    """Take a key out of every role that it signs, and sign again whatever it signed.

    Args, returns and raises as `rotate`. What is added takes the key's place in each of its roles; an online
    key in a file gets a successor of itself.
    """
    with transaction.atomic():
        charter = _locked_charter()
        gone = {_full_id(charter, keyid, charter.roles)}
        if not add and gone & {key.keyid for key in charter.roles[TIMESTAMP].keys}:
            add = _new_online()
        roles = {
            role: _changed(role, trust, [key for key, _ in add], gone, threshold)
            for role, trust in charter.roles.items()
            if gone & {key.keyid for key in trust.keys}
        }
        return _change(charter, roles, add, gone, signers, "revoke_key", reason)


def renew(*, signers: Sequence[Signer] = (), everything: bool = False) -> Step:
    """Sign again what the offline keys signed and is half expired, or all of it.

    Returns:
        How far each role is; empty once it was published, or where nothing needs it.

    Raises:
        StateConflict: another change waits.
    """
    with transaction.atomic():
        charter = _locked_charter()
        ageing = [role for role in OFFLINE if everything or is_half_gone(role)]
        for role in ageing:
            _propose(role, charter)
        return sign_waiting(signers, action="renew_metadata") if ageing else []


def sign_waiting(signers: Sequence[Signer], *, action: str = "sign_keys", reason: str = "") -> Step:
    """Sign what waits because keys change, or because the repository is new; published at the threshold.

    Returns:
        How far each role is; empty once it was published.

    Raises:
        StateConflict: nothing waits.
        KeyRefused: none of the keys has a part in it, or the online key cannot be used.
    """
    with transaction.atomic():
        store.lock()
        rows = waiting_rows()
        if signers and not pending.add_signers(rows, signers):
            raise KeyRefused(
                "None of the keys given can add a signature: each signed before, or has no part in what "
                "waits. `manage.py keys status --json` lists who may sign."
            )
        return publish_if_complete(rows, action=action, reason=reason)


def import_signatures(path: Path) -> Step:
    """Take signatures that were made elsewhere; published at the threshold.

    Raises:
        ParameterInvalid: the file is no signing request.
        SignatureRefused: a signature is not of what waits now.
        StateConflict, KeyRefused: as `sign_waiting`.
    """
    with transaction.atomic():
        store.lock()
        rows = waiting_rows()
        exchange.import_signatures(rows, path)
        return publish_if_complete(rows)


def waiting_rows() -> list[PendingMetadata]:
    """What waits for signatures because keys change.

    Raises:
        StateConflict: nothing does.
    """
    rows = list(pending.waiting(None))
    if not rows:
        raise StateConflict(
            "No change of keys waits for signatures. `manage.py keys status` shows what does."
        )
    return rows


def publish_if_complete(
    rows: Sequence[PendingMetadata], *, action: str = "sign_keys", reason: str = ""
) -> Step:
    """Publish a change of keys once it has its thresholds, and log it; else say how far it is."""
    if not pending.is_complete(rows):
        return pending.standings(rows)
    before = store.charter() if store.is_initialised() else None
    pending.take(rows)
    _log(action, before, store.charter(), reason)
    bring_up_to_date()
    return []


def check_threshold(threshold: int, keys: int, role: str = "the role") -> None:
    """Refuse a threshold that no set of keys can meet."""
    if not 1 <= threshold <= keys:
        raise StateConflict(
            f"{threshold} of {keys} keys for {role} cannot be: allowed are thresholds from 1 to the number "
            "of keys. Add a key or choose another threshold."
        )


def check_different(keys: Sequence[Key]) -> None:
    """Refuse a key that was named twice: one holder would count as two."""
    ids = [key.keyid for key in keys]
    twice = sorted({keyid[:8] for keyid in ids if ids.count(keyid) > 1})
    if twice:
        raise ParameterInvalid(f"key: {twice[0]} was given twice; allowed is each key once.")


def _locked_charter() -> Charter:
    store.lock()
    charter = store.charter()
    if pending.waiting(None).exists():
        raise StateConflict(
            "Another change of keys waits for signatures. Finish it with `manage.py keys sign`, or forget it "
            "with `manage.py keys cancel`."
        )
    return charter


def _new_online() -> list[tuple[Key, Holder]]:
    if settings.TUF_ONLINE_KEY:
        raise ParameterInvalid(
            "The online key lives where TUF_ONLINE_KEY says. Make a new one there, put its URI first in "
            "TUF_ONLINE_KEY, and give its public half with --add."
        )
    made = make_online_key()
    return [(made.key, Holder(THIS_SERVER))]


def _changed(
    role: str, trust: Trust, add: Sequence[Key], gone: Collection[str], threshold: int | None
) -> Trust:
    here = {key.keyid for key in trust.keys}
    twice = [key.keyid[:8] for key in add if key.keyid in here]
    if twice:
        raise ParameterInvalid(f"Key {twice[0]} signs {role} already. Add another one.")
    check_different(add)
    keys = (*(key for key in trust.keys if key.keyid not in gone), *add)
    wanted = trust.threshold if threshold is None else threshold
    check_threshold(wanted, len(keys), role)
    return Trust(keys, wanted)


def _full_id(charter: Charter, start: str, roles: Collection[str]) -> str:
    known = {key.keyid for role in roles for key in charter.roles[role].keys}
    found = [keyid for keyid in known if keyid.startswith(start)]
    if len(found) != 1 or not start:
        names = ", ".join(sorted(keyid[:8] for keyid in known))
        raise ParameterInvalid(f"key: {start!r} was given; allowed are the first digits of one of {names}.")
    return found[0]


def _change(
    charter: Charter,
    roles: Mapping[str, Trust],
    add: Sequence[tuple[Key, Holder]],
    gone: AbstractSet[str],
    signers: Sequence[Signer],
    action: str,
    reason: str,
) -> Step:
    holders = {**charter.holders, **{key.keyid: holder for key, holder in add}}
    wanted = replace(charter, roles={**charter.roles, **roles}, holders=holders)
    for role in OFFLINE:
        if _must_be_signed_again(role, wanted, gone):
            _propose(role, wanted)
    standings = sign_waiting(signers, action=action, reason=reason)
    if standings:  # whoever completes it does not say why
        _log(f"propose_{action}", charter, wanted, reason)
    return standings


def _log(action: str, before: Charter | None, after: Charter, reason: str) -> None:
    audit.record(
        action=action,
        row=None,
        by=None,
        before=before.to_dict() if before else {},
        after=after.to_dict(),
        reason=reason,
        actor_name=COMMAND,
    )


def _must_be_signed_again(role: str, wanted: Charter, gone: AbstractSet[str]) -> bool:
    """Whether a role says something else now, bears a removed key's signature, or lacks a threshold."""
    metadata = store.root() if role == ROOT else store.targets(role)
    version, expires = metadata.signed.version, metadata.signed.expires
    root = root_document(wanted, version=version, expires=expires)
    targets = targets_document(wanted, version=version, expires=expires)
    says = {ROOT: root, TARGETS: targets}.get(role)
    if (says is not None and not same(metadata.signed, says)) or gone & set(metadata.signatures):
        return True
    delegator: Root | Targets = targets if role in PLATFORM_ROLES else root
    try:
        delegator.verify_delegate(role, metadata.signed_bytes, metadata.signatures)
    except UnsignedMetadataError:
        return True
    return False


def _propose(role: str, charter: Charter) -> None:
    """Put up the next version of an offline role; a release that waits for the role has to be signed anew."""
    row = store.newest(role)
    version, expires = (row.version if row else 0) + 1, expiry(role)
    document: Root | Targets
    if role == ROOT:
        document = root_document(charter, version=version, expires=expires)
    elif role == TARGETS:
        document = targets_document(charter, version=version, expires=expires)
    else:
        document = files_document(platform_files(role), version=version, expires=expires)
    pending.propose(role, document)
