"""How long an answer holds, and whether a client has it already."""

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.http import http_date, parse_etags, parse_http_date_safe

from weatherapp.forecasts.models import ForecastRun

LEAST_SECONDS = 60
JITTER_SECONDS = 120
QUARTER = 900


def tag(*parts: str, weak: bool = False) -> str:
    """An entity tag that changes with any part."""
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]
    return f'W/"{digest}"' if weak else f'"{digest}"'


def is_fresh(request: HttpRequest, etag: str, modified: int | None = None) -> bool:
    """Whether the client has this answer (RFC 9110): `If-None-Match` counts alone where it is given.

    Args:
        request: with the client's conditions.
        etag: of the answer now; compared weakly.
        modified: when the answer became what it is, Unix seconds; None does not look at `If-Modified-Since`.
    """
    given = request.META.get("HTTP_IF_NONE_MATCH")
    if given is not None:
        tags = parse_etags(given)
        return "*" in tags or etag.removeprefix("W/") in {one.removeprefix("W/") for one in tags}
    since = request.META.get("HTTP_IF_MODIFIED_SINCE")
    if since is None or modified is None:
        return False
    known = parse_http_date_safe(since)
    return known is not None and modified <= known


def modified_at(runs: Sequence[ForecastRun], now: datetime) -> int:
    """When a forecast became what it is, Unix seconds.

    With a new run, or at a full quarter of an hour: there every series starts that starts today or now, in
    every zone.
    """
    stored = [int(run.stored.timestamp()) for run in runs if run.stored]
    return max([*stored, int(now.timestamp()) // QUARTER * QUARTER])


def stamp(
    response: HttpResponse,
    run: ForecastRun,
    etag: str,
    now: datetime,
    *,
    modified: int | None = None,
    moment: bool = False,
) -> HttpResponse:
    """Say until when the answer holds: the next cycle, spread so that clients do not come at once.

    Args:
        response: gets the headers.
        run: that answers.
        etag: of the answer.
        now: aware.
        modified: when the answer became what it is, Unix seconds; when the run was stored unless given.
        moment: whether the answer is about now, and so holds for no more than this quarter of an hour.
    """
    jitter = (
        int.from_bytes(hashlib.sha256(f"{run.folder} {etag}".encode()).digest()[:4], "big") % JITTER_SECONDS
    )
    due = run.init_time + timedelta(hours=1, minutes=settings.CYCLE_MINUTE, seconds=jitter)
    seconds = max(LEAST_SECONDS, int((due - now).total_seconds()))
    if moment:
        seconds = min(seconds, QUARTER - int(now.timestamp()) % QUARTER)
    if modified is None and run.stored:
        modified = int(run.stored.timestamp())
    response["ETag"] = etag
    response["Cache-Control"] = f"public, max-age={seconds}"
    response["Expires"] = http_date(now.timestamp() + seconds)
    if modified is not None:
        response["Last-Modified"] = http_date(modified)
    return response


def describe(response: HttpResponse, run: ForecastRun, now: datetime) -> HttpResponse:
    """Say which run and release answered, how old the run is, and whether it is a replay."""
    response["X-Skyfold-Run"] = str(run.folder)
    response["X-Skyfold-Run-Age"] = str(int((now - run.init_time).total_seconds()))
    response["X-Skyfold-Release"] = run.release.version
    if run.replay:
        response["X-Skyfold-Replay"] = "true"
    return response
