"""The repository over HTTP: what clients of The Update Framework ask for, byte for byte as it was signed."""

import hashlib
import re

from django.http import HttpResponse, HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.views import APIView

from mobile_models import blobs, conditional, selectors
from mobile_models.blob_views import CONDITIONS, PROBLEM, REFUSALS, AnyAccept
from mobile_models.downloads import FOREVER
from mobile_models.errors import UnknownMetadata
from mobile_models.models import TargetDocument
from mobile_models.serializers import ProblemSerializer
from mobile_models.signing import store
from mobile_models.signing.roles import TIMESTAMP, bundle_path

JSON = "application/json"
# How long a cache may believe that nothing is new. Phones see a halt this much later.
NEWS_SECONDS = 60
NEWS = f"public, max-age={NEWS_SECONDS}"
VERSIONED = re.compile(r"([1-9][0-9]{0,8})\.([a-z]{1,60})\.json")
# `{digest}.` stands before the file's name, as the specification says, or before the whole path.
NAME_PREFIXED = re.compile(r"(?P<folder>[a-z]+/[a-z]+/)(?P<digest>[0-9a-f]{64})\.(?P<name>[a-z0-9.-]{1,80})")
PATH_PREFIXED = re.compile(r"(?P<digest>[0-9a-f]{64})\.(?P<folder>[a-z]+/[a-z]+/)(?P<name>[a-z0-9.-]{1,80})")
BUNDLE = re.compile(r"bundles/([a-z]+)/([0-9a-f]{64})\.zip")
NOT_FOUND = OpenApiResponse(ProblemSerializer, description="Nothing of this name was published.")
UNCHANGED = OpenApiResponse(description="The client has it.")


class SignedMetadata(APIView):
    """Signed metadata of The Update Framework, specification 1.0."""

    content_negotiation_class = AnyAccept

    @extend_schema(
        operation_id="tuf_metadata",
        tags=["delivery"],
        parameters=[
            OpenApiParameter(
                "file",
                location="path",
                description="`timestamp.json`, or version, role and `.json`: roles are root, targets, "
                "snapshot, rollout, ios, android, linux.",
                examples=[OpenApiExample("timestamp", value="timestamp.json")],
            ),
        ],
        responses={
            (200, JSON): OpenApiResponse(OpenApiTypes.OBJECT, description="The metadata as it was signed."),
            304: UNCHANGED,
            (404, PROBLEM): NOT_FOUND,
        },
    )
    def get(self, request: Request, file: str) -> HttpResponse:
        """Download one role's signed metadata.

        A version never changes. `timestamp.json` may be kept for a minute, and so may the 404 that says that
        there is no newer root.
        """
        if file == f"{TIMESTAMP}.json":
            return _answer(request, store.content(TIMESTAMP), cache=NEWS)
        match = VERSIONED.fullmatch(file)
        content = store.published(match[2], int(match[1])) if match and match[2] != TIMESTAMP else None
        if content is None:
            raise _unknown(
                file, "Ask for timestamp.json, or for a version that it leads to, as in 1.root.json."
            )
        return _answer(request, content, cache=FOREVER)


class Target(APIView):
    """A signed target: a catalog or a bundle."""

    content_negotiation_class = AnyAccept

    @extend_schema(
        operation_id="tuf_target",
        tags=["delivery"],
        parameters=[
            OpenApiParameter(
                "path",
                location="path",
                description="A target's path, its SHA-256 and a dot before the file's name: "
                "`catalog/ios/{sha256}.stable.json`, `bundles/ios/{sha256}.{sha256}.zip`.",
            ),
            *CONDITIONS,
        ],
        responses={
            (200, JSON): OpenApiResponse(OpenApiTypes.OBJECT, description="A catalog."),
            (200, "application/zip"): OpenApiResponse(OpenApiTypes.BINARY, description="A bundle."),
            (206, "application/zip"): OpenApiResponse(OpenApiTypes.BINARY, description="A bundle's range."),
            (404, PROBLEM): NOT_FOUND,
            **REFUSALS,
        },
    )
    def get(self, request: Request, path: str) -> HttpResponseBase:
        """Download a target under the digest that was signed; it never changes under its address."""
        match = NAME_PREFIXED.fullmatch(path) or PATH_PREFIXED.fullmatch(path)
        if match is None:
            raise _unknown(path, "Ask as in catalog/ios/{sha256}.stable.json.")
        target, digest = match["folder"] + match["name"], match["digest"]
        bundle = BUNDLE.fullmatch(target)
        if bundle is not None:
            return _bundle(request, bundle[1], digest, target)
        document = TargetDocument.objects.filter(path=target, sha256=digest).first()
        if document is None:
            raise _unknown(path, "Its digest stands in the rollout role's metadata.")
        return _answer(request, bytes(document.content), cache=FOREVER)


def _bundle(request: Request, platform: str, digest: str, target: str) -> HttpResponseBase:
    bundle = selectors.stored_bundle(digest)
    if target != bundle_path(platform, digest) or platform not in bundle.platforms:
        raise _unknown(target, "Its digest and platform stand in the platform role's metadata.")
    return blobs.answer_bundle(request, bundle)


def _answer(request: Request, content: bytes, *, cache: str) -> HttpResponse:
    headers = {"ETag": f'"{hashlib.sha256(content).hexdigest()}"', "Cache-Control": cache}
    if not conditional.if_none_match_holds(request.headers.get("If-None-Match"), headers["ETag"]):
        return HttpResponse(status=304, headers=headers)
    return HttpResponse(content, content_type=JSON, headers=headers)


def _unknown(name: str, advice: str) -> UnknownMetadata:
    return UnknownMetadata(f"Nothing was published as {name[:120]!r}. {advice}")
