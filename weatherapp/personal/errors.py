"""What can go wrong with devices. `weatherapp.config.problems` turns each into an HTTP answer."""

from collections.abc import Mapping
from types import MappingProxyType


class PersonalError(Exception):
    """Root of everything this package raises on purpose; `headers` go with its HTTP answer."""

    headers: Mapping[str, str] = MappingProxyType({})


class InputInvalid(PersonalError):
    """A value is not one of those allowed; the sentence names the field."""


class NotYours(PersonalError):
    """The device has nothing with this id. Whether another one has is not said."""


class LimitReached(PersonalError):
    """The device has as many of these as it may."""


class AlreadySent(PersonalError):
    """The id was used before, with other content."""


class NoForecastThere(PersonalError):
    """No forecast covers the place and time, so there is nothing to compare with."""


class BodyTooLarge(PersonalError):
    """A body over the limit."""


class TokenRefused(PersonalError):
    """No device has this token."""

    headers: Mapping[str, str] = MappingProxyType({"WWW-Authenticate": 'Bearer realm="skyfold"'})


class TooManyCalls(PersonalError):
    """A limit of calls is used up."""

    def __init__(self, message: str, *, wait: int) -> None:
        super().__init__(message)
        self.headers = {"Retry-After": str(wait)}


class TargetRefused(PersonalError):
    """A webhook's address is one that this server does not call."""


class DeliveryFailed(PersonalError):
    """A webhook could not be reached, or gave no reply."""
