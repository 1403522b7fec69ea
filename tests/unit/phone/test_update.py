"""The phone takes what was promised and nothing else, and what it had stays usable whatever happens."""

import hashlib
import io
import time
import zipfile

import pytest

from mobile_models.rollout import is_exposed
from packager.bundle import open_bundle, write_bundle
from phone import download
from phone.errors import NothingInstalled
from phone.state import Record, State
from phone.transport import Server
from phone.update import update
from tests.factories import ManifestFactory, short_contract, swap_artifact
from tests.phone_server import compress
from tests.tiny_tflite import build_tflite


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch):
    monkeypatch.setattr(download, "FIRST_PAUSE_SECONDS", 0.0)


@pytest.fixture
def state(tmp_path):
    return State(tmp_path / "phone")


def contents(state):
    return {
        path.relative_to(state.folder): path.read_bytes()
        for path in state.folder.rglob("*")
        if path.is_file()
    }


def trusted(state):
    """What the phone believes: everything but partial downloads and its own secret."""
    return {
        path: content
        for path, content in contents(state).items()
        if path.parts[0] in {"state.json", "bundles"}
    }


def refused(report, state, reason):
    assert report.outcome == "kept"
    assert reason in report.reason
    assert list(state.partial.iterdir()) == []


def test_first_bundle_is_installed(server, address, state, bundles):
    sha256 = server.offer(bundles[0])
    report = update(Server(address), state)
    assert (report.outcome, report.reason, report.sha256) == ("installed", None, sha256)
    assert report.transfer.encoding == "zstd"
    assert report.transfer.bytes_received == len(compress(bundles[0].read_bytes()))
    # Content-Digest, Repr-Digest, zstd form, archive; three members and the contract's own.
    assert report.digests_verified == 8
    assert report.golden_cases == 16
    assert max(report.golden_max_abs_difference.values()) < 0.1
    assert set(report.seconds) == {"check", "download", "verify", "activate"}
    assert State(state.folder).usable()[0] == sha256
    assert list(state.partial.iterdir()) == []


def test_the_same_offer_is_not_downloaded_twice(server, address, state, bundles):
    server.offer(bundles[0])
    update(Server(address), state)
    report = update(Server(address), State(state.folder))
    assert report.outcome == "current"
    assert len(server.blob_requests()) == 1


def test_a_new_release_replaces_and_keeps_the_one_before(server, address, state, bundles):
    first = server.offer(bundles[0])
    update(Server(address), state)
    second = server.offer(bundles[1], counter=2)
    assert update(Server(address), state).outcome == "installed"
    assert state.record == Record(second, first, "2026.1.1-1", 2)
    assert len(list(state.bundles.iterdir())) == 2


def test_a_damaged_current_bundle_falls_back_and_is_fetched_again(server, address, state, bundles):
    first = server.offer(bundles[0])
    update(Server(address), state)
    second = server.offer(bundles[1], counter=2)
    update(Server(address), state)
    (state.bundles / f"{second}.zip").write_bytes(b"damaged")
    assert State(state.folder).usable()[0] == first
    assert update(Server(address), state).outcome == "installed"
    assert state.usable()[0] == second
    assert state.record.last_good == first


def test_nothing_installed_says_so(state):
    with pytest.raises(NothingInstalled, match="Connect to a server"):
        state.usable()


def test_a_broken_download_goes_on_where_it_stopped(server, address, state, bundles):
    sha256 = server.offer(bundles[0])
    report = update(Server(address), state, break_after_bytes=5000)
    assert report.outcome == "installed"
    assert report.transfer.resumed_at == [5000]
    assert report.transfer.bytes_received == len(compress(bundles[0].read_bytes()))
    first, second = server.blob_requests()
    assert "Range" not in first
    assert second["Range"] == "bytes=5000-"
    assert second["If-Range"] == f'"{sha256}-zstd"'


def test_a_download_goes_on_after_the_process_died(server, address, state, bundles):
    server.offer(bundles[0])
    server.cut_after = 1000
    report = update(Server(address), state)
    assert report.outcome == "kept"
    assert "ConnectionLost" in report.reason
    arrived = next(state.partial.glob("*.part")).stat().st_size
    assert arrived == report.transfer.bytes_received == 5000
    server.cut_after = None
    report = update(Server(address), State(state.folder))
    assert report.outcome == "installed"
    assert report.transfer.resumed_at == [arrived]


def test_a_changed_representation_begins_again(server, address, state, bundles):
    server.offer(bundles[0])
    server.cut_after = 1000
    update(Server(address), state)
    server.cut_after, server.etag_suffix = None, "-other"
    report = update(Server(address), State(state.folder))
    assert report.outcome == "installed"
    assert report.transfer.resumed_at == []


def test_a_server_without_ranges_begins_again(server, address, state, bundles):
    server.offer(bundles[0])
    server.honour_range = False
    report = update(Server(address), state, break_after_bytes=4000)
    assert report.outcome == "installed"
    assert report.transfer.bytes_received == 4000 + len(compress(bundles[0].read_bytes()))


def test_a_weak_validator_is_not_resumed(server, address, state, bundles):
    server.offer(bundles[0])
    server.extra_headers = {"ETag": 'W/"weak"'}
    assert update(Server(address), state, break_after_bytes=4000).outcome == "installed"
    assert all("Range" not in headers for headers in server.blob_requests())


def test_the_plain_form_is_taken_where_there_is_no_other(server, address, state, bundles):
    server.offer(bundles[0], encodings={})
    report = update(Server(address), state, break_after_bytes=4000)
    assert (report.outcome, report.transfer.encoding) == ("installed", "identity")
    assert report.transfer.resumed_at == [4000]


def test_part_left_by_another_release_is_not_spliced(server, address, state, bundles):
    server.offer(bundles[0])
    server.cut_after = 1000
    update(Server(address), state)
    server.cut_after = None
    server.offer(bundles[1], counter=2)
    report = update(Server(address), State(state.folder))
    assert (report.outcome, report.transfer.resumed_at) == ("installed", [])


@pytest.fixture
def installed(server, address, state, bundles):
    """A phone with the first generation, offered the second; gives what it trusts."""
    server.offer(bundles[0])
    update(Server(address), state)
    server.offer(bundles[1], counter=2)
    return trusted(state)


def attack_blob(server, data):
    """Send other bytes under the offered address, with headers that fit what is sent."""
    server.blobs[server.offered["bundle"]["sha256"]] = data


def test_other_bytes_than_promised_are_refused(server, address, state, bundles, installed):
    attack_blob(server, bundles[0].read_bytes())
    refused(update(Server(address), state), state, "promised")
    assert trusted(state) == installed


def test_one_flipped_byte_is_refused(server, address, state, bundles, installed):
    data = bytearray(bundles[1].read_bytes())
    data[1000] ^= 1
    attack_blob(server, bytes(data))
    server.offered["bundle"]["encodings"] = {}
    refused(update(Server(address), state), state, "was promised")
    assert trusted(state) == installed


def test_endless_data_is_refused(server, address, state, installed):
    server.encode = False
    attack_blob(server, bytes(10_000_000))
    report = update(Server(address), state)
    refused(report, state, "announces 10000000 bytes")
    assert trusted(state) == installed


def test_endless_data_of_unknown_length_is_refused(server, address, state, installed):
    server.encode = False
    server.announce = False
    attack_blob(server, bytes(10_000_000))
    report = update(Server(address), state)
    refused(report, state, "more than the")
    assert report.transfer.bytes_received < 200_000
    assert trusted(state) == installed


def test_zstd_bomb_is_refused(server, address, state, installed):
    bomb = bytes(5_000_000)
    packed = compress(bomb)
    attack_blob(server, bomb)
    server.offered["bundle"]["encodings"] = {
        "zstd": {"size": len(packed), "sha256": hashlib.sha256(packed).hexdigest()}
    }
    refused(update(Server(address), state), state, "unpacks to")
    assert trusted(state) == installed


def test_an_offer_larger_than_the_phone_is_refused(server, address, state, installed):
    server.offered["bundle"]["size"] = 10**12
    refused(update(Server(address), state), state, "this phone takes at most")
    assert trusted(state) == installed


def test_a_dripping_server_is_given_up_at_the_deadline(server, address, state, installed):
    server.drip = 0.05
    started = time.monotonic()
    report = update(Server(address), state, seconds=0.6)
    assert time.monotonic() - started < 3
    assert report.outcome == "kept"
    assert "DeadlineExceeded" in report.reason
    assert trusted(state) == installed


def test_an_older_offer_is_not_taken_again(server, address, state, bundles, installed):
    update(Server(address), state)
    newer = trusted(state)
    server.offer(bundles[0], counter=1)
    report = update(Server(address), state)
    assert "has counter 1; this phone has seen 2" in report.reason
    assert trusted(state) == newer


def test_a_range_of_another_representation_is_not_spliced(server, address, state, bundles, installed):
    server.cut_after = 1000
    update(Server(address), state)
    server.cut_after = None
    server.extra_headers = {"ETag": '"something-else"'}
    report = update(Server(address), State(state.folder))
    refused(report, state, "were asked for")
    assert trusted(state) == installed


@pytest.mark.parametrize("header", ["Content-Digest", "Repr-Digest"])
def test_wrong_digest_headers_are_refused(server, address, state, installed, header):
    server.extra_headers = {header: f"sha-256=:{'A' * 43}=:"}
    refused(update(Server(address), state), state, header)
    assert trusted(state) == installed


@pytest.mark.parametrize(
    "change",
    [
        {"bundle": None},
        {"release_counter": "many"},
        {"rollout": {}},
    ],
)
def test_unreadable_offers_are_refused(server, address, state, installed, change):
    server.offered.update(change)
    report = update(Server(address), state)
    assert "The offer cannot be read" in report.reason
    assert trusted(state) == installed


@pytest.mark.parametrize("digest", ["../../state", "00", "Z" * 64])
def test_a_digest_that_is_none_is_refused(server, address, state, installed, digest):
    server.offered["bundle"]["sha256"] = digest
    report = update(Server(address), state)
    assert "The offer cannot be read" in report.reason
    assert trusted(state) == installed


def test_the_contract_of_another_model_is_refused(server, address, state, installed):
    server.offered["bundle"]["contract"]["sha256"] = "0" * 64
    refused(update(Server(address), state), state, "was offered")
    assert trusted(state) == installed


@pytest.mark.parametrize(
    "kind", ["other model", "other shapes", "no model", "other format", "escaping", "plain"]
)
def test_bundles_that_only_running_or_reading_finds_are_refused(
    server, address, state, bundles, installed, tmp_path, kind
):
    path = tmp_path / "evil.zip"
    contract = short_contract()
    if kind == "other model":
        swap_artifact(bundles[1], path, build_tflite_like(bundles[1], offset=3.0))
    elif kind == "other shapes":
        swap_artifact(bundles[1], path, build_tflite(contract))
    elif kind == "no model":
        swap_artifact(bundles[1], path, b"nothing that runs")
    elif kind == "other format":
        other_format(bundles[1], path, tmp_path)
    else:
        path.write_bytes(foreign_zip(kind))
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    packed = compress(path.read_bytes())
    server.blobs[sha256] = path.read_bytes()
    server.offered["url"] = f"/v1/blobs/{sha256}"
    server.offered["bundle"].update(
        sha256=sha256,
        size=path.stat().st_size,
        encodings={"zstd": {"size": len(packed), "sha256": hashlib.sha256(packed).hexdigest()}},
    )
    report = update(Server(address), state)
    refused(report, state, "BundleRefused")
    assert trusted(state) == installed


def build_tflite_like(bundle, offset):
    return build_tflite(open_bundle(bundle).contract, offset=offset)


def other_format(source, target, folder):
    package = folder / "some.mlpackage"
    package.mkdir()
    (package / "Manifest.json").write_bytes(b"{}")
    bundle = open_bundle(source)
    manifest = ManifestFactory(format="coreml", artifact="model.mlpackage", sizes={"artifact": 2})
    write_bundle(target, artifact=package, manifest=manifest, golden=bundle.golden, contract=bundle.contract)


def foreign_zip(kind):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as made:
        made.writestr("../evil" if kind == "escaping" else "manifest.json", "{}")
    return packed.getvalue()


def test_a_server_out_of_order_leaves_the_bundle(server, address, state, installed):
    server.status = 503
    report = update(Server(address), state)
    assert "503" in report.reason
    assert "out of order" in report.reason
    assert trusted(state) == installed


def test_no_server_leaves_the_bundle(state, server, address, installed):
    report = update(Server("http://127.0.0.1:9"), state)
    assert "ConnectionLost" in report.reason
    assert trusted(state) == installed


def test_outside_the_share_the_other_offer_is_taken(server, address, state, bundles):
    first = server.offer(bundles[0])
    otherwise = server.offered
    server.offer(bundles[1], counter=2)
    server.offered["rollout"]["basis_points"] = 0
    server.offered["otherwise"] = otherwise
    assert update(Server(address), state).sha256 == first
    server.offered["otherwise"] = None
    assert "rolled out to others first" in update(Server(address), state).reason


def test_a_share_that_widens_keeps_who_is_in_it(tmp_path):
    for number in range(20):
        state = State(tmp_path / str(number))
        inside = [state.in_share("salt", points) for points in range(0, 10_001, 500)]
        assert inside == sorted(inside)
        assert not inside[0]
        assert inside[-1]
        assert State(state.folder).in_share("salt", 5000) == state.in_share("salt", 5000)


def test_share_agrees_with_the_server(tmp_path):
    state = State(tmp_path)
    state.in_share("salt", 1)
    secret = (tmp_path / "secret").read_bytes()
    for points in range(0, 10_001, 250):
        assert state.in_share("salt", points) == is_exposed(secret, "salt", points)


def test_full_disk_keeps_the_old_bundle(server, address, state, installed, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    report = update(Server(address), state)
    monkeypatch.undo()
    assert "No space left" in report.reason
    assert trusted(state) == installed


def test_damaged_state_file_begins_again(server, address, state, installed):
    (state.folder / "state.json").write_text("{half")
    again = State(state.folder)
    assert again.record == Record()
    assert update(Server(address), again).outcome == "installed"
