"""The delivery API. Every answer is the same for everyone who asks the same, so caches may keep it."""

import hashlib
from collections.abc import Mapping
from typing import Any

from django.http import HttpResponse
from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    OpenApiResponse,
    PolymorphicProxySerializer,
    extend_schema,
)
from rest_framework.request import Request
from rest_framework.views import APIView

from mobile_models import conditional, offers, selectors
from mobile_models.catalog import build_catalog, schema, takeable
from mobile_models.device import MAX_RAM_MB, MOST_ITEMS, PERF_CLASSES, PLATFORMS, parse_device
from mobile_models.errors import UnknownModel
from mobile_models.models import DEFAULT_CHANNEL
from mobile_models.serializers import (
    CatalogSerializer,
    ModelsSerializer,
    NoBundleSerializer,
    OverviewSerializer,
    ProblemSerializer,
    ResolveSerializer,
)
from packager.contract import Contract, canonical_json

# Seconds for which a cache may keep what is on offer: a rollout reaches phones this much later.
OFFER_SECONDS = 60

PROBLEM = "application/problem+json"


def _problem(description: str) -> OpenApiResponse:
    return OpenApiResponse(ProblemSerializer, description=description)


def _query(name: str, description: str, example: Any, **more: Any) -> OpenApiParameter:
    return OpenApiParameter(
        name, description=description, examples=[OpenApiExample(str(example), value=example)], **more
    )


CHANNEL = _query("channel", "The audience, `stable` unless given.", "stable")
PLATFORM = _query(
    "platform", "Give it for the signed document; without it, bundles for all are listed.", "ios",
    enum=tuple(PLATFORMS),
)  # fmt: skip
LIST = f"At most {MOST_ITEMS}, with commas between."
DEVICE = [
    _query("platform", "`linux` is the reference phone.", "ios", required=True, enum=tuple(PLATFORMS)),
    _query("os_version", "The system's version, one to four numbers.", "17.4"),
    _query("app_version", "The app's version, one to four numbers.", "2.3.1"),
    _query("ram_mb", f"Memory in mebibytes, 1 to {MAX_RAM_MB}.", 6144, type=OpenApiTypes.INT),
    _query("perf_class", "Speed of the device; outweighs its memory unless `mid`.", "mid", enum=PERF_CLASSES),
    _query("region", "Where the device is, ISO 3166-1: two capital letters.", "DE"),
    _query("accelerators", f"What the device has. {LIST}", "ane,gpu"),
    _query("engines", f"Versions of the engines in the app. {LIST}", "litert:2.1"),
    _query("contract", f"Versions of the contracts that the app can feed; all unless given. {LIST}", "1,2"),
]
CATALOG_OR_OVERVIEW = PolymorphicProxySerializer(
    component_name="CatalogOrOverview",
    serializers=[CatalogSerializer, OverviewSerializer],
    resource_type_field_name=None,
)


class Models(APIView):
    """The models that this server serves."""

    @extend_schema(operation_id="models", tags=["delivery"], responses=ModelsSerializer)
    def get(self, request: Request) -> HttpResponse:
        """List the models with their contracts."""
        listed = [_model(name, [read() for read in readers]) for name, readers in selectors.MODELS.items()]
        return _cacheable(request, {"models": listed})


class Catalog(APIView):
    """The bundle catalog."""

    @extend_schema(
        operation_id="catalog",
        tags=["delivery"],
        parameters=[PLATFORM, CHANNEL],
        responses={
            200: CATALOG_OR_OVERVIEW,
            400: _problem("`platform` is unknown, or `channel` is no name."),
            404: _problem("No such channel."),
        },
    )
    def get(self, request: Request) -> HttpResponse:
        """List what a channel offers, newest release first.

        With `platform` this is, byte for byte, the document that is signed as the target
        `catalog/{platform}/{channel}.json`, once it is published; its JSON Schema is at
        `/v1/catalog/schema.json`. Without, every bundle on offer is listed, for people and tools.
        """
        channel, platform = _channel(request), request.query_params.get("platform")
        if platform is None:
            return _cacheable(request, offers.overview(selectors.offer_of(channel)))
        response = _cacheable(request, build_catalog(channel, platform))
        response["Link"] = f'<{reverse("catalog-schema")}>; rel="describedby"'
        return response


class CatalogSchema(APIView):
    """The form of the catalog."""

    @extend_schema(operation_id="catalog_schema", tags=["delivery"], responses=OpenApiTypes.OBJECT)
    def get(self, request: Request) -> HttpResponse:
        """The JSON Schema (2020-12) that every catalog meets."""
        return _cacheable(request, schema())


class Resolve(APIView):
    """Which bundle a device should run."""

    @extend_schema(
        operation_id="resolve",
        tags=["delivery"],
        parameters=[
            OpenApiParameter(
                "model", location="path", description="The model's name.", enum=tuple(selectors.MODELS)
            ),
            *DEVICE,
            CHANNEL,
        ],
        responses={
            200: ResolveSerializer,
            400: _problem("A parameter is missing or malformed; `detail` names it and what is allowed."),
            404: OpenApiResponse(
                NoBundleSerializer,
                description="No such model or channel, nothing on offer, or nothing that the device can run.",
            ),
        },
    )
    def get(self, request: Request, model: str) -> HttpResponse:
        """Choose one bundle for a device, by the rule that it can apply to the signed catalog by itself.

        Core ML on iOS 17 and newer, TFLite elsewhere. A lean device (`perf_class` low, or less than 4096 MB
        and `perf_class` not high) gets the smallest variant, any other the most precise one. The device
        itself decides whether it belongs to the rollout's share; if not, `otherwise` is for it. A device that
        runs one of `revoked` stops. This answer is not signed.
        """
        if model not in selectors.MODELS:
            raise UnknownModel(f"model: {model[:60]!r} was given; allowed are {', '.join(selectors.MODELS)}.")
        device = parse_device(request.query_params)
        offer = selectors.offer_of(_channel(request))
        return _cacheable(request, offers.resolved(offer, takeable(offer, device.platform), device))


def _model(name: str, contracts: list[Contract]) -> dict[str, Any]:
    """A model with the contracts that inputs are served for, the one that needs least first."""
    references = [
        {"name": contract.name, "version": contract.version, "sha256": contract.digest}
        for contract in contracts
    ]
    return {
        "name": name,
        "contract": references[0],
        "contracts": references,
        "resolve_url": reverse("resolve", args=[name]),
        "catalog_url": reverse("catalog"),
    }


def _channel(request: Request) -> str:
    return request.query_params.get("channel", DEFAULT_CHANNEL)


def _cacheable(request: Request, body: Mapping[str, Any]) -> HttpResponse:
    """A document in its canonical bytes with an ETag, or 304 for a client that has it."""
    content = canonical_json(body)
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    response = HttpResponse(content, content_type="application/json")
    if not conditional.if_none_match_holds(request.headers.get("If-None-Match"), etag):
        response = HttpResponse(status=304)
        del response["Content-Type"]
    response["ETag"] = etag
    response["Cache-Control"] = f"public, max-age={OFFER_SECONDS}"
    return response
