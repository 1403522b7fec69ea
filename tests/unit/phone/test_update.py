"""The phone installs what the signed catalog offers to it, and keeps what it has otherwise."""

import hashlib

import pytest

from mobile_models.rollout import bucket
from phone.choice import Device
from phone.errors import BundleRefused, NothingInstalled, RootMissing
from phone.policy import Situation
from phone.state import Record, State
from tests.factories import build_bundle
from tests.phone_server import compress, entry_of


def test_first_bundle_is_installed(server, phone, bundles):
    sha256 = server.offer(bundles[0])
    report = phone.update()
    assert (report.outcome, report.reason) == ("installed", None)
    assert report.decision.bundle["sha256"] == sha256
    assert report.transfer.encoding == "zstd"
    assert report.transfer.bytes_received == len(compress(bundles[0].read_bytes()))
    # Content-Digest, Repr-Digest, zstd form, archive; three members and the contract's own.
    assert report.digests_verified == 8
    assert report.golden == {"cases": 16, "failed": 0}
    assert max(report.golden_max_abs_difference.values()) < 0.1
    steps = ["check", "download", "verify", "golden", "activate"]
    assert list(report.seconds) == steps
    assert report.operations == [(step, "ok") for step in steps]
    assert phone.reopened().state.usable().sha256 == sha256
    assert list(phone.state.partial.iterdir()) == []
    assert phone.trust.versions() == dict.fromkeys(
        ("root", "linux", "rollout", "snapshot", "targets", "timestamp"), 1
    )


def test_the_same_offer_is_not_downloaded_twice(server, phone, installed):
    report = phone.reopened().update()
    assert report.outcome == "current"
    assert len(server.blob_requests()) == 1
    assert phone.trusted() == installed


def test_a_new_release_replaces_and_keeps_the_one_before(server, phone, bundles):
    first = server.offer(bundles[0])
    phone.update()
    second = server.offer(bundles[1], counter=2)
    assert phone.update().outcome == "installed"
    assert phone.state.record == Record(second, first, "2026.1.1-2", 2, "2026.1.1-1", 1, (), "stable")
    assert len(list(phone.state.bundles.iterdir())) == 2


def test_a_damaged_current_bundle_falls_back_and_is_fetched_again(server, phone, bundles):
    first = server.offer(bundles[0])
    phone.update()
    second = server.offer(bundles[1], counter=2)
    phone.update()
    (phone.state.bundles / f"{second}.zip").write_bytes(b"damaged")
    again = phone.reopened()
    assert again.state.usable()[0] == first
    assert again.state.usable().release == "2026.1.1-1"
    assert again.update().outcome == "installed"
    assert again.state.usable()[0] == second
    assert again.state.record.last_good == first


def test_rolling_back_is_a_new_counter_that_names_what_is_here_already(server, phone, bundles):
    first = server.offer(bundles[0])
    phone.update()
    second = server.offer(bundles[1], counter=2)
    phone.update()
    server.offer(bundles[0], release="2026.1.1-1", counter=3)
    asked = len(server.blob_requests())
    assert phone.update().outcome == "installed"
    assert len(server.blob_requests()) == asked
    assert phone.state.record == Record(first, second, "2026.1.1-1", 3, "2026.1.1-2", 2, (), "stable")


def test_a_halted_release_stays_with_who_has_it(server, phone, bundles):
    server.offer(bundles[0])
    second = server.offer(bundles[1], counter=2)
    phone.update()
    server.catalog["releases"].pop(0)
    server.publish()
    report = phone.update()
    assert (report.outcome, report.decision.action) == ("kept", "keep")
    assert phone.state.usable().sha256 == second


def test_a_revoked_bundle_gives_way_to_the_last_good_one_then_to_the_one_inside_the_app(
    server, phone, bundles, tmp_path
):
    inside = build_bundle(tmp_path / "inside.zip", offset=0.7)
    first = server.offer(bundles[0])
    phone.update()
    second = server.offer(bundles[1], counter=2)
    phone.update()
    state = State(phone.folder, embedded=inside)
    for revoked, left in (([second], first), ([first, second], entry_of(inside, "", 0)["sha256"])):
        server.catalog["revoked"] = revoked
        server.publish()
        report = phone.update()
        assert report.decision.action == "nothing"
        state = State(phone.folder, embedded=inside)
        assert state.usable().sha256 == left
    assert state.usable().release is None
    server.catalog["revoked"] = [first, second, left]
    server.publish()
    phone.update()
    with pytest.raises(NothingInstalled):
        State(phone.folder, embedded=inside).usable()


def test_a_revoked_bundle_is_not_run_although_its_replacement_does_not_arrive(server, phone, bundles):
    first = server.offer(bundles[0])
    phone.update()
    second = server.offer(bundles[1], counter=2)
    phone.update()
    server.catalog["revoked"] = [second]
    server.offer(build_other(bundles), counter=3)
    server.blobs.clear()
    assert phone.update().outcome == "kept"
    assert phone.state.usable().sha256 == first


def build_other(bundles):
    return build_bundle(bundles[0].with_name("other.zip"), offset=0.3)


def test_a_phone_that_is_moved_to_another_channel_starts_there_anew(server, phone, bundles):
    server.offer(bundles[0], counter=7)
    phone.update()
    server.catalog.update(channel="beta", releases=[])
    beta = server.offer(bundles[1], counter=2)
    assert phone.update(channel="beta").outcome == "installed"
    record = phone.state.record
    assert (record.current, record.release_counter, record.channel) == (beta, 2, "beta")


def test_a_lower_counter_is_never_written_down(server, phone, bundles, installed):
    with pytest.raises(BundleRefused, match="has counter 0; this phone has seen 1"):
        phone.state.activate(bundles[1].read_bytes(), "0" * 64, "older", 0, "stable")
    assert phone.trusted() == installed


def test_nothing_installed_says_so(phone):
    with pytest.raises(NothingInstalled, match="Connect to a server"):
        phone.state.usable()


def test_the_root_is_kept_and_an_app_update_brings_another(tmp_path):
    state = State(tmp_path / "phone")
    with pytest.raises(RootMissing, match="Give --root FILE"):
        state.root()
    for content in (b"first", b"second"):
        (tmp_path / "root.json").write_bytes(content)
        assert state.root(tmp_path / "root.json") == content
        assert State(tmp_path / "phone").root() == content


def test_a_broken_download_goes_on_where_it_stopped(server, phone, bundles):
    server.offer(bundles[0])
    report = phone.update(break_after_bytes=5000)
    assert report.outcome == "installed"
    assert report.transfer.resumed_at == [5000]
    assert report.transfer.bytes_received == len(compress(bundles[0].read_bytes()))
    assert ("download", "resumed") in report.operations
    first, second = server.blob_requests()
    assert "Range" not in first
    assert second["Range"] == "bytes=5000-"
    form = hashlib.sha256(compress(bundles[0].read_bytes())).hexdigest()
    assert second["If-Range"] == f'"{form}"'


def test_a_download_goes_on_after_the_process_died(server, phone, bundles):
    server.offer(bundles[0])
    server.cut_after = 1000
    report = phone.update()
    assert report.outcome == "kept"
    assert "ConnectionLost" in report.reason
    assert ("download", "failed") in report.operations
    arrived = next(phone.state.partial.glob("*.part")).stat().st_size
    assert arrived == report.transfer.bytes_received == 5000
    server.cut_after = None
    report = phone.reopened().update()
    assert report.outcome == "installed"
    assert report.transfer.resumed_at == [arrived]


def test_a_changed_representation_begins_again(server, phone, bundles):
    server.offer(bundles[0])
    server.cut_after = 1000
    phone.update()
    server.cut_after, server.etag_suffix = None, "-other"
    report = phone.reopened().update()
    assert report.outcome == "installed"
    assert report.transfer.resumed_at == []


def test_a_server_without_ranges_begins_again(server, phone, bundles):
    server.offer(bundles[0])
    server.honour_range = False
    report = phone.update(break_after_bytes=4000)
    assert report.outcome == "installed"
    assert report.transfer.bytes_received == 4000 + len(compress(bundles[0].read_bytes()))


def test_a_weak_validator_is_not_resumed(server, phone, bundles):
    server.offer(bundles[0])
    server.extra_headers = {"ETag": 'W/"weak"'}
    assert phone.update(break_after_bytes=4000).outcome == "installed"
    assert all("Range" not in headers for headers in server.blob_requests())


def test_the_plain_form_is_taken_where_there_is_no_other(server, phone, bundles):
    server.offer(bundles[0], encodings={})
    report = phone.update(break_after_bytes=4000)
    assert (report.outcome, report.transfer.encoding) == ("installed", "identity")
    assert report.transfer.resumed_at == [4000]


def test_part_left_by_another_release_is_not_spliced(server, phone, bundles):
    server.offer(bundles[0])
    server.cut_after = 1000
    phone.update()
    server.cut_after = None
    server.offer(bundles[1], counter=2)
    report = phone.reopened().update()
    assert (report.outcome, report.transfer.resumed_at) == ("installed", [])


def test_storage_that_the_server_points_at_is_asked_with_the_same_range(server, address, phone, bundles):
    sha256 = server.offer(bundles[0], url="/v1/elsewhere")
    server.moved = {"/v1/elsewhere": f"{address}/v1/blobs/{sha256}"}
    report = phone.update(break_after_bytes=4000)
    assert (report.outcome, report.transfer.resumed_at) == ("installed", [4000])


def test_a_device_outside_the_share_takes_what_everyone_has(server, phone, bundles):
    first = server.offer(bundles[0])
    server.offer(bundles[1], counter=2)
    mine = phone.state.bucket("salt")
    server.newest["rollout"]["basis_points"] = max(mine, 1)
    server.publish()
    report = phone.update()
    assert report.decision.bundle["sha256"] == first
    assert (report.decision.arm, report.decision.rollout_counter) == ("control", 2)
    server.newest["rollout"]["basis_points"] = mine + 1
    server.publish()
    report = phone.update()
    assert report.outcome == "installed"
    assert (report.decision.arm, phone.state.record.release_counter) == ("exposed", 2)


def test_a_share_that_widens_keeps_who_is_in_it(tmp_path):
    for number in range(20):
        state = State(tmp_path / str(number))
        inside = [state.bucket("salt") < points for points in range(0, 10_001, 500)]
        assert inside == sorted(inside)
        assert not inside[0]
        assert inside[-1]
        assert State(state.folder).bucket("salt") == state.bucket("salt")


def test_place_in_a_rollout_agrees_with_the_server(tmp_path):
    state = State(tmp_path)
    places = {salt: state.bucket(salt) for salt in ("salt", "pepper", "ä")}
    secret = (tmp_path / "secret").read_bytes()
    assert places == {salt: bucket(secret, salt) for salt in places}


def test_the_variant_fits_the_device(server, phone, bundles, tmp_path):
    small = build_bundle(tmp_path / "small.zip", variant="tflite_w8a8", offset=0.2)
    server.offer(small)
    entry = server.entry
    server.offer(bundles[0], encodings={})
    server.newest["bundles"].append(entry)
    server.publish()
    report = phone.update(device=Device("linux", perf_class="low"))
    assert report.decision.bundle["variant"] == "tflite_w8a8"
    assert phone.update(device=Device("linux", ram_mb=8192)).decision.bundle["variant"] == "tflite_fp16"


@pytest.mark.parametrize(
    ("situation", "reason"),
    [
        (Situation(network="metered"), "metered"),
        (Situation(charging=False), "charger"),
        (Situation(free_storage_mb=40), "40 MiB of storage are free"),
    ],
)
def test_the_policy_keeps_a_download_back_and_the_working_model_in_use(
    server, phone, bundles, installed, situation, reason
):
    server.catalog["policy"]["charging"] = True
    second = server.offer(bundles[1], counter=2)
    report = phone.update(situation=situation)
    assert (report.outcome, report.verdict.allowed) == ("kept", False)
    assert reason in report.reason
    assert report.operations[-1] == ("download", "deferred")
    assert phone.state.usable().release == "2026.1.1-1"
    assert len(server.blob_requests()) == 1
    assert phone.update().outcome == "installed"
    assert phone.state.usable().sha256 == second


def test_an_offer_that_waited_long_enough_goes_over_any_network(server, phone, bundles, installed):
    server.offer(bundles[1], counter=2)
    metered = Situation(network="metered")
    assert "waits 3600 s more" in phone.update(situation=metered).reason
    server.catalog["policy"]["any_after_seconds"] = 0
    server.publish()
    assert phone.update(situation=metered).outcome == "installed"


def test_a_server_out_of_order_leaves_the_bundle(server, phone, installed):
    server.status = 503
    report = phone.update()
    assert "503" in report.reason
    assert phone.trusted() == installed


def test_no_server_leaves_the_bundle(phone, installed):
    phone.server.url = "http://127.0.0.1:9/"
    report = phone.update()
    assert "ConnectionLost" in report.reason
    assert report.operations == [("check", "failed")]
    assert phone.trusted() == installed


def test_full_disk_keeps_the_old_bundle(server, phone, bundles, installed, monkeypatch):
    server.offer(bundles[1], counter=2)

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    report = phone.update()
    monkeypatch.undo()
    assert "No space left" in report.reason
    assert phone.trusted() == installed


def test_damaged_state_file_begins_again(server, phone, installed):
    (phone.folder / "state.json").write_text("{half")
    again = phone.reopened()
    assert again.state.record == Record()
    assert again.update().outcome == "installed"
