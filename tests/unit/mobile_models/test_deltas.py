import signal
import subprocess
from pathlib import Path

import bsdiff4
import pytest

from mobile_models import deltas, patches, selectors, storage, tasks
from mobile_models.errors import PatchRefused
from mobile_models.models import Bundle, Delta, Release, Revocation, Rollout
from tests.blobs import bytes_of, roll_out, store_bundle

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def make_here(monkeypatch):
    """Patches without a process each; their own tests start it."""

    def run(arguments):
        kind, (old, new, patch) = arguments[0], map(Path, arguments[1:4])
        patch.write_bytes(patches.KINDS[kind][0](old.read_bytes(), new.read_bytes()))

    monkeypatch.setattr(deltas, "_run", run)


@pytest.fixture
def asked(monkeypatch, django_capture_on_commit_callbacks):
    """Which bundles a block asks patches for."""
    sent = []
    monkeypatch.setattr(tasks.make_deltas, "delay", sent.append)

    def during(action):
        sent.clear()
        with django_capture_on_commit_callbacks(execute=True):
            action()
        return list(sent)

    return during


@pytest.fixture
def old(db):
    bundle = store_bundle(offset=1.0)
    roll_out(bundle)
    return bundle


@pytest.fixture
def new(db):
    return store_bundle(offset=2.0)


def test_both_kinds_make_the_new_archive_out_of_the_old_one(old, new):
    deltas.make_deltas(new)
    rows = {row.kind: row for row in new.deltas_to.all()}
    assert set(rows) == {"bsdiff4", "dcz"}
    before, after = bytes_of(old.sha256), bytes_of(new.sha256)
    assert bsdiff4.patch(before, bytes_of(rows["bsdiff4"].sha256)) == after
    assert patches.apply_dcz(before, bytes_of(rows["dcz"].sha256)) == after
    smallest = min(form["size"] for form in new.encodings.values())
    for row in rows.values():
        assert row.base == old
        assert row.offered
        assert row.size == len(bytes_of(row.sha256)) < smallest


def test_making_again_makes_nothing(old, new, monkeypatch):
    deltas.make_deltas(new)
    before = list(Delta.objects.values())
    monkeypatch.setattr(deltas, "_run", None)
    deltas.make_deltas(new)
    assert list(Delta.objects.values()) == before


def test_what_was_made_before_a_crash_is_not_made_again(old, new, monkeypatch):
    run, kinds = deltas._run, []

    def killed(arguments):
        kinds.append(arguments[0])
        if len(kinds) == 2:
            raise KeyboardInterrupt
        run(arguments)

    monkeypatch.setattr(deltas, "_run", killed)
    with pytest.raises(KeyboardInterrupt):
        deltas.make_deltas(new)
    deltas.make_deltas(new)
    assert sorted(kinds) == ["bsdiff4", "dcz", "dcz"]
    assert new.deltas_to.count() == 2


def test_two_workers_at_once_leave_one_row_of_a_kind(old, new, monkeypatch):
    run = deltas._run

    def other_is_faster(arguments):
        run(arguments)
        Delta.objects.get_or_create(
            base=old, target=new, kind=arguments[0], defaults={"size": 1, "sha256": "0" * 64}
        )

    monkeypatch.setattr(deltas, "_run", other_is_faster)
    deltas.make_deltas(new)
    assert list(new.deltas_to.values_list("size", flat=True)) == [1, 1]


def test_a_patch_that_saves_nothing_is_not_offered_and_not_kept(old, new, monkeypatch):
    monkeypatch.setattr(deltas, "_patch", lambda *_: bytes(new.size))
    deltas.make_deltas(new)
    assert list(new.deltas_to.values_list("offered", "sha256", "size")) == [(False, "", new.size)] * 2


def test_the_smallest_form_is_what_a_patch_must_beat(old, new, monkeypatch):
    smallest = min(form["size"] for form in new.encodings.values())
    sizes = iter([smallest, smallest - 1])
    monkeypatch.setattr(deltas, "_patch", lambda *_: bytes(next(sizes)))
    deltas.make_deltas(new)
    assert sorted(new.deltas_to.values_list("size", "offered")) == [(smallest - 1, True), (smallest, False)]


def another(bundle, number, **fields):
    """A row like a bundle's, without bytes."""
    fields = {"sha256": f"{number:064x}", "variant": bundle.variant, **fields}
    kept = {name: getattr(bundle, name) for name in ("name", "size", "wire_size", "manifest", "state")}
    return Bundle.objects.create(**kept, **fields)


def test_only_the_last_five_that_were_rolled_out_are_bases(new):
    made = [another(new, number) for number in range(7)]
    for bundle in made:
        roll_out(bundle)
    another(new, 30)  # registered, never rolled out
    roll_out(another(new, 31), state=Rollout.State.SCHEDULED)
    roll_out(another(new, 32, variant="tflite_fp16"))
    assert list(selectors.bases_of(new)) == made[:1:-1]


def test_what_came_after_a_bundle_is_no_base_until_it_is_rolled_out_again(old, new):
    roll_out(new, state=Rollout.State.ACTIVE)
    roll_out(another(new, 1), channel="beta")
    assert list(selectors.bases_of(new)) == [old]
    later = another(new, 2)
    roll_out(later, channel="beta")
    roll_out(new, state=Rollout.State.ACTIVE)
    assert selectors.bases_of(new)[0] == later


def test_a_base_in_several_releases_and_channels_counts_once(old, new):
    roll_out(old)
    roll_out(old, channel="beta")
    assert list(selectors.bases_of(new)) == [old]


def test_withdrawn_releases_are_still_on_phones_but_revoked_and_refused_bundles_are_no_bases(old, new):
    Release.objects.update(state=Release.State.WITHDRAWN)
    assert list(selectors.bases_of(new)) == [old]
    Revocation.objects.create(bundle=old, reason="It lies.")
    refused = another(new, 3)
    roll_out(refused)
    Bundle.objects.filter(pk=refused.pk).update(state=Bundle.State.REFUSED)
    assert list(selectors.bases_of(new)) == []


def test_rolling_back_has_a_patch_from_what_phones_have_now(old, new):
    roll_out(new)
    roll_out(old, state=Rollout.State.ACTIVE)
    deltas.make_deltas(old)
    assert {row.base for row in old.deltas_to.all()} == {new}


def test_too_large_for_the_memory_is_said_in_the_row_and_not_tried_again(old, new, settings):
    settings.DELTA_MEMORY_MB = 60
    deltas.make_deltas(new)
    for row in new.deltas_to.all():
        assert (row.offered, row.size, row.sha256) == (False, 0, "")
        assert "DELTA_MEMORY_MB allows 60" in row.refused_because
    roll_out(new, state=Rollout.State.ACTIVE)
    assert deltas.sweep_deltas() == 0


def test_a_base_whose_bytes_rotted_is_left_for_the_next_sweep(old, new, caplog):
    other = store_bundle(offset=5.0)
    roll_out(other)
    roll_out(new, state=Rollout.State.ACTIVE)
    storage.blob_path(old.sha256).write_bytes(b"rotten")
    deltas.make_deltas(new)
    assert {row.base for row in new.deltas_to.all()} == {other}
    assert "gone or changed" in caplog.text


def test_a_rollout_asks_for_the_patches_of_every_bundle_that_phones_get(new, asked):
    server = store_bundle(variant="server_fp32")
    release = roll_out(new, server, state=Rollout.State.ACTIVE)
    assert asked(lambda: deltas.request_deltas(release)) == [new.pk]


@pytest.mark.parametrize("state", ["scheduled", "active", "paused"])
def test_the_sweep_asks_until_they_are_there(old, new, asked, state):
    roll_out(new, state=state)
    assert asked(tasks.sweep_deltas) == [new.pk]
    tasks.make_deltas(new.pk)
    assert asked(tasks.sweep_deltas) == []


def test_the_sweep_lets_old_and_revoked_bundles_be(old, new, asked):
    roll_out(new, state=Rollout.State.HALTED)
    assert asked(tasks.sweep_deltas) == []
    roll_out(new, state=Rollout.State.ACTIVE)
    Revocation.objects.create(bundle=new, reason="It lies.")
    assert asked(tasks.sweep_deltas) == []


def test_a_bundle_that_is_gone_is_no_error_of_a_late_task(db):
    tasks.make_deltas(12345)


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_that_is_stopped_leaves_the_patch_for_the_next_sweep(old, new, monkeypatch, sent):
    stopped = subprocess.CompletedProcess([], -sent, "", "")
    monkeypatch.undo()
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: stopped)
    deltas.make_deltas(new)
    assert not new.deltas_to.exists()


def test_a_process_that_was_killed_for_its_memory_is_not_started_again(old, new, monkeypatch):
    monkeypatch.undo()
    monkeypatch.setattr(
        subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], -signal.SIGKILL, "", "")
    )
    deltas.make_deltas(new)
    assert {row.refused_because.split(":")[0] for row in new.deltas_to.all()} == {"Its process ended with -9"}


class TestTheProcess:
    @pytest.fixture(autouse=True)
    def make_here(self):
        """The real one."""

    def test_it_makes_patches(self, old, new):
        deltas.make_deltas(new)
        assert new.deltas_to.filter(offered=True).count() == 2

    def test_it_is_killed_at_its_deadline(self, old, new, settings):
        settings.DELTA_SECONDS = 0.01
        with pytest.raises(PatchRefused, match=r"not done after 0\.01 s"):
            deltas._run(["bsdiff4", "x", "y", "z", "1", "1"])

    def test_why_it_failed_is_said(self, settings):
        with pytest.raises(PatchRefused, match=r"ended with 1: .*No such file"):
            deltas._run(["bsdiff4", "missing", "missing", "patch", str(2**30), "60"])
