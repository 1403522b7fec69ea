import base64
import contextlib
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobile_models import conditional
from mobile_models.conditional import Span, parse_range
from mobile_models.errors import NotAcceptable, RangeNotSatisfiable

ETAG = '"abc"'
SIZES = {"identity": 100, "zstd": 41, "br": 40, "gzip": 45, "dcz": 9}


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
    conditional.parse_dictionary(text)
    with contextlib.suppress(NotAcceptable):
        conditional.choose_coding(text, SIZES)
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
    ("header", "coding"),
    [
        # Silence is no promise to decode anything.
        (None, "identity"),
        ("", "identity"),
        ("gzip", "gzip"),
        ("x-gzip", "gzip"),
        ("zstd", "zstd"),
        ("ZSTD", "zstd"),
        ("gzip, deflate, br, zstd", "br"),
        ("gzip, zstd", "zstd"),
        ("br;q=0.5, gzip", "gzip"),
        ("br;q=0.001, gzip;q=0", "br"),
        ("zstd;q=0", "identity"),
        ("zstd;q=0.5, identity;q=1", "identity"),
        ("zstd;q=1.0, identity;q=0.5", "zstd"),
        ("gzip, identity", "gzip"),
        ("deflate", "identity"),
        # Whoever takes anything takes the plain form, which is what it surely can read.
        ("*", "identity"),
        ("*;q=0.1", "identity"),
        ("gzip, *", "gzip"),
        ("gzip;q=0.5, *", "identity"),
        ("identity;q=0, *", "br"),
        ("*;q=0, gzip", "gzip"),
        ("*;q=0, identity", "identity"),
        ("identity;q=0, gzip;q=0.1, br;q=0", "gzip"),
        ("zstd;q=", "identity"),
        ("zstandard", "identity"),
        ("gzip;level=9, br", "br"),
        # Only who names it has a dictionary.
        ("dcz", "dcz"),
        ("dcz, br, gzip", "dcz"),
        ("dcz;q=0.5, br", "br"),
        ("dcz;q=0, identity;q=0, *", "br"),
    ],
)
def test_the_best_rated_coding_with_fewest_bytes_is_sent(header, coding):
    assert conditional.choose_coding(header, SIZES) == coding


def test_a_form_that_did_not_shrink_is_not_sent_to_who_takes_both():
    assert conditional.choose_coding("gzip, identity", {"identity": 100, "gzip": 110}) == "identity"


@pytest.mark.parametrize("header", ["*;q=0", "identity;q=0", "identity;q=0, deflate", "identity;q=0.0, dcb"])
def test_who_refuses_every_form_is_told_which_there_are(header):
    with pytest.raises(NotAcceptable, match="allows none of br, dcz, gzip, identity, zstd"):
        conditional.choose_coding(header, SIZES)


@given(st.lists(st.tuples(st.sampled_from([*"*", "identity", "br", "gzip", "zstd"]), st.integers(0, 1000))))
def test_nothing_is_sent_that_the_client_refuses(listed):
    header = ", ".join(f"{coding};q={weight / 1000}" for coding, weight in listed)
    weights = dict(listed)
    try:
        chosen = conditional.choose_coding(header, SIZES)
    except NotAcceptable:
        assert weights.get("identity", weights.get("*")) == 0
        assert not any(weights.get(coding, weights.get("*", 0)) for coding in ("br", "gzip", "zstd"))
    else:
        assert weights.get(chosen, weights.get("*", chosen == "identity"))


DIGEST = hashlib.sha256(b"an old bundle").digest()
OFFERED = f":{base64.b64encode(DIGEST).decode()}:"


def test_a_dictionary_is_named_by_its_digest():
    assert conditional.parse_dictionary(OFFERED) == DIGEST.hex()
    assert conditional.parse_dictionary(f"  {OFFERED} ") == DIGEST.hex()


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        DIGEST.hex(),
        OFFERED.strip(":"),
        OFFERED[:-1],
        OFFERED[1:],
        f"{OFFERED}, {OFFERED}",
        OFFERED.replace("=", ""),
        f":{base64.b64encode(DIGEST[:31]).decode()}:",
        f":{base64.b64encode(DIGEST + b'x').decode()}:",
        f"::{'A' * 42}=:",
        f":{'é' * 43}=:",
        OFFERED + "\n",
    ],
)
def test_what_names_no_dictionary_is_as_if_nothing_was_said(header):
    assert conditional.parse_dictionary(header) is None


def test_a_digest_field_is_base64_between_colons():
    digest = hashlib.sha256(b"x").digest()
    assert conditional.digest_field(digest) == f"sha-256=:{base64.b64encode(digest).decode()}:"
