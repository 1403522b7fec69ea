"""The public forecast API."""

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl

from django.conf import settings
from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import exceptions
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from weatherapp.core.errors import NothingNear
from weatherapp.forecasts import answers, caching, cells, limits, memory, reference, replies, selectors, store
from weatherapp.forecasts.errors import NoCurrentRun, QueryInvalid, TooManyRequests
from weatherapp.forecasts.formats import csv, flatbuffers
from weatherapp.forecasts.formats import json as json_format
from weatherapp.forecasts.query import Query, parse_query, split_lists
from weatherapp.forecasts.reply import PlaceReply

Pairs = list[tuple[str, Any]]

BODY_LIMIT = 128 * 1024
TOO_LARGE = f"The body has more than {BODY_LIMIT // 1024} kB. Ask for fewer places in one request."
FORM = "application/x-www-form-urlencoded"
UNTYPED = frozenset({"", "text/plain", "application/octet-stream"})  # what programs say that say nothing
FIELDS = 20_000  # of a form: clients repeat keys for each of 1,000 places
SHORT = 1000  # characters of a query that is worth remembering
NAMED_PLACES = 10  # with more, the header that names the stations would grow too long
JSON = json_format.CONTENT_TYPE
WRITERS: dict[str, tuple[Callable[[Sequence[PlaceReply]], bytes], str]] = {
    "json": (json_format.write_json, json_format.CONTENT_TYPE),
    "csv": (csv.write_csv, csv.CONTENT_TYPE),
    "flatbuffers": (flatbuffers.write_flatbuffers, flatbuffers.CONTENT_TYPE),
}


class AnyAccept(DefaultContentNegotiation):
    """Answers in JSON whatever `Accept` says; `format` belongs to the API's own grammar."""

    def select_renderer(
        self,
        request: Request,  # noqa: ARG002
        renderers: Any,
        format_suffix: str | None = None,  # noqa: ARG002
    ) -> tuple[BaseRenderer, str]:
        """The first."""
        first = next(iter(renderers))
        return first, first.media_type


class Forecast(APIView):
    """Forecasts in the grammar of Open-Meteo."""

    content_negotiation_class = AnyAccept

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Answer GET without the framework's own steps, which take as long as a third of a forecast."""
        if request.method not in {"GET", "HEAD"}:
            return super().dispatch(request, *args, **kwargs)
        try:
            response = self.get(request)
        except Exception as error:  # noqa: BLE001 - a defect is raised again there
            response = self.handle_exception(error)
        return _open_to_all(response)

    @extend_schema(
        operation_id="forecast",
        tags=["forecast"],
        parameters=reference.PARAMETERS,
        responses=reference.FORECAST_RESPONSES,
    )
    def get(self, request: HttpRequest) -> HttpResponse:
        """Forecast one or more places: now, by hours, by days.

        One place gives an object, several give a list. Hours past the model's horizon are null. The body has
        `"replay": true` while the forecast is made from replayed observations of a past year.
        """
        limits.check_rate(request)
        asked = str(request.META.get("QUERY_STRING", ""))
        return _forecast(request, _parsed(asked, settings.FORECAST_DAYS), asked)

    @extend_schema(
        operation_id="forecast_post",
        tags=["forecast"],
        request=dict.fromkeys(reference.BODY_TYPES, reference.FORECAST_BODY),
        responses=reference.POSTED_RESPONSES,
    )
    def post(self, request: Request) -> HttpResponse:
        """The same with the parameters in a form or a JSON object of at most 128 kB."""
        limits.check_rate(request)
        asked = str(request.META.get("QUERY_STRING", ""))
        body = _body(request)
        named = {name for name, _ in body}
        pairs = [pair for pair in _pairs(asked) if pair[0] not in named] + body
        return _forecast(request, parse_query(split_lists(pairs), days=settings.FORECAST_DAYS), repr(pairs))

    def options(self, request: Any, *args: Any, **kwargs: Any) -> Response:  # noqa: ARG002
        """Let a page of any origin ask."""
        return Response(status=204)

    def handle_exception(self, exc: Exception) -> HttpResponse:  # type: ignore[override]
        """Answer with this grammar's own error body."""
        if isinstance(exc, QueryInvalid | NothingNear | SuspiciousOperation):
            return _refusal(400, str(exc))
        if isinstance(exc, NoCurrentRun):
            return _refusal(503, str(exc), dict(exc.headers))
        if isinstance(exc, TooManyRequests):
            return _refusal(429, str(exc), dict(exc.headers))
        if isinstance(exc, exceptions.APIException):
            return _refusal(exc.status_code, str(exc.detail), _allow(self, exc))
        raise exc

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Let pages of any origin read the answer."""
        final = _open_to_all(super().finalize_response(request, response, *args, **kwargs))
        if request.method == "OPTIONS":
            final["Access-Control-Allow-Methods"] = "GET, POST, HEAD, OPTIONS"
            final["Access-Control-Allow-Headers"] = "*"
            final["Access-Control-Max-Age"] = "86400"
        return final


class CellInputs(APIView):
    """What a phone needs to forecast on its own."""

    content_negotiation_class = AnyAccept

    @extend_schema(
        operation_id="cell_inputs",
        tags=["forecast"],
        parameters=[reference.CELL],
        responses=reference.CELL_RESPONSES,
    )
    def get(self, request: Request, cell: str) -> HttpResponse:
        """The model inputs of the stations in and around a cell of one degree.

        The same bytes for everyone. The phone runs the model for each station and blends for its exact place,
        which it tells nobody. A missing report is null: 0 with a mask of 0 in the tensors.
        """
        named = cells.parse_cell(cell)
        now = timezone.now()
        run = selectors.current_run()
        etag = caching.tag(str(run.folder), named.name)
        if caching.is_fresh(request, etag):
            response: HttpResponse = HttpResponseNotModified()
        else:
            body = cells.inputs_body(store.open_run(str(run.folder)), named, replay=run.replay)
            response = HttpResponse(body, content_type=JSON)
        response["Access-Control-Allow-Origin"] = "*"
        return caching.describe(caching.stamp(response, run, etag, now), run, now)


class BodyTooLarge(exceptions.APIException):
    """A body over the limit."""

    status_code = 413
    default_code = "body-too-large"


class BodyNotRead(exceptions.APIException):
    """A body of a type that is not read."""

    status_code = 415
    default_code = "body-type-not-read"


def _forecast(request: HttpRequest, query: Query, asked: str) -> HttpResponse:
    now = timezone.now()
    sources = answers.find_sources(query)
    modified = caching.modified_at(sources.runs, now)
    # A series starts at a local midnight or at the current hour, which is a quarter of an hour everywhere.
    etag = caching.tag(sources.key, asked, str(int(now.timestamp()) // caching.QUARTER), weak=True)
    if request.method == "POST":
        response = _written(query, sources, now)
    elif caching.is_fresh(request, etag, modified):
        # Without a type, so that no cache takes it for that of the body that it keeps.
        response = HttpResponseNotModified()
    else:
        response = _remembered(etag, query, sources, now)
    about_now = bool(query.current or query.current_weather or query.minutely_15)
    newest = sources.runs[0]
    caching.stamp(response, newest, etag, now, modified=modified, moment=about_now)
    response["Vary"] = "Accept-Encoding"
    return caching.describe(response, newest, now)


def _remembered(etag: str, query: Query, sources: answers.Sources, now: datetime) -> HttpResponse:
    """What was written for this tag before: the same question, the same run, the same quarter of an hour."""
    most = settings.ANSWER_CACHE_MB * 1024 * 1024
    key = f"{settings.RUNS_DIR} {etag}"
    found = memory.bodies.get(key) if most else None
    if found is not None:
        body, stations = found
        response = HttpResponse(body, content_type=WRITERS[query.format][1])
        if stations:
            response["X-Skyfold-Stations"] = stations
        return response
    response = _written(query, sources, now)
    if most:
        memory.bodies.put(key, response.content, response.get("X-Skyfold-Stations", ""), most)
    return response


def _written(query: Query, sources: answers.Sources, now: datetime) -> HttpResponse:
    made = answers.make_answers(query, sources, replies.plan(query, now))
    write, content_type = WRITERS[query.format]
    response = HttpResponse(write([answer.reply for answer in made]), content_type=content_type)
    if len(made) <= NAMED_PLACES:
        stored = store.open_run(str(sources.runs[0].folder))
        response["X-Skyfold-Stations"] = " | ".join(_stations(stored, answer) for answer in made)
    return response


def _stations(stored: store.StoredRun, answer: replies.Answer) -> str:
    blend = answer.blend
    return ", ".join(
        f"{stored.stations[index].code};{distance:.1f}km"
        for index, distance in zip(blend.stations.tolist(), blend.distances.tolist(), strict=True)
    )


def _parsed(asked: str, days: int) -> Query:
    return _short(asked, days) if len(asked) <= SHORT else _read(asked, days)


def _read(asked: str, days: int) -> Query:
    return parse_query(split_lists(_pairs(asked)), days=days)


# Clients ask the same again and again, and a query depends on nothing else.
_short = lru_cache(maxsize=1024)(_read)


def _pairs(asked: str) -> Pairs:
    try:
        return list(parse_qsl(asked, keep_blank_values=True, max_num_fields=FIELDS))
    except ValueError as error:
        raise QueryInvalid(
            f"More than {FIELDS} parameters were given. Separate values by commas instead of repeating a key."
        ) from error


def _body(request: Request) -> Pairs:
    # DRF's parsers would answer a malformed body in another shape.
    raw = _raw(request._request)  # noqa: SLF001
    content_type = (request.content_type or "").partition(";")[0].strip().lower()
    # Pages' scripts send JSON as plain text; no form starts with a brace.
    if "json" not in content_type and not (content_type in UNTYPED and raw.lstrip().startswith(b"{")):
        if content_type not in {FORM, *UNTYPED}:
            raise BodyNotRead(f"Bodies of {content_type[:40]} are not read. Send a form or JSON.")
        return _pairs(raw.decode("utf-8", "replace"))
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise QueryInvalid(
            f"The body is not JSON: {str(error)[:80]}. Send one object of parameters."
        ) from error
    if not isinstance(body, dict):
        raise QueryInvalid("The body must be one JSON object with the parameters as its keys.")
    # Programs write null for what they were not given.
    return [(name, value) for name, value in body.items() if value is not None]


def _raw(request: HttpRequest) -> bytes:
    length = str(request.META.get("CONTENT_LENGTH") or 0)
    if not length.isdigit() or int(length[:12]) > BODY_LIMIT:
        raise BodyTooLarge(TOO_LARGE)
    # Without a length a body comes in chunks, and gunicorn says that its stream ends with the body.
    chunked = not request.META.get("CONTENT_LENGTH") and request.META.get("wsgi.input_terminated")
    body: bytes = request.META["wsgi.input"].read(BODY_LIMIT + 1) if chunked else request.body
    if len(body) > BODY_LIMIT:
        raise BodyTooLarge(TOO_LARGE)
    return body


def _allow(view: APIView, error: exceptions.APIException) -> dict[str, str]:
    return {"Allow": ", ".join(view.allowed_methods)} if error.status_code == 405 else {}


def _open_to_all(response: Any) -> Any:
    response["Access-Control-Allow-Origin"] = "*"
    response["Access-Control-Expose-Headers"] = reference.EXPOSED
    return response


def _refusal(status: int, reason: str, headers: dict[str, str] | None = None) -> HttpResponse:
    body = json.dumps({"error": True, "reason": reason}, ensure_ascii=False)
    return HttpResponse(body, status=status, headers=headers, content_type="application/json")
