"""Attacks on a bundle's bytes: refused, what was trusted is the same to the byte, the model still runs."""

import hashlib
import io
import time
import zipfile

import pytest

from mobile_models.patches import bsdiff, dictionary_compress
from packager.bundle import open_bundle, write_bundle
from phone.bundle import CONTRACTS, engine_version
from phone.choice import Device
from phone.download import MAX_BYTES
from phone.policy import Situation
from tests.factories import ManifestFactory, build_bundle, short_contract, swap_artifact
from tests.phone_server import compress, offer_patch
from tests.tiny_tflite import build_tflite


@pytest.fixture
def offered(server, phone, bundles, installed):
    """The second generation is on offer and its metadata is trusted, but not a byte of it is here."""
    sha256 = server.offer(bundles[1], counter=2)
    assert phone.update(situation=Situation(network="metered")).verdict.allowed is False
    return sha256


@pytest.fixture
def attacked(server, phone, refused, offered):
    """Publish what a test changed, update, and check that nothing but the metadata moved on."""

    def check(reason, **options):
        server.publish()
        before = phone.trusted()
        report = phone.update(**options)
        after = phone.trusted()
        assert report.outcome == "kept"
        assert reason in report.reason
        # The signed catalog is news, and true; what it offers never arrived.
        assert moved(before) == moved(after)
        # Once the metadata is the same, so is everything, to the byte.
        report = phone.update(**options)
        refused(report, reason, after)
        return report

    return check


def moved(trusted):
    return {path: content for path, content in trusted.items() if not path.startswith("trust/")}


def send(server, data):
    """Send other bytes under the offered address, with headers that fit what is sent."""
    server.blobs[server.entry["sha256"]] = data


def test_arbitrary_software_other_bytes(server, bundles, attacked):
    send(server, bundles[0].read_bytes())
    attacked("promised")


@pytest.mark.parametrize("position", [0, 1000, -1])
def test_arbitrary_software_one_flipped_bit(server, bundles, attacked, position):
    data = bytearray(bundles[1].read_bytes())
    data[position] ^= 1
    send(server, bytes(data))
    server.entry["encodings"] = {}
    attacked("was promised")


def test_arbitrary_software_a_compressed_form_of_something_else(server, bundles, attacked):
    """The online key signed for the form, but what it unpacks to is not what the offline keys signed."""
    other = bytearray(bundles[1].read_bytes())
    other[1000] ^= 1
    send(server, bytes(other))
    packed = compress(bytes(other))
    server.entry["encodings"]["zstd"] = {
        "size": len(packed),
        "sha256": hashlib.sha256(packed).hexdigest(),
    }
    attacked("The archive has SHA-256")


def test_arbitrary_software_a_patch_that_yields_another_blob(server, phone, bundles, installed):
    """The patch is refused, the whole file is taken instead, and that is counted."""
    second = server.offer(bundles[1], counter=2)
    evil = bytearray(bundles[1].read_bytes())
    evil[2000] ^= 1
    offer_patch(server, bundles, bsdiff(bundles[0].read_bytes(), bytes(evil)))
    report = phone.update()
    assert report.delta.outcome == "refused"
    assert "The patched archive has SHA-256" in report.delta.reason
    assert ("patch", "fell_back") in report.operations
    assert (report.outcome, phone.state.usable().sha256) == ("installed", second)


def test_arbitrary_software_a_patch_that_yields_another_blob_and_no_other_way(server, bundles, attacked):
    evil = bytearray(bundles[1].read_bytes())
    evil[2000] ^= 1
    offer_patch(server, bundles, bsdiff(bundles[0].read_bytes(), bytes(evil)))
    server.blobs.clear()
    assert attacked("404").delta.outcome == "refused"


@pytest.mark.parametrize("kind", ["other model", "other shapes", "no model", "other format"])
def test_arbitrary_software_that_only_running_it_finds(
    server, phone, bundles, installed, refused, tmp_path, kind
):
    """Validly signed in every way, but it is not the model that its golden vectors describe."""
    path = tmp_path / "evil.zip"
    if kind == "other model":
        swap_artifact(bundles[1], path, build_tflite(open_bundle(bundles[1]).contract, offset=3.0))
    elif kind == "other shapes":
        swap_artifact(bundles[1], path, build_tflite(short_contract()))
    elif kind == "no model":
        swap_artifact(bundles[1], path, b"nothing that runs")
    else:
        other_format(bundles[1], path, tmp_path)
    server.offer(path, counter=2, format="tflite", variant="tflite_fp16", precision="fp16")
    server.sign_bundle(server.entry)
    server.publish()
    report = phone.update()
    assert ("golden", "refused") in report.operations or ("verify", "refused") in report.operations
    assert moved(phone.trusted()) == moved(installed)
    refused(phone.update(), "BundleRefused", phone.trusted())


def other_format(source, target, folder):
    package = folder / "some.mlpackage"
    package.mkdir()
    (package / "Manifest.json").write_bytes(b"{}")
    bundle = open_bundle(source)
    manifest = ManifestFactory(format="coreml", artifact="model.mlpackage", sizes={"artifact": 2})
    write_bundle(target, artifact=package, manifest=manifest, golden=bundle.golden, contract=bundle.contract)


@pytest.mark.parametrize("what", ["contract_sha256", "contract_version", "golden_sha256", "variant"])
def test_mix_and_match_the_model_of_one_release_with_the_words_of_another(
    server, phone, bundles, installed, refused, what
):
    """Somebody got the offline keys to describe a bundle as something that it is not."""
    server.offer(bundles[1], counter=2, **{what: 2 if what == "contract_version" else "1" * 64})
    server.sign_bundle(server.entry)
    server.publish()
    report = phone.update()
    assert report.operations[-1] == ("verify", "refused")
    refused(phone.update(), f"The bundle's {what} is", phone.trusted())
    assert moved(phone.trusted()) == moved(installed)


def test_mix_and_match_a_range_spliced_over_two_versions(server, phone, bundles, offered, installed, refused):
    server.cut_after = 1000
    phone.update()
    server.cut_after = None
    server.extra_headers = {"ETag": '"something-else"'}
    before = phone.trusted()
    refused(phone.reopened().update(), "were asked for", before)
    assert list(phone.state.partial.iterdir()) == []


def test_mix_and_match_a_range_of_other_bytes_under_the_same_tag(server, phone, bundles, offered, refused):
    """The second half comes from another archive, with every header as it was: the digest finds it."""
    server.cut_after = 1000
    phone.update()
    server.cut_after = None
    data = bytearray(bundles[1].read_bytes())
    data[30_000:30_100] = bytes(range(100))
    send(server, bytes(data))
    server.entry["encodings"] = {}
    before = phone.trusted()
    assert phone.reopened().update().outcome == "kept"
    assert moved(phone.trusted()) == moved(before)


def test_endless_data_that_is_announced(server, phone, attacked):
    server.encode = False
    send(server, bytes(10_000_000))
    assert attacked("announces 10000000 bytes").transfer.bytes_received == 0


def test_endless_data_of_unknown_length(server, attacked):
    server.encode = server.announce = False
    send(server, bytes(10_000_000))
    # A server that says no length at all is no better for small documents.
    assert attacked("more than the").transfer.bytes_received < 200_000


def test_endless_data_a_zstd_bomb(server, attacked):
    bomb = bytes(5_000_000)
    packed = compress(bomb)
    send(server, bomb)
    server.entry["encodings"] = {"zstd": {"size": len(packed), "sha256": hashlib.sha256(packed).hexdigest()}}
    attacked("unpacks to")


def test_endless_data_a_patch_bomb(server, phone, bundles, installed):
    """A patch that makes more than was signed is refused before it is unpacked."""
    second = server.offer(bundles[1], counter=2)
    offer_patch(server, bundles, bsdiff(bundles[0].read_bytes(), bytes(5_000_000)))
    report = phone.update()
    assert "makes 5000000 bytes" in report.delta.reason
    assert (report.outcome, phone.state.usable().sha256) == ("installed", second)


def test_endless_data_an_archive_larger_than_the_phone_takes(server, phone, installed, refused, bundles):
    server.offer(bundles[1], counter=2, size=MAX_BYTES + 1, encodings={})
    server.sign_bundle(server.entry)
    server.publish()
    phone.update()
    refused(phone.update(), "this phone takes at most", phone.trusted())


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("escaping", "misnamed"),
        ("absolute", "misnamed"),
        ("compressed", "compressed"),
        ("too many", "has 65 members"),
        ("twice", "1 different"),
        ("no manifest", "not a bundle"),
        ("no zip", "not a bundle"),
    ],
)
def test_endless_data_archives_with_members_that_no_bundle_has(
    server, phone, bundles, installed, refused, tmp_path, kind, reason
):
    """Validly signed in every way: the phone unpacks nothing that is not a bundle's."""
    path = tmp_path / "evil.zip"
    path.write_bytes(foreign_zip(kind))
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    server.offer(bundles[1], counter=2)
    size = path.stat().st_size
    target = f"bundles/linux/{sha256}.zip"
    server.entry.update(sha256=sha256, size=size, encodings={}, url=f"/v1/blobs/{sha256}", target=target)
    server.blobs[sha256] = path.read_bytes()
    server.sign_bundle(server.entry)
    server.publish()
    phone.update()
    refused(phone.update(), reason, phone.trusted())
    assert moved(phone.trusted()) == moved(installed)


def foreign_zip(kind):
    if kind == "no zip":
        return b"PK" + bytes(100)
    names = {
        "escaping": ["../evil"],
        "absolute": ["/etc/evil"],
        "too many": [f"member{number}" for number in range(65)],
        "twice": ["same", "same"],
    }.get(kind, ["other.json"])
    packed = io.BytesIO()
    compression = zipfile.ZIP_DEFLATED if kind == "compressed" else zipfile.ZIP_STORED
    with zipfile.ZipFile(packed, "w", compression) as made:
        for name in names:
            made.writestr(name, "{}" * 100) if kind != "twice" else write_again(made, name)
    return packed.getvalue()


def write_again(made, name):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(made, "_writecheck", lambda _: None)
        made.writestr(name, "{}")


def test_slow_retrieval_of_a_bundle(server, phone, offered, installed, refused):
    before = phone.trusted()
    real, server.form = server.form, lambda *asked: slowly(server, real(*asked))
    started = time.monotonic()
    report = phone.update(seconds=0.6)
    server.drip = None
    assert time.monotonic() - started < 3
    refused(report, "DeadlineExceeded", before)


def slowly(server, answer):
    server.drip = 0.05
    return answer


@pytest.mark.parametrize("header", ["Content-Digest", "Repr-Digest"])
def test_wrong_digest_headers(server, attacked, header):
    server.extra_headers = {header: f"sha-256=:{'A' * 43}=:"}
    attacked(header)


@pytest.mark.parametrize(
    "change",
    [
        {"format": "coreml"},
        {"engine_min": {"litert": "99.0"}},
        {"contract_version": 99},
        {"perf_class": ["low"]},
        {"regions": ["NZ"]},
        {"accelerators": ["ane"]},
    ],
)
def test_wrong_target_a_variant_for_other_hardware(server, phone, bundles, installed, change):
    server.offer(bundles[1], counter=2, **change)
    server.sign_bundle(server.entry)
    server.publish()
    contracts = frozenset().union(*CONTRACTS.values())
    device = Device("linux", engines={"litert": engine_version()}, contracts=contracts)
    report = phone.update(device=device)
    assert (report.outcome, report.decision.release_counter) == ("current", 1)
    assert "release 2026.1.1-2 has no bundle that runs on it" in report.decision.reason.lower()
    assert len(server.blob_requests()) == 1
    assert moved(phone.trusted()) == moved(installed)


def test_wrong_target_a_bundle_of_another_platform(server, phone, bundles, installed, refused):
    """Signed, but by the role of another platform."""
    server.offer(bundles[1], counter=2)
    repository, target = server.repository, server.entry["target"]
    described = repository.targets["linux"].pop(target)
    repository.targets["ios"][target.replace("linux", "ios")] = described
    repository.publish()
    refused(phone.update(), "offline keys signed no bundle")


def test_wrong_target_an_engine_that_only_the_manifest_names(server, phone, installed, refused, tmp_path):
    server.offer(build_bundle(tmp_path / "new.zip", engine_min={"litert": "99.0"}), counter=2)
    server.entry["engine_min"] = {}
    server.publish()
    phone.update()
    refused(phone.update(), "The bundle needs LiteRT 99.0", phone.trusted())


def test_cache_poisoning_a_missing_vary_gives_zstd_to_who_did_not_ask(server, attacked):
    """A cache between gives everyone the compressed form; it is not taken for the archive."""
    server.entry["encodings"] = {}
    sha256 = server.entry["sha256"]
    packed = compress(server.blobs[sha256])
    server.form = lambda *_: (packed, "zstd")
    report = attacked("which was not asked for")
    assert report.transfer.bytes_received == 0


def test_cache_poisoning_a_compressed_body_without_its_header(server, attacked):
    packed = compress(server.blobs[server.entry["sha256"]])
    server.announce = False
    server.form = lambda *_: (packed, "identity")
    attacked("ConnectionLost")


def test_cache_poisoning_the_plain_body_for_who_asked_for_zstd_is_only_longer(server, phone, offered):
    server.form = lambda sha256, _: (server.blobs[sha256], "identity")
    report = phone.update()
    assert (report.outcome, report.transfer.encoding) == ("installed", "identity")


def test_cache_poisoning_an_answer_made_with_another_dictionary(server, phone, bundles, installed):
    """The cache gives a form that somebody else's base belongs to: refused, and the whole file is taken."""
    second = server.offer(bundles[1], counter=2)
    foreign = dictionary_compress(b"somebody else's base" * 1000, bundles[1].read_bytes())
    server.entry["deltas"] = [{"base": phone.state.record.current, "kind": "dcz", "size": len(foreign)}]
    server.entry["encodings"] = {}
    server.publish()
    real = server.form
    server.form = lambda sha256, accepts: (foreign, "dcz") if "dcz" in accepts else real(sha256, accepts)
    report = phone.update()
    assert report.delta.outcome == "refused"
    assert "another dictionary" in report.delta.reason
    assert (report.outcome, phone.state.usable().sha256) == ("installed", second)


def test_cache_poisoning_a_damaged_base_is_no_base(server, phone, bundles, installed):
    """The installed archive was changed on the disk: no patch starts from it."""
    server.offer(bundles[1], counter=2)
    offer_patch(server, bundles)
    base = phone.state.bundles / f"{phone.state.record.current}.zip"
    data = bytearray(base.read_bytes())
    data[3000] ^= 1
    base.write_bytes(bytes(data))
    report = phone.reopened().update()
    assert (report.outcome, report.delta) == ("installed", None)
