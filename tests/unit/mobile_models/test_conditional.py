import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobile_models import conditional
from mobile_models.conditional import Span, parse_range
from mobile_models.errors import RangeNotSatisfiable

ETAG = '"abc"'


@pytest.mark.parametrize(
    ("header", "span"),
    [
        ("bytes=0-0", Span(0, 0)),
        ("bytes=0-99", Span(0, 99)),
        ("bytes=10-", Span(10, 99)),
        ("bytes=-1", Span(99, 99)),
        ("bytes=-500", Span(0, 99)),
        ("bytes=90-1000000000000000000000", Span(90, 99)),
        ("Bytes=1-2", Span(1, 2)),
    ],
)
def test_one_range_is_cut_to_the_representation(header, span):
    assert parse_range(header, 100) == span


@pytest.mark.parametrize(
    "header",
    [
        "",
        "bytes",
        "bytes=",
        "bytes=-",
        "bytes=5-2",
        "bytes=a-b",
        "bytes=0-1,5-6",
        "items=0-1",
        "bytes=--1",
        "bytes=٠-١",
        "bytes=" + "9" * 5000 + "-",
    ],
)
def test_what_is_malformed_or_several_is_ignored(header):
    assert parse_range(header, 100) is None


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=100-200", "bytes=-0", "bytes=99999999999999999999-"])
def test_a_range_without_a_byte_says_how_many_there_are(header):
    with pytest.raises(RangeNotSatisfiable) as caught:
        parse_range(header, 100)
    assert caught.value.headers["Content-Range"] == "bytes */100"


@given(st.integers(1, 10**9), st.integers(0, 10**9), st.integers(0, 10**9))
def test_a_range_lies_within_the_representation(size, first, last):
    try:
        span = parse_range(f"bytes={first}-{last}", size)
    except RangeNotSatisfiable:
        assert first >= size
        return
    if span is None:
        assert last < first
    else:
        assert 0 <= span.first <= span.last < size
        assert 1 <= span.length <= size


@given(st.text(max_size=60))
def test_no_header_is_a_defect(text):
    parse_range(f"items={text}", 10)
    conditional.prefers_zstd(text)
    conditional.if_none_match_holds(text, ETAG)
    conditional.if_match_holds(text, ETAG)


@pytest.mark.parametrize(
    ("header", "holds"),
    [
        (None, True),
        (ETAG, True),
        ('"other"', False),
        (f"W/{ETAG}", False),
        ("Sat, 21 Nov 2026 10:00:00 GMT", False),
        ("", False),
    ],
)
def test_if_range_holds_for_the_strong_tag_only(header, holds):
    assert conditional.if_range_holds(header, ETAG) is holds


@pytest.mark.parametrize(
    ("header", "lacks"),
    [
        (None, True),
        (ETAG, False),
        (f"W/{ETAG}", False),
        (f'"x", {ETAG}', False),
        ("*", False),
        ('"abcd"', True),
        ("abc", True),
    ],
)
def test_if_none_match_compares_weakly(header, lacks):
    assert conditional.if_none_match_holds(header, ETAG) is lacks


@pytest.mark.parametrize(
    ("header", "holds"), [(None, True), ("*", True), (ETAG, True), (f"W/{ETAG}", False), ('"x"', False)]
)
def test_if_match_compares_strongly(header, holds):
    assert conditional.if_match_holds(header, ETAG) is holds


@pytest.mark.parametrize(
    ("header", "zstd"),
    [
        (None, False),
        ("", False),
        ("zstd", True),
        ("gzip, deflate, br, ZSTD", True),
        ("zstd;q=0", False),
        ("zstd;q=0.5, identity;q=1", False),
        ("zstd;q=1.0, identity;q=0.5", True),
        ("gzip", False),
        ("*", False),
        ("zstd;q=", False),
        ("zstandard", False),
    ],
)
def test_zstd_goes_to_who_asks_for_it(header, zstd):
    assert conditional.prefers_zstd(header) is zstd


def test_a_digest_field_is_base64_between_colons():
    digest = hashlib.sha256(b"x").digest()
    assert conditional.digest_field(digest) == f"sha-256=:{base64.b64encode(digest).decode()}:"
