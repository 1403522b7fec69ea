"""Kills processes at every step of publishing and signing; prints what each leaves as JSON.

A step is a statement that changes the database, or the moment before or after a commit: reading changes
nothing. A child is killed at its first step, the next at its second, and so on until one lives to its end.
On PostgreSQL steps that follow each other and do the same to the same table count as one: there a step costs
twice as much, and SQLite has them all. `test_signing_killed.py` runs it with an
environment of its own.
"""

import hashlib
import json
import os
import re
import signal
import sys
from datetime import timedelta
from pathlib import Path
from unittest.mock import patch

import django

django.setup()

from django.conf import settings  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connection, connections  # noqa: E402
from django.utils.timezone import now  # noqa: E402

from mobile_models.models import Channel, Metadata, PendingMetadata, Release, Rollout  # noqa: E402
from mobile_models.signing import services, store  # noqa: E402
from mobile_models.signing.roles import ONLINE  # noqa: E402
from tests.repositories import InProcess, bundle_row, release_row, updater  # noqa: E402

CATALOG = "catalog/linux/stable.json"


# Savepoints change nothing that outlives the transaction.
CHANGES = re.compile(r'BEGIN|(?:INSERT INTO|UPDATE|DELETE FROM) "\w+"')


class Step:
    """Counts what goes to the database, and dies before the step that was chosen."""

    def __init__(self, last: int) -> None:
        self.left = last
        self.before = ""

    def __call__(self, execute, sql, params, many, context):
        change = CHANGES.match(sql)
        if change and (change[0] != self.before or connection.vendor == "sqlite"):
            self.count()
            self.before = change[0]
        return execute(sql, params, many, context)

    def commit(self, original):
        def commit():
            self.count()
            original()
            self.count()

        return commit

    def count(self):
        self.left -= 1
        if not self.left:
            os.kill(os.getpid(), signal.SIGKILL)


def killed_at(step, work):
    """Run `work` in a child that dies before its step; says whether it did."""
    connections.close_all()
    child = os.fork()
    if child == 0:
        counter = Step(step)
        connection.ensure_connection()
        with (
            connection.execute_wrapper(counter),
            patch.object(connection, "_commit", counter.commit(connection._commit)),
        ):
            work()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return True
    if os.WEXITSTATUS(status):
        raise SystemExit(f"the child failed at step {step}")
    return False


def in_force():
    """What every role says."""
    rows = {row.role: row for row in Metadata.objects.order_by("version")}
    return {role: (row.version, hashlib.sha256(bytes(row.content)).hexdigest()) for role, row in rows.items()}


def offer():
    release = release_row("2026.1.1-1", bundle_row(1))
    services.require_signed(release)
    Rollout.objects.create(
        channel=Channel.objects.get(name="stable"),
        release=release,
        basis_points=10_000,
        salt="s",
        release_counter=1,
    )


def age():
    Metadata.objects.filter(role__in=["snapshot", "timestamp"]).update(expires=now() + timedelta(hours=1))


def sign():
    services.sign_release(
        release=Release.objects.get(version="2026.1.2-1"), signers=services.development_signers()
    )


OPERATIONS = {
    "init": (lambda: None, services.init_development),
    "publish": (offer, services.publish),
    "refresh": (age, services.refresh),
    "sign_release": (lambda: release_row("2026.1.2-1", bundle_row(2)), sign),
    "rotate": (
        lambda: None,
        lambda: services.rotate(group="online", signers=services.development_signers()),
    ),
}  # fmt: skip


def check_phone():
    """What is served is what a phone trusts, from the first root on."""
    client = updater(Path(settings.VAR_DIR) / "phone", services.trusted_root(), fetcher=InProcess())
    client.refresh()
    for path in (CATALOG, f"bundles/linux/{1:064x}.zip"):
        client.get_targetinfo(path)


def tried(operation):
    """What was left of an operation at each of its steps."""
    prepare, work = OPERATIONS[operation]
    prepare()
    before = in_force()
    step, published, torn = 1, 0, []
    while killed_at(step, work):
        if in_force() != before:
            published += 1
            check_phone()
            # Whatever is in force now must be all of a publication: nothing is left to do.
            if services.publish() or not releases_are_told():
                torn.append(step)
        step += 1
    check_phone()
    return {
        "steps": step - 1,
        "published": published,
        "torn": torn,
        "changed": in_force() != before,
        "waiting": PendingMetadata.objects.count(),
        "left_to_do": services.publish(),
    }


def at_once(work, processes=4):
    """Several processes do the same at the same time: how many fail, how often each role is published."""
    before = {role: version for role, (version, _) in in_force().items()}
    connections.close_all()
    children = []
    for _ in range(processes):
        child = os.fork()
        if child == 0:
            work()
            os._exit(0)
        children.append(child)
    failed = [child for child in children if os.waitpid(child, 0)[1]]
    after = in_force()
    return {
        "failed": len(failed),
        "published": {role: after[role][0] - before[role] for role in ("root", *ONLINE)},
    }


def offer_again():
    """A change of the offer that nobody published."""
    Rollout.objects.update(basis_points=5000)
    return at_once(services.publish)


def releases_are_told():
    """Whether a release is marked as signed just when its bundles are."""
    signed = store.targets("linux").signed.targets
    return all(
        bool(release.signed_at) == (f"bundles/linux/{release.bundles.get().sha256}.zip" in signed)
        for release in Release.objects.all()
    )


call_command("migrate", verbosity=0)
left = {operation: tried(operation) for operation in OPERATIONS}
sys.stdout.write(json.dumps({**left, "at once": offer_again()}))
