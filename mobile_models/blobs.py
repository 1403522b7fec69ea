"""Answers a download: one form of a blob, whole or a range of it, in constant memory."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Self

from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from rest_framework.request import Request

from mobile_models import conditional, storage
from mobile_models.conditional import Span, digest_field
from mobile_models.errors import PreconditionFailed, StorageFailed
from mobile_models.models import Bundle

FOREVER = "public, max-age=31536000, immutable"
NOTHING = hashlib.sha256(b"").digest()


class FileWindow:
    """The bytes of a span of an open file, in blocks; closes the file, even when nobody reads."""

    def __init__(self, file: BinaryIO, span: Span) -> None:
        self._file = file
        self._left = span.length
        file.seek(span.first)

    def __iter__(self) -> Iterator[bytes]:
        while self._left:
            block = self._file.read(min(storage.BLOCK, self._left))
            if not block:
                raise StorageFailed(
                    "The stored file is shorter than its row says. Register the bundle again."
                )
            self._left -= len(block)
            yield block

    def close(self) -> None:
        """Close the file; Django calls it when the answer is sent or the client is gone."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def answer(request: Request, bundle: Bundle) -> HttpResponseBase:
    """The answer to GET or HEAD of a bundle's blob.

    Several ranges in one request are answered with the whole representation: RFC 9110 section 14.2 allows it.

    Raises:
        PreconditionFailed: If-Match names another representation.
        RangeNotSatisfiable: no byte lies in the range.
        StorageFailed: the row's file is gone.
    """
    zstd = conditional.prefers_zstd(request.headers.get("Accept-Encoding"))
    etag = f'"{bundle.sha256}{"-zstd" if zstd else ""}"'
    size = bundle.wire_size if zstd else bundle.size
    if not conditional.if_match_holds(request.headers.get("If-Match"), etag):
        raise PreconditionFailed(f"If-Match names another representation; this one is {etag}.")
    if not conditional.if_none_match_holds(request.headers.get("If-None-Match"), etag):
        return _with_validators(HttpResponse(status=304), etag)
    span = _span(request, etag, size)
    path = storage.blob_path(bundle.sha256, storage.ZSTD if zstd else storage.IDENTITY)
    digest = bytes.fromhex(bundle.wire_sha256 if zstd else bundle.sha256)
    response = _content(request, path, span or Span(0, size - 1), digest, whole=span is None)
    if span is not None:
        response.status_code = 206
        response["Content-Range"] = f"bytes {span.first}-{span.last}/{size}"
    if zstd:
        response["Content-Encoding"] = "zstd"
    response["Accept-Ranges"] = "bytes"
    response["Repr-Digest"] = digest_field(digest)
    response["Content-Disposition"] = f'attachment; filename="{bundle.variant}-{bundle.sha256[:12]}.zip"'
    return _with_validators(response, etag)


def _span(request: Request, etag: str, size: int) -> Span | None:
    # RFC 9110 section 14.2: a range means something for GET only.
    if request.method != "GET" or not conditional.if_range_holds(request.headers.get("If-Range"), etag):
        return None
    return conditional.parse_range(request.headers.get("Range", ""), size)


def _content(request: Request, path: Path, span: Span, digest: bytes, *, whole: bool) -> HttpResponseBase:
    response: HttpResponseBase
    if request.method == "HEAD":
        # RFC 9530 appendix B.2: this digest is of the content that is sent, which is none.
        response, sent = HttpResponse(content_type="application/zip"), NOTHING
        if not path.is_file():
            raise _gone()
    else:
        sent = digest if whole else _digest_of_span(path, span)
        response = StreamingHttpResponse(_window(path, span), content_type="application/zip")
    response["Content-Length"] = str(span.length)
    response["Content-Digest"] = digest_field(sent)
    return response


def _window(path: Path, span: Span) -> FileWindow:
    try:
        return FileWindow(path.open("rb"), span)
    except OSError as error:
        raise _gone() from error


def _digest_of_span(path: Path, span: Span) -> bytes:
    digest = hashlib.sha256()
    with _window(path, span) as blocks:
        for block in blocks:
            digest.update(block)
    return digest.digest()


def _with_validators(response: HttpResponseBase, etag: str) -> HttpResponseBase:
    response["ETag"] = etag
    response["Cache-Control"] = FOREVER
    response["Vary"] = "Accept-Encoding"
    return response


def _gone() -> StorageFailed:
    return StorageFailed(
        "The bundle has a row but its bytes are gone from the store. Register the bundle again."
    )
