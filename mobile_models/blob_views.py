"""The addresses of bytes: bundles, model cards, patches. Each never changes under its address."""

from collections.abc import Iterable

from django.http import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from mobile_models import blobs
from mobile_models.serializers import ProblemSerializer

PROBLEM = "application/problem+json"


def _header(name: str, description: str) -> OpenApiParameter:
    return OpenApiParameter(name, location="header", description=description)


def _digest(name: str, description: str) -> OpenApiParameter:
    return OpenApiParameter(
        name, location="path", description=f"{description}, 64 lower-case hexadecimal digits."
    )


def _bytes(description: str) -> OpenApiResponse:
    return OpenApiResponse(OpenApiTypes.BINARY, description=description)


def _problem(description: str) -> OpenApiResponse:
    return OpenApiResponse(ProblemSerializer, description=description)


CONDITIONS = [
    _header("Range", "One range of bytes; several give the whole."),
    _header("If-Range", "Honour Range only for this strong ETag."),
    _header("If-None-Match", "304 if the client has this form."),
]
REFUSALS = {
    304: OpenApiResponse(description="The client has this form."),
    307: OpenApiResponse(description="The bytes are at this signed address, for a while."),
    (406, PROBLEM): _problem("Accept-Encoding refuses every form."),
    (410, PROBLEM): _problem("The bundle was revoked: no device may run it."),
    (412, PROBLEM): _problem("If-Match names another form."),
    (416, PROBLEM): _problem("No byte lies in the range."),
    (503, PROBLEM): _problem("The store does not answer, or has lost the bytes."),
}


class AnyAccept(BaseContentNegotiation):
    """Sends what the address names, whatever `Accept` says: a blob has one media type."""

    def select_parser(self, request: Request, parsers: Iterable[BaseParser]) -> BaseParser:  # noqa: ARG002
        """The first."""
        return next(iter(parsers))

    def select_renderer(
        self,
        request: Request,  # noqa: ARG002
        renderers: Iterable[BaseRenderer],
        format_suffix: str | None = None,  # noqa: ARG002
    ) -> tuple[BaseRenderer, str]:
        """The first, which renders problem documents."""
        first = next(iter(renderers))
        return first, first.media_type


class Blob(APIView):
    """The bytes of a bundle, or of its model card."""

    content_negotiation_class = AnyAccept

    @extend_schema(
        operation_id="blob",
        tags=["delivery"],
        parameters=[
            _digest("sha256", "SHA-256 of an archive or a model card"),
            *CONDITIONS,
            _header("Accept-Encoding", "`br`, `zstd`, `gzip` for a compressed form; `dcz` for a patch."),
            _header("Available-Dictionary", "SHA-256 of an older bundle that the client has: RFC 9842."),
        ],
        responses={
            (200, "application/zip"): _bytes("The whole form of a bundle."),
            (200, "text/html"): OpenApiResponse(OpenApiTypes.STR, description="The model card."),
            (206, "application/zip"): _bytes("The range of the form."),
            (404, PROBLEM): _problem("Not a digest, or nothing has it."),
            **REFUSALS,
        },
    )
    def get(self, request: Request, sha256: str) -> HttpResponseBase:
        """Download a bundle, or the rest of one.

        Each form (plain, br, zstd, gzip, dcz) has its own strong ETag and `Repr-Digest`; a range counts in
        the bytes of the form that is sent, and `Content-Digest` is of that range. A client that names an
        older bundle of the variant in `Available-Dictionary` and accepts `dcz` gets what changed since, if
        that is smaller.
        """
        return blobs.answer_blob(request, sha256)


class BlobDelta(APIView):
    """A patch between two bundles."""

    content_negotiation_class = AnyAccept

    @extend_schema(
        operation_id="blob_delta",
        tags=["delivery"],
        parameters=[
            _digest("sha256", "SHA-256 of the archive that the patch makes"),
            _digest("base", "SHA-256 of the archive that it is applied to"),
            *CONDITIONS,
        ],
        responses={
            (200, "application/octet-stream"): _bytes("The patch."),
            (206, "application/octet-stream"): _bytes("The range of the patch."),
            (404, PROBLEM): _problem("No patch between these two: download the whole."),
            **REFUSALS,
        },
    )
    def get(self, request: Request, sha256: str, base: str) -> HttpResponseBase:
        """Download a patch in the format of bsdiff 4, between two uncompressed archives.

        For clients without RFC 9842. The archive that it makes must have the digest in the address, which the
        signed catalog names; a client that gets another one downloads the whole.
        """
        return blobs.answer_delta(request, sha256, base)
