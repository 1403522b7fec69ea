"""The audit log: it tells every step, only grows, and shows every change to itself."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction
from django.utils.timezone import now

from mobile_models import audit, services
from mobile_models.errors import LogIsFixed
from mobile_models.models import AuditEntry, Metadata
from tests.factories import make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def log(drafted):
    """A release's way to everyone: six entries."""
    release = services.approve_release(release=services.submit_release(release=drafted()))
    rollout = services.start_rollout(release=release, channel="stable", basis_points=500)
    services.halt_rollout(rollout=rollout, reason="crashes")
    return AuditEntry.objects.order_by("sequence")


def tamper(statement, *values):
    """What somebody with the database in their hands can do."""
    with connection.cursor() as cursor:
        cursor.execute(
            "DROP TRIGGER IF EXISTS audit_log_is_fixed" + ("" if sqlite() else " ON mobile_models_auditentry")
        )
        cursor.execute(statement, values)


def sqlite():
    return connection.vendor == "sqlite"


def signed_head(version=1, **head):
    signed = {"x-skyfold-audit": {"sequence": audit.head()[0], "hash": audit.head()[1], **head}}
    content = json.dumps({"signed": signed, "signatures": []}).encode()
    Metadata.objects.create(role="rollout", version=version, content=content, expires=now())


def test_every_step_is_told_in_order_with_who_what_and_why(log):
    told = [(entry.sequence, entry.actor_name, entry.action, entry.reason) for entry in log]
    assert told == [
        (1, "system", "create_release", ""),
        (2, "system", "submit_release", ""),
        (3, "system", "approve_release", ""),
        (4, "system", "go_live", ""),
        (5, "system", "start_rollout", ""),
        (6, "system", "supersede_release", ""),
        (7, "system", "halt_rollout", "crashes"),
    ]
    halt = log.last()
    assert (halt.object_type, halt.before["state"], halt.after["state"]) == ("rollout", "active", "halted")
    assert audit.verify() == []


def test_a_person_is_named_as_they_were_then(drafted):
    ann = make_user("ann", "releaser")
    drafted(by=ann)
    type(ann).objects.filter(pk=ann.pk).update(username="renamed")
    assert AuditEntry.objects.get().actor_name == "ann"
    assert audit.verify() == []


def test_a_step_that_is_undone_is_not_told(drafted):
    release = drafted()
    with transaction.atomic():
        services.submit_release(release=release)
        transaction.set_rollback(True)
    assert audit.head()[0] == 1
    services.submit_release(release=release)
    assert audit.verify() == []


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("reason", "nothing happened"),
        ("actor_name", "bob"),
        ("action", "widen_rollout"),
        ("object_name", "other"),
        ("before", '{"state": "paused"}'),
        ("after", "{}"),
        ("at", "2026-01-01 00:00:00+00:00"),
        ("previous_hash", "f" * 64),
        ("object_id", "99"),
    ],
)
def test_an_edited_entry_is_named(log, column, value):
    tamper(f"UPDATE mobile_models_auditentry SET {column} = %s WHERE sequence = 3", value)
    assert audit.verify()[-1] == "Entry 3 was edited: it does not have its hash."


def test_an_entry_that_is_no_longer_of_its_kind_is_named_too(log):
    if not sqlite():
        pytest.skip("PostgreSQL keeps a column's type")
    tamper("UPDATE mobile_models_auditentry SET at = 'never' WHERE sequence = 3")
    assert audit.verify() == ["Entry 3 was edited: it does not have its hash."]


def test_missing_entries_are_named(log):
    tamper("DELETE FROM mobile_models_auditentry WHERE sequence IN (1, 4, 5)")
    assert audit.verify() == ["Entry 1 is missing.", "Entry 4 to 5 is missing."]


def test_reordered_entries_are_named(log):
    for old, new in ((4, 99), (5, 4), (99, 5)):
        tamper("UPDATE mobile_models_auditentry SET sequence = %s WHERE sequence = %s", new, old)
    problems = audit.verify()
    assert "Entry 4 was edited: it does not have its hash." in problems
    assert "Entry 5 was edited: it does not have its hash." in problems


def test_an_edited_entry_with_a_new_hash_breaks_the_chain_behind_it(log):
    entry = log[2]
    entry.reason = "nothing happened"
    tamper(
        "UPDATE mobile_models_auditentry SET reason = %s, hash = %s WHERE sequence = 3",
        entry.reason,
        audit.hash_of(entry),
    )
    assert audit.verify() == ["Entry 4 does not follow the entry before it: one of them was replaced."]


def test_a_cut_tail_shows_by_the_head_that_was_signed(log):
    signed_head()
    assert audit.verify() == []
    tamper("DELETE FROM mobile_models_auditentry WHERE sequence > 5")
    (problem,) = audit.verify()
    assert problem.startswith("Entry 7 is gone or another: 1.rollout.json was signed over one with the hash")


def test_a_log_written_anew_from_an_entry_on_shows_by_the_heads_that_were_signed(log):
    signed_head()
    tamper("DELETE FROM mobile_models_auditentry WHERE sequence = 7")
    audit.record(action="halt_rollout", row=None, by=None, before={}, after={}, reason="by itself")
    assert "Entry 7 is gone or another" in audit.verify()[0]


def test_rows_refuse_to_be_changed(log):
    entry = log.first()
    for change in (
        entry.save,
        entry.delete,
        AuditEntry.objects.all().delete,
        lambda: AuditEntry.objects.update(reason="x"),
        lambda: AuditEntry.objects.bulk_update([entry], ["reason"]),
    ):
        with pytest.raises(LogIsFixed, match="only grows"), transaction.atomic():
            change()
    with (
        pytest.raises(DatabaseError, match="only grows"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute("UPDATE mobile_models_auditentry SET reason = 'x'")
    assert audit.verify() == []


def test_verify_says_that_all_is_well_or_names_what_is_not_and_fails(log):
    said = StringIO()
    call_command("audit", "verify", stdout=said)
    assert "7 entries, none edited, missing or reordered. Head " in said.getvalue()
    tamper("UPDATE mobile_models_auditentry SET reason = 'x' WHERE sequence = 3")
    wrong = StringIO()
    with pytest.raises(CommandError, match=r"1 problem\(s\)") as failed:
        call_command("audit", "verify", stderr=wrong)
    assert failed.value.returncode == 1
    assert "Entry 3 was edited" in wrong.getvalue()


def test_show_prints_what_changed_and_why(log):
    said = StringIO()
    call_command("audit", "show", "--last", "2", stdout=said)
    lines = said.getvalue().splitlines()
    assert len(lines) == 2
    assert "system: halt_rollout" in lines[1]
    assert "state active → halted" in lines[1]
    assert lines[1].endswith("(crashes)")
    none = StringIO()
    call_command("audit", "show", "--object", "of beta", stdout=none)
    assert none.getvalue() == ""


def test_an_export_holds_every_entry_with_what_its_hash_is_over(log):
    said = StringIO()
    call_command("audit", "export", stdout=said)
    lines = [json.loads(line) for line in said.getvalue().splitlines()]
    assert [line["sequence"] for line in lines] == list(range(1, 8))
    assert [line["previous_hash"] for line in lines[1:]] == [line["hash"] for line in lines[:-1]]
