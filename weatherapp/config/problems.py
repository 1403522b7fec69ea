"""One table from error class to HTTP status: RFC 9457 `application/problem+json`."""

from collections.abc import Mapping
from typing import Any

from django.http import Http404
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import exception_handler

from mobile_models import errors as delivery
from weatherapp.core import errors as core
from weatherapp.forecasts import errors as forecasts
from weatherapp.personal import errors as personal

# (status, problem type); a class covers its subclasses, the first match counts.
PROBLEMS: dict[type[Exception], tuple[int, str]] = {
    delivery.ParameterInvalid: (400, "parameter-invalid"),
    delivery.NotPermitted: (403, "not-permitted"),
    delivery.NoLiveRelease: (404, "no-live-release"),
    delivery.NoBundleForDevice: (404, "no-bundle-for-device"),
    delivery.NoDelta: (404, "no-delta"),
    delivery.NotFound: (404, "not-found"),
    delivery.NotAcceptable: (406, "not-acceptable"),
    delivery.StateConflict: (409, "state-conflict"),
    delivery.BundleRevoked: (410, "bundle-revoked"),
    delivery.PreconditionFailed: (412, "precondition-failed"),
    delivery.RangeNotSatisfiable: (416, "range-not-satisfiable"),
    delivery.StorageFailed: (503, "storage-failed"),
    delivery.KeyRefused: (503, "key-refused"),
    delivery.VerifierFailed: (503, "verifier-failed"),
    delivery.ReportTokenRefused: (401, "report-token-refused"),
    delivery.LengthRequired: (411, "length-required"),
    delivery.ReportTooLarge: (413, "report-too-large"),
    delivery.ContentEncodingRefused: (415, "content-encoding-refused"),
    delivery.ReportUnrelated: (422, "report-unrelated"),
    delivery.TooManyReports: (429, "too-many-reports"),
    personal.InputInvalid: (400, "input-invalid"),
    personal.TargetRefused: (400, "webhook-target-refused"),
    personal.TokenRefused: (401, "token-refused"),
    personal.NotYours: (404, "not-yours"),
    personal.LimitReached: (409, "limit-reached"),
    personal.AlreadySent: (409, "already-sent"),
    personal.NoForecastThere: (409, "no-forecast-there"),
    personal.BodyTooLarge: (413, "body-too-large"),
    personal.TooManyCalls: (429, "too-many-calls"),
    forecasts.QueryInvalid: (400, "parameter-invalid"),
    forecasts.CellUnknown: (404, "unknown-cell"),
    core.NothingNear: (422, "nothing-near"),
    forecasts.TooManyRequests: (429, "too-many-requests"),
    forecasts.NoCurrentRun: (503, "no-forecast-yet"),
}


def handle(error: Exception, context: dict[str, Any]) -> Response | None:
    """Answer a named error with its problem document; leave a defect to become a logged 500."""
    for kind, (status, slug) in PROBLEMS.items():
        if isinstance(error, kind):
            members = getattr(error, "members", {})
            return problem(status, slug, str(error), getattr(error, "headers", None), members)
    response = exception_handler(error, context)
    if response is None:
        return None
    slug = "not-found" if isinstance(error, Http404) else "bad-request"
    if isinstance(error, exceptions.APIException):
        slug = error.default_code.replace("_", "-")
    kept = {name: response[name] for name in ("Retry-After", "WWW-Authenticate") if name in response}
    return problem(response.status_code, slug, _detail(response.data), kept)


def problem(
    status: int,
    slug: str,
    detail: str,
    headers: Mapping[str, str] | None = None,
    members: Mapping[str, Any] | None = None,
) -> Response:
    """Build a problem document; `slug` names the kind of problem and is stable, `members` are its own."""
    body = {
        "type": f"urn:skyfold:problem:{slug}",
        "title": slug.replace("-", " "),
        "status": status,
        "detail": detail,
        **(members or {}),
    }
    return Response(body, status=status, headers=headers, content_type="application/problem+json")


def _detail(data: Any) -> str:
    if isinstance(data, dict):
        if set(data) == {"detail"}:
            return str(data["detail"])
        return "; ".join(f"{field}: {_detail(value)}" for field, value in data.items())
    if isinstance(data, list):
        return " ".join(_detail(item) for item in data)
    return str(data)
