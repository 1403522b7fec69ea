"""The pages of the second factor, below the admin's root."""

from typing import Any, cast

import django_otp
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from weatherapp.config.second_factor import services
from weatherapp.config.second_factor.forms import CodeForm, FirstCodeForm


def verify(request: HttpRequest) -> HttpResponse:
    """Ask for a code after the password."""
    form = CodeForm(request.POST or None, user=_person(request))
    if form.is_valid():
        django_otp.login(request, form.device)
        return redirect(_next(request))
    return _page(request, "verify", form=form, next=_next(request))


def enrol(request: HttpRequest) -> HttpResponse:
    """Set an authenticator up: scan, type its first code, keep the recovery codes."""
    user = _person(request)
    form = FirstCodeForm(request.POST or None, user=user)
    if form.is_valid():
        django_otp.login(request, form.device)
        return _page(request, "codes", codes=services.new_recovery_codes(user), next=_next(request))
    device = services.pending_authenticator(user)
    shown = {"qr": services.qr_code(device), "secret": services.secret(device), "url": device.config_url}
    return _page(request, "enrol", form=form, next=_next(request), **shown)


def overview(request: HttpRequest) -> HttpResponse:
    """What a person has, and what can be done with it."""
    return _page(request, "overview", status=services.status(_person(request)))


@require_POST
def renew(request: HttpRequest) -> HttpResponse:
    """New recovery codes for a person who has an authenticator."""
    user = _person(request)
    if not services.is_enrolled(user):
        messages.error(request, "You have no authenticator yet. Set one up first.")
        return redirect("second-factor:overview")
    return _page(request, "codes", codes=services.new_recovery_codes(user), next=_next(request))


def turn_off(request: HttpRequest) -> HttpResponse:
    """Back to the password alone, for whoever can give a code once more."""
    if settings.ADMIN_TOTP_REQUIRED:
        messages.error(request, "Everyone needs a second factor here. Set up another authenticator instead.")
        return redirect("second-factor:overview")
    user = _person(request)
    form = CodeForm(request.POST or None, user=user)
    if form.is_valid():
        services.turn_off(user)
        messages.success(request, "Your password alone opens the admin again.")
        return redirect("second-factor:overview")
    return _page(request, "turn_off", form=form)


def _person(request: HttpRequest) -> User:
    """Who asks: the admin's wrapper let only staff through."""
    return cast("User", request.user)


def _next(request: HttpRequest) -> str:
    """Where to go on: a page of this server, or the admin's first."""
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    if url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure()):
        return wanted
    return settings.LOGIN_REDIRECT_URL


def _page(request: HttpRequest, name: str, **shown: Any) -> HttpResponse:
    context = {**admin.site.each_context(request), "title": "Second factor", **shown}
    return TemplateResponse(request, f"second_factor/{name}.html", context)
