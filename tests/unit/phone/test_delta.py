"""A patch saves bytes where it can, and whatever it holds, only the signed archive is installed."""

import bz2
import gzip
import struct
import tracemalloc

import brotli
import bsdiff4
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mobile_models.patches import bsdiff, dictionary_compress
from phone.delta import apply_patch
from phone.errors import BundleRefused
from phone.forms import UNPACKERS, Form, dictionary_form, unpacked
from tests.phone_server import compress, offer_patch


def test_a_patch_is_taken_before_the_whole_file(server, phone, bundles, installed):
    second = server.offer(bundles[1], counter=2)
    patch = offer_patch(server, bundles)
    report = phone.update()
    assert (report.outcome, report.delta.outcome, report.delta.kind) == ("installed", "applied", "bsdiff4")
    assert report.transfer.bytes_received == len(patch)
    assert ("patch", "ok") in report.operations
    assert phone.state.usable().sha256 == second
    assert len(server.blob_requests()) == 2  # the first bundle, the patch


def test_a_patch_resumes(server, phone, bundles, installed):
    server.offer(bundles[1], counter=2)
    patch = offer_patch(server, bundles)
    report = phone.update(break_after_bytes=len(patch) // 2)
    assert report.delta.outcome == "applied"
    # Patches of the test's server come without a validator: begun again.
    assert report.transfer.bytes_received == len(patch) // 2 + len(patch)


def test_the_installed_bundle_is_the_dictionary_where_that_is_smaller(server, phone, bundles, installed):
    second = server.offer(bundles[1], counter=2)
    server.dictionary = bundles[0].read_bytes()
    size = len(dictionary_compress(server.dictionary, bundles[1].read_bytes()))
    server.entry["deltas"] = [{"base": phone.state.record.current, "kind": "dcz", "size": size}]
    server.publish()
    report = phone.update()
    assert (report.outcome, report.delta.kind, report.delta.outcome) == ("installed", "dcz", "applied")
    assert report.transfer.bytes_received == size
    assert report.transfer.encoding == "dcz"
    assert phone.state.usable().sha256 == second


def test_a_patch_from_another_bundle_or_of_another_kind_is_left_alone(server, phone, bundles, installed):
    server.offer(bundles[1], counter=2)
    offer_patch(server, bundles)
    (delta,) = server.entry["deltas"]
    server.entry["deltas"] = [{**delta, "base": "0" * 64}, {**delta, "kind": "courgette"}]
    server.publish()
    report = phone.update()
    assert (report.outcome, report.delta) == ("installed", None)


def test_a_patch_that_saves_nothing_is_left_alone(server, phone, bundles, installed):
    server.offer(bundles[1], counter=2)
    offer_patch(server, bundles)
    server.entry["deltas"][0]["size"] = server.entry["encodings"]["zstd"]["size"]
    server.publish()
    assert phone.update().delta is None


@given(st.binary(max_size=300), st.binary(max_size=300), st.binary(max_size=40))
@example(b"", b"", b"")
def test_any_patch_of_the_library_gives_what_the_library_gives(start, end, middle):
    old, new = start + middle + end, end + start + middle
    patch = bsdiff(old, new)
    assert apply_patch(old, patch, len(new)) == bsdiff4.patch(old, patch) == new


def made_patch(steps, difference=b"", extra=b"", size=None):
    control = bz2.compress(b"".join(number(value) for step in steps for value in step))
    added = bz2.compress(difference)
    total = sum(step[0] + step[1] for step in steps) if size is None else size
    lengths = number(len(control)) + number(len(added)) + number(total)
    return b"BSDIFF40" + lengths + control + added + bz2.compress(extra)


def number(value):
    return struct.pack("<Q", -value | 1 << 63 if value < 0 else value)


@pytest.mark.parametrize(
    ("patch", "reason"),
    [
        (b"", "not a bsdiff patch"),
        (b"BSDIFF40" + b"\0" * 8, "cannot be read"),
        (b"BSDIFF41" + b"\0" * 24, "not a bsdiff patch"),
        (made_patch([(10, 0, 0)], bytes(10))[:-20], "beyond its end"),
        (made_patch([(9, 0, 0)], bytes(9)), "makes 9 bytes; 10 were signed"),
        (made_patch([(9, 0, 0)], bytes(9), size=10), "makes 9 bytes; 10 were signed"),
        (made_patch([(11, 0, 0)], bytes(11), size=10), "unpacks to more than 10 bytes"),
        (made_patch([(11, 0, 0)], bytes(10), size=10), "beyond the end"),
        (made_patch([(10, 0, 0)], bytes(5), size=10), "beyond the end"),
        (made_patch([(-1, 11, 0)], b"", bytes(10), size=10), "beyond the end"),
        (made_patch([(0, 10, 0)], b"", bytes(5), size=10), "inserts more bytes"),
        (made_patch([(0, 0, 1)] * 100, size=10), "unpacks to more than"),
        (made_patch([(0, 10, 0)], b"", bytes(10_000_000), size=10), "unpacks to more than 10 bytes"),
        (b"BSDIFF40" + number(-1) + number(0) + number(10), "beyond its end"),
        (b"BSDIFF40" + number(2**60) + number(0) + number(10), "beyond its end"),
    ],
)
def test_patches_that_lie_are_refused(patch, reason):
    with pytest.raises(BundleRefused, match=reason):
        apply_patch(b"0123456789", patch, 10)


def test_a_patch_of_nothing_but_steps_takes_no_more_memory_than_a_few_archives():
    size = 2**20
    patch = made_patch([(0, 0, 1)] * (size // 8), size=size)
    tracemalloc.start()
    with pytest.raises(BundleRefused, match="makes 0 bytes"):
        apply_patch(b"0123456789", patch, size)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10 * size


@given(st.binary(max_size=200), st.integers(0, 64))
def test_no_patch_raises_anything_else(noise, size):
    try:
        assert len(apply_patch(b"abc", b"BSDIFF40" + noise, size)) == size
    except BundleRefused:
        return


@pytest.mark.parametrize("name", ["zstd", "br", "gzip"])
def test_each_form_unpacks_no_further_than_was_signed(name):
    packers = {"zstd": compress, "br": brotli.compress, "gzip": gzip.compress}
    form = Form(name, 0, None, UNPACKERS[name])
    content = bytes(range(256)) * 1000
    packed = packers[name](content)
    assert unpacked(form, packed, len(content)) == content
    for wrong in (len(content) - 1, len(content) + 1):
        with pytest.raises(BundleRefused, match="were promised"):
            unpacked(form, packed, wrong)
    for damaged in (packed[:-10], b"nothing of the kind", b""):
        with pytest.raises(BundleRefused):
            unpacked(form, damaged, len(content))
    # A bomb is cut at the promised size and never held whole.
    with pytest.raises(BundleRefused, match="unpacks to 1001 bytes or more"):
        unpacked(form, packers[name](bytes(2_000_000)), 1000)


def test_a_frame_may_reach_over_a_large_dictionary():
    old, new = bytes(14 * 2**20), bytes(14 * 2**20 - 1)
    assert unpacked(dictionary_form(old, 10), dictionary_compress(old, new), len(new)) == new


def test_a_form_that_was_made_with_another_dictionary_is_refused():
    old, new = b"the old one" * 100, b"the new one" * 100
    with pytest.raises(BundleRefused, match="another dictionary"):
        unpacked(dictionary_form(old, 10), dictionary_compress(b"poison" * 100, new), len(new))
    assert unpacked(dictionary_form(old, 10), dictionary_compress(old, new), len(new)) == new
