"""Read the body of a report before anything else looks at it: bounded, plain, JSON."""

import json
from collections.abc import Iterable
from typing import IO, Any

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest
from django.http.request import UnreadablePostError
from rest_framework import exceptions

from mobile_models.errors import ContentEncodingRefused, LengthRequired, ReportTooLarge

MOST = 64 * 1024


def read(request: HttpRequest) -> dict[str, Any]:
    """The JSON object that was sent.

    Raises:
        UnsupportedMediaType, ContentEncodingRefused: it is not plain JSON.
        ReportTooLarge, LengthRequired: refused before it is read.
        ParseError: it is not one JSON object.
    """
    media_type = (request.content_type or "").lower()
    if media_type != "application/json":
        raise exceptions.UnsupportedMediaType(media_type[:80] or "nothing")
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in {"", "identity"}:
        raise ContentEncodingRefused(
            f"Content-Encoding: {encoding[:40]!r} was given; allowed is a body that is not compressed."
        )
    return _parsed(_bounded(request))


def _bounded(request: HttpRequest) -> bytes:
    declared = request.META.get("CONTENT_LENGTH") or ""
    stream: IO[bytes] | HttpRequest = request
    if not declared:
        if "chunked" not in request.headers.get("Transfer-Encoding", "").lower():
            return b""
        if not request.META.get("wsgi.input_terminated"):
            raise LengthRequired("The body's length is not known. Send Content-Length.")
        stream = request.META["wsgi.input"]
    elif declared.isdecimal() and int(declared[:12]) > MOST:
        raise _too_large()
    try:
        raw = stream.read(MOST + 1)
    except RequestDataTooBig as error:
        raise _too_large() from error
    except (UnreadablePostError, OSError) as error:
        raise exceptions.ParseError("The body ended early. Send it again.") from error
    if len(raw) > MOST:
        raise _too_large()
    return raw


def _too_large() -> ReportTooLarge:
    return ReportTooLarge(f"The body has more than {MOST // 1024} KiB. Send it as several batches.")


def _parsed(raw: bytes) -> dict[str, Any]:
    try:
        body = json.loads(raw.decode("utf-8-sig"), object_pairs_hook=_object, parse_constant=_constant)
        # JSON can spell half of a surrogate pair, which cannot be encoded, and a zero character; no database
        # stores either.
        storable = b"\\u0000" not in json.dumps(body, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise exceptions.ParseError(f"The body is not JSON: {str(error)[:100]}.") from error
    if not isinstance(body, dict) or not storable:
        raise exceptions.ParseError("The body must be one JSON object, without zero characters.")
    return body


def _object(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {key[:60]!r} comes twice")
        found[key] = value
    return found


def _constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON number")
