"""How long an answer holds, and whether a client has it already."""

import hashlib
from datetime import datetime, timedelta

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.http import http_date, parse_etags

from weatherapp.forecasts.models import ForecastRun

LEAST_SECONDS = 60
JITTER_SECONDS = 120


def tag(*parts: str, weak: bool = False) -> str:
    """An entity tag that changes with any part."""
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]
    return f'W/"{digest}"' if weak else f'"{digest}"'


def is_fresh(request: HttpRequest, etag: str) -> bool:
    """Whether `If-None-Match` names the tag (weak comparison, RFC 9110)."""
    given = parse_etags(request.headers.get("If-None-Match", ""))
    return "*" in given or etag.removeprefix("W/") in {one.removeprefix("W/") for one in given}


def stamp(response: HttpResponse, run: ForecastRun, etag: str, now: datetime) -> HttpResponse:
    """Say until when the answer holds: the next cycle, spread so that clients do not come at once."""
    jitter = (
        int.from_bytes(hashlib.sha256(f"{run.folder} {etag}".encode()).digest()[:4], "big") % JITTER_SECONDS
    )
    due = run.init_time + timedelta(hours=1, minutes=settings.CYCLE_MINUTE, seconds=jitter)
    seconds = max(LEAST_SECONDS, int((due - now).total_seconds()))
    response["ETag"] = etag
    response["Cache-Control"] = f"public, max-age={seconds}"
    response["Expires"] = http_date(now.timestamp() + seconds)
    if run.stored:
        response["Last-Modified"] = http_date(run.stored.timestamp())
    return response


def describe(response: HttpResponse, run: ForecastRun) -> HttpResponse:
    """Say which run and release answered, and whether it is a replay."""
    response["X-Skyfold-Run"] = str(run.folder)
    response["X-Skyfold-Release"] = run.release.version
    if run.replay:
        response["X-Skyfold-Replay"] = "true"
    return response
