"""Answers a download: one form of some bytes, whole or a range of it, in constant memory.

The bytes are streamed by this process, or the answer sends for them: nginx reads the folder
(`X-Accel-Redirect`), or the client is sent to a signed address of the bucket. Here the form is chosen.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Self

from django.conf import settings
from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from rest_framework.request import Request

from mobile_models import conditional, storage
from mobile_models.conditional import Span, digest_field
from mobile_models.encodings import IDENTITY
from mobile_models.errors import (
    NotAcceptable,
    PreconditionFailed,
    RangeNotSatisfiable,
    StorageFailed,
)
from mobile_models.stores import Readable
from mobile_models.stores.address import ACCEL, REDIRECT
from mobile_models.stores.folder import BLOCK

FOREVER = "public, max-age=31536000, immutable"
NOTHING = hashlib.sha256(b"").digest()
# A cache must not give out a signed address that is about to end.
MARGIN_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Form:
    """The bytes of one representation, which are a blob."""

    sha256: str
    size: int

    @property
    def etag(self) -> str:
        """Strong: it names the very bytes that are sent, so parts of two forms are never joined."""
        return f'"{self.sha256}"'

    @property
    def digest(self) -> bytes:
        """SHA-256 of the bytes."""
        return bytes.fromhex(self.sha256)


@dataclass(frozen=True, slots=True)
class Resource:
    """What an address names: its forms by content coding, and the headers that go with each of them."""

    forms: Mapping[str, Form]
    media_type: str
    vary: str = "Accept-Encoding"
    headers: Mapping[str, str] = field(default_factory=dict)

    def chosen(self, accept_encoding: str | None) -> str:
        """The coding to answer with.

        Raises:
            NotAcceptable: the client refuses all of them.
        """
        sizes = {coding: form.size for coding, form in self.forms.items()}
        return conditional.choose_coding(accept_encoding, sizes)


class Window:
    """So many bytes of what was opened at their first, in blocks; closes it, even when nobody reads."""

    def __init__(self, source: Readable, length: int) -> None:
        self._source = source
        self._left = length

    def __iter__(self) -> Iterator[bytes]:
        while self._left:
            block = self._source.read(min(BLOCK, self._left))
            if not block:
                raise StorageFailed(
                    "The stored blob is shorter than its row says. Register the bundle again."
                )
            self._left -= len(block)
            yield block

    def close(self) -> None:
        """Close the source; Django calls it when the answer is sent or the client is gone."""
        self._source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def answer(request: Request, resource: Resource) -> HttpResponseBase:
    """The answer to GET or HEAD.

    Several ranges in one request are answered with the whole representation: RFC 9110 section 14.2 allows it.

    Raises:
        NotAcceptable: Accept-Encoding refuses every form.
        PreconditionFailed: If-Match names another representation.
        RangeNotSatisfiable: no byte lies in the range.
        StorageFailed: the row's bytes are gone.
    """
    try:
        return _answer(request, resource)
    except (NotAcceptable, PreconditionFailed, RangeNotSatisfiable) as error:
        error.headers = {**error.headers, "Vary": resource.vary}
        raise


def _answer(request: Request, resource: Resource) -> HttpResponseBase:
    coding = resource.chosen(request.headers.get("Accept-Encoding"))
    form = resource.forms[coding]
    if not conditional.if_match_holds(request.headers.get("If-Match"), form.etag):
        raise PreconditionFailed(f"If-Match names another representation; this one is {form.etag}.")
    if not conditional.if_none_match_holds(request.headers.get("If-None-Match"), form.etag):
        return _with_validators(_bare(304), resource, form)
    span = _span(request, form)
    if settings.BLOBS_SERVE == REDIRECT:
        return _redirect(request, resource, coding)
    response = _accel(form) if settings.BLOBS_SERVE == ACCEL else _content(request, form, span)
    for name, value in resource.headers.items():
        response[name] = value
    response["Content-Type"] = resource.media_type
    if coding != IDENTITY:
        response["Content-Encoding"] = coding
    response["Repr-Digest"] = digest_field(form.digest)
    return _with_validators(response, resource, form)


def _span(request: Request, form: Form) -> Span | None:
    # RFC 9110 section 14.2: a range means something for GET only.
    if request.method != "GET" or not conditional.if_range_holds(request.headers.get("If-Range"), form.etag):
        return None
    return conditional.parse_range(request.headers.get("Range", ""), form.size)


def _content(request: Request, form: Form, span: Span | None) -> HttpResponseBase:
    """The bytes from here."""
    sent = span or Span(0, form.size - 1)
    response: HttpResponseBase
    if request.method == "HEAD":
        # RFC 9530 appendix B.2: this digest is of the content that is sent, which is none.
        response, digest = HttpResponse(), NOTHING
        _require(form)
    else:
        digest = form.digest if span is None else _digest_of(form, span)
        response = StreamingHttpResponse(_window(form, sent))
    response["Accept-Ranges"] = "bytes"
    response["Content-Length"] = str(sent.length)
    response["Content-Digest"] = digest_field(digest)
    if span is not None:
        response.status_code = 206
        response["Content-Range"] = f"bytes {span.first}-{span.last}/{form.size}"
    return response


def _accel(form: Form) -> HttpResponse:
    """The bytes from nginx, which sees to ranges itself. It knows no digest of a range, so none is said."""
    _require(form)
    response = HttpResponse()
    response["X-Accel-Redirect"] = settings.BLOBS_ACCEL_PREFIX + storage.name_of(form.sha256)
    return response


def _redirect(request: Request, resource: Resource, coding: str) -> HttpResponse:
    """The bytes from the bucket, which sees to ranges; the headers are signed into the address."""
    seconds = settings.BLOBS_URL_SECONDS
    headers = {"ContentType": resource.media_type, "CacheControl": FOREVER}
    if "Content-Disposition" in resource.headers:
        headers["ContentDisposition"] = resource.headers["Content-Disposition"]
    if coding != IDENTITY:
        headers["ContentEncoding"] = coding
    response = _bare(307)
    response["Location"] = storage.signed_url(
        resource.forms[coding].sha256, method=str(request.method), seconds=seconds, headers=headers
    )
    response["Cache-Control"] = f"public, max-age={seconds - MARGIN_SECONDS}"
    response["Vary"] = resource.vary
    return response


def _bare(status: int) -> HttpResponse:
    """An answer without content: its own media type would take the stored one's place in a cache."""
    response = HttpResponse(status=status)
    del response["Content-Type"]
    return response


def _require(form: Form) -> None:
    if not storage.is_stored(form.sha256):
        raise StorageFailed(f"The store has lost the blob {form.sha256}. Register the bundle again.")


def _window(form: Form, span: Span) -> Window:
    return Window(storage.open_blob(form.sha256, span.first, span.length), span.length)


def _digest_of(form: Form, span: Span) -> bytes:
    digest = hashlib.sha256()
    with _window(form, span) as blocks:
        for block in blocks:
            digest.update(block)
    return digest.digest()


def _with_validators(response: HttpResponseBase, resource: Resource, form: Form) -> HttpResponseBase:
    response["ETag"] = form.etag
    response["Cache-Control"] = FOREVER
    response["Vary"] = resource.vary
    return response
