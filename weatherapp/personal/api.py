"""What every endpoint of a device has in common."""

import difflib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import IO, Any

from drf_spectacular.utils import OpenApiResponse
from rest_framework import exceptions, serializers
from rest_framework.authentication import BaseAuthentication
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from mobile_models.callers import caller
from mobile_models.serializers import ProblemSerializer
from weatherapp.forecasts import caching
from weatherapp.personal import limits
from weatherapp.personal.authentication import BearerToken
from weatherapp.personal.errors import BodyTooLarge, InputInvalid
from weatherapp.personal.models import Device

PROBLEM = "application/problem+json"
VARY = "Authorization, Accept-Language"


class StrictJSON(BaseParser):
    """One JSON object of at most 64 KiB, each of its keys once, its numbers finite."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,  # noqa: ARG002
        parser_context: Mapping[str, Any] | None = None,  # noqa: ARG002
    ) -> Any:
        """Read a body.

        Raises:
            BodyTooLarge, ParseError: says what is wrong with it.
        """
        raw = stream.read(limits.BODY_BYTES + 1)
        if len(raw) > limits.BODY_BYTES:
            raise BodyTooLarge(
                f"The body has more than {limits.BODY_BYTES // 1024} KiB. Send one thing at a time."
            )
        try:
            body = json.loads(raw, object_pairs_hook=_object, parse_constant=_constant)
            # JSON can spell half of a surrogate pair; nothing can store it or say it back.
            json.dumps(body, ensure_ascii=False).encode()
        except (ValueError, RecursionError) as error:
            raise exceptions.ParseError(f"The body is not JSON: {str(error)[:100]}.") from error
        if not isinstance(body, dict):
            raise exceptions.ParseError("The body must be one JSON object.")
        return body


class AnyAccept(DefaultContentNegotiation):
    """Answers in JSON whatever `Accept` says."""

    def select_renderer(
        self,
        request: Request,  # noqa: ARG002
        renderers: Any,
        format_suffix: str | None = None,  # noqa: ARG002
    ) -> tuple[BaseRenderer, str]:
        """The first."""
        first = next(iter(renderers))
        return first, first.media_type


class PersonalView(APIView):
    """An endpoint for one device: limited, known by its token, and kept out of every cache but its own."""

    authentication_classes: Sequence[type[BaseAuthentication]] = (BearerToken,)
    parser_classes = (StrictJSON,)
    content_negotiation_class = AnyAccept
    # Whether the device may keep the answer and ask whether it still holds.
    keepable = False

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Count the call, first of the address and then of the device."""
        limits.count_address(caller(request.META))
        super().initial(request, *args, **kwargs)
        if isinstance(request.auth, Device):
            limits.count_device(str(request.auth.pk))

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        """Say that the answer is for this device only."""
        final = super().finalize_response(request, response, *args, **kwargs)
        good = self.keepable and final.status_code in {200, 304}
        final["Cache-Control"] = "private, no-cache" if good else "no-store"
        final["Vary"] = VARY
        return final


def device_of(request: Request) -> Device:
    """The device that calls."""
    device: Device = request.auth  # type: ignore[assignment]  # what BearerToken gives
    return device


def body_of(
    request: Request, form: type[serializers.Serializer[None]], *, partial: bool = False
) -> dict[str, Any]:
    """The checked body of a request.

    Raises:
        ValidationError: names the field, what was given and what is allowed.
    """
    checked = form(data=request.data, partial=partial)
    checked.is_valid(raise_exception=True)
    return dict(checked.validated_data)


def query_of(request: Request, *names: str) -> dict[str, str]:
    """The parameters of a request's address; each at most once.

    Raises:
        InputInvalid: one is unknown, or comes twice.
    """
    found = {}
    for name in request.query_params:
        if name not in names:
            near = difflib.get_close_matches(name[:60], names, n=1)
            meant = f" Did you mean {near[0]!r}?" if near else ""
            raise InputInvalid(
                f"{name[:60]!r} is unknown; allowed: {', '.join(names) or 'no parameters'}.{meant}"
            )
        values = request.query_params.getlist(name)
        if len(values) > 1:
            raise InputInvalid(f"{name}: it came {len(values)} times; give it once.")
        found[name] = values[0]
    return found


def whole(values: Mapping[str, str], name: str, *, least: int, most: int, default: int) -> int:
    """A whole number of an address.

    Raises:
        InputInvalid: it is none, or out of range.
    """
    text = values.get(name, str(default))
    if not (text.isascii() and text.isdigit()) or len(text) > 12 or not least <= int(text) <= most:
        raise InputInvalid(
            f"{name}: {text[:60]!r} was given; allowed are whole numbers from {least} to {most}."
        )
    return int(text)


def conditional(request: Request, body: Mapping[str, Any], *parts: str) -> Response:
    """An answer with its entity tag, or 304 for a device that has it."""
    etag = caching.tag(json.dumps(body, sort_keys=True), *parts, weak=True)
    if caching.is_fresh(request, etag):
        return Response(status=304, headers={"ETag": etag})
    return Response(body, headers={"ETag": etag})


def problems(*statuses: int) -> dict[int, OpenApiResponse]:
    """What the reference says about the refusals of an endpoint; those that all have come by themselves."""
    said = {
        400: "The body or a parameter is not what is allowed; `detail` names it.",
        401: "No token, or one of no device.",
        404: "The device has nothing with this id.",
        409: "It cannot be taken as things are: a limit is reached, an id was used before, or no forecast "
        "covers the place and time.",
        413: "The body has more than 64 KiB.",
        415: "The body is not `application/json`.",
        429: "Too many calls; `Retry-After` says how many seconds to wait.",
        503: "No run is stored yet; `Retry-After` says when to ask again.",
    }
    return {
        status: OpenApiResponse(ProblemSerializer, description=said[status]) for status in (*statuses, 429)
    }


BODY = (400, 401, 413, 415)


def _object(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {key[:60]!r} comes twice")
        found[key] = value
    return found


def _constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON number")
