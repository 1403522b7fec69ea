"""Who is locked out of the admin after too many wrong passwords, and what they see."""

from typing import Any

from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from mobile_models.callers import caller

TOO_MANY_REQUESTS = 429


def address(request: HttpRequest) -> str:
    """The address that failed logins are counted for; behind `PROXIES` proxies what the outermost saw.

    Whoever has an IPv6 network has all its addresses: they count as its first.
    """
    return caller(request.META).split("/")[0]


def locked_out(request: HttpRequest, *_: Any) -> HttpResponse:
    """The page for a name that is locked for the caller's address."""
    seconds = int(settings.AXES_COOLOFF_TIME.total_seconds())
    context = {**admin.site.each_context(request), "title": "Locked", "minutes": seconds // 60}
    page = render(request, "admin/locked_out.html", context, status=TOO_MANY_REQUESTS)
    page["Retry-After"] = str(seconds)
    return page
