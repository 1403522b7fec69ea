"""Who must give a code before the admin opens."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import urlencode

from weatherapp.config.second_factor import services

# What must open without a code: in, out, and the page that asks for it.
OPEN = ("admin:login", "admin:logout", "second-factor:verify")
ENROLMENT = ("second-factor:enrol", "admin:logout", "admin:login")


class SecondFactorMiddleware:
    """Sends people below the admin's root to the page that asks for their code, or to set one up."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer, or ask for the second factor first."""
        if request.path.startswith(reverse("admin:index")) and (page := wanted_page(request)):
            return redirect(f"{reverse(page)}?{urlencode({'next': request.get_full_path()})}")
        return self.get_response(request)


def wanted_page(request: HttpRequest) -> str | None:
    """The page that a person has to see first; none where nothing is missing."""
    user = request.user
    if not user.is_authenticated or user.is_verified():  # type: ignore[attr-defined]  # OTPMiddleware adds it
        return None
    if services.is_enrolled(user):
        return None if _at(request, OPEN) else "second-factor:verify"
    if settings.ADMIN_TOTP_REQUIRED:
        return None if _at(request, ENROLMENT) else "second-factor:enrol"
    return None


def _at(request: HttpRequest, names: tuple[str, ...]) -> bool:
    return request.path in {reverse(name) for name in names}
