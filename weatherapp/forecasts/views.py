"""The public forecast API."""

import json
from datetime import datetime
from typing import Any

from django.core.exceptions import SuspiciousOperation
from django.http import HttpResponse, QueryDict
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import exceptions
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from weatherapp.core.errors import NothingNear
from weatherapp.forecasts import caching, cells, reference, replies, selectors, store
from weatherapp.forecasts.errors import NoCurrentRun, QueryInvalid
from weatherapp.forecasts.models import ForecastRun
from weatherapp.forecasts.query import Query, parse_query, split_lists

BODY_LIMIT = 128 * 1024
NAMED_PLACES = 10  # with more, the header that names the stations would grow too long
JSON = "application/json; charset=utf-8"


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

    @extend_schema(
        operation_id="forecast",
        tags=["forecast"],
        parameters=reference.PARAMETERS,
        responses=reference.FORECAST_RESPONSES,
    )
    def get(self, request: Request) -> HttpResponse:
        """Forecast one or more places, hour by hour.

        One place gives an object, several give a list. Hours past the model's horizon, and hours before the
        current run began, are null. The body has `"replay": true` while the forecast is made from replayed
        observations of a past year.
        """
        return _forecast(request, split_lists((name, request.GET.getlist(name)) for name in request.GET))

    @extend_schema(
        operation_id="forecast_post",
        tags=["forecast"],
        request=dict.fromkeys(reference.BODY_TYPES, reference.FORECAST_BODY),
        responses=reference.FORECAST_RESPONSES,
    )
    def post(self, request: Request) -> HttpResponse:
        """The same with the parameters in a form or a JSON object of at most 128 kB."""
        return _forecast(request, split_lists(_body(request).items()))

    def handle_exception(self, exc: Exception) -> Response:
        """Answer with this grammar's own error body."""
        if isinstance(exc, QueryInvalid | NothingNear | SuspiciousOperation):
            return _refusal(400, str(exc))
        if isinstance(exc, NoCurrentRun):
            return _refusal(503, str(exc), dict(exc.headers))
        if isinstance(exc, BodyTooLarge):
            return _refusal(413, str(exc.detail))
        if isinstance(exc, exceptions.APIException):
            return _refusal(exc.status_code, str(exc.detail))
        raise exc

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Let pages of any origin read the answer."""
        final = super().finalize_response(request, response, *args, **kwargs)
        final["Access-Control-Allow-Origin"] = "*"
        final["Access-Control-Expose-Headers"] = reference.EXPOSED
        if request.method == "OPTIONS":
            final["Access-Control-Allow-Methods"] = "GET, POST, HEAD, OPTIONS"
            final["Access-Control-Allow-Headers"] = "*"
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
            response = HttpResponse(status=304)
        else:
            body = cells.inputs_body(store.open_run(str(run.folder)), named, replay=run.replay)
            response = HttpResponse(body, content_type=JSON)
        response["Access-Control-Allow-Origin"] = "*"
        return caching.describe(caching.stamp(response, run, etag, now), run)


class BodyTooLarge(exceptions.APIException):
    """A body over the limit."""

    status_code = 413
    default_code = "body-too-large"


def _forecast(request: Request, parameters: dict[str, list[str]]) -> HttpResponse:
    query = parse_query(parameters)
    now = timezone.now()
    run = selectors.current_run()
    if query.model not in {"best_match", run.release.version}:
        raise QueryInvalid(
            f"Parameter 'models' is {query.model[:60]!r}; allowed: best_match, {run.release.version}."
        )
    etag = _etag(run, parameters, now)
    if request.method in {"GET", "HEAD"} and caching.is_fresh(request, etag):
        response = HttpResponse(status=304)
    else:
        response = _answers(query, run, now)
    return caching.describe(caching.stamp(response, run, etag, now), run)


def _answers(query: Query, run: ForecastRun, now: datetime) -> HttpResponse:
    stored = store.open_run(str(run.folder))
    answers = [
        replies.answer(stored, query, place, index=index, now=now, replay=run.replay)
        for index, place in enumerate(query.places)
    ]
    bodies = [answer.body for answer in answers]
    content = json.dumps(
        bodies if len(bodies) > 1 else bodies[0], ensure_ascii=False, separators=(",", ":"), allow_nan=False
    )
    response = HttpResponse(content, content_type=JSON)
    if len(answers) <= NAMED_PLACES:
        response["X-Skyfold-Stations"] = " | ".join(_stations(stored, answer) for answer in answers)
    return response


def _stations(stored: store.StoredRun, answer: replies.Answer) -> str:
    blend = answer.blend
    return ", ".join(
        f"{stored.stations[index].code};{distance:.1f}km"
        for index, distance in zip(blend.stations.tolist(), blend.distances.tolist(), strict=True)
    )


def _etag(run: ForecastRun, parameters: dict[str, list[str]], now: datetime) -> str:
    # The series starts at a local midnight or at the current hour, which is a quarter of an hour everywhere.
    quarter = str(int(now.timestamp()) // 900)
    asked = json.dumps(parameters, sort_keys=True)
    return caching.tag(str(run.folder), asked, quarter, weak=True)


def _body(request: Request) -> dict[str, Any]:
    if int(request.META.get("CONTENT_LENGTH") or 0) > BODY_LIMIT:
        raise BodyTooLarge(
            f"The body has more than {BODY_LIMIT // 1024} kB. Ask for fewer places in one request."
        )
    raw = request._request.body  # noqa: SLF001  (DRF's parsers would answer a malformed body in another shape)
    if "json" not in (request.content_type or ""):
        form = QueryDict(raw)
        return {name: form.getlist(name) for name in form}
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise QueryInvalid(
            f"The body is not JSON: {str(error)[:80]}. Send one object of parameters."
        ) from error
    if not isinstance(body, dict):
        raise QueryInvalid("The body must be one JSON object with the parameters as its keys.")
    return body


def _refusal(status: int, reason: str, headers: dict[str, str] | None = None) -> Response:
    return Response({"error": True, "reason": reason}, status=status, headers=headers)
