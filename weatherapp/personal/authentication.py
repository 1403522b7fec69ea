"""Who calls: a device, known by its bearer token."""

from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from weatherapp.personal import services
from weatherapp.personal.errors import TokenRefused
from weatherapp.personal.models import Device

SCHEME = "bearer"


class BearerToken(BaseAuthentication):
    """`Authorization: Bearer …`, RFC 6750. The device becomes `request.auth`; there is no user."""

    def authenticate(self, request: Request) -> tuple[None, Device]:
        """The device of the token.

        Raises:
            TokenRefused: no token, or one of no device.
        """
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != SCHEME:
            raise TokenRefused(
                "This needs a token: send `Authorization: Bearer …`. POST /v1/devices gives one."
            )
        return None, services.authenticate(token=token.strip())

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002
        """The challenge of a 401."""
        return 'Bearer realm="skyfold"'
