"""What the API's reference says about devices."""

from drf_spectacular.extensions import OpenApiAuthenticationExtension


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # registers itself
    """The token of a device."""

    target_class = "weatherapp.personal.authentication.BearerToken"
    name = "device"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:  # noqa: ARG002
        """Bearer, as RFC 6750 says."""
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "The token that `POST /v1/devices` gave: a device's, not a person's.",
        }
