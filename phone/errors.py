"""What can go wrong on a phone. The command line turns each into one sentence and exit code 2."""


class PhoneError(Exception):
    """Root of everything the phone raises on purpose."""


class ConnectionLost(PhoneError):
    """The network failed; what arrived so far is kept, and trying again is sensible."""


class DeadlineExceeded(PhoneError):
    """The server was too slow altogether."""


class ServerRefused(PhoneError):
    """The server answered, but not with what was asked for; `status` where it was an HTTP error."""

    def __init__(self, sentence: str, *, status: int | None = None) -> None:
        """Say what happened."""
        super().__init__(sentence)
        self.status = status


class RootMissing(PhoneError):
    """The phone has no root of trust, so that it can believe nobody."""


class MetadataRefused(PhoneError):
    """Signed metadata is missing, not signed as it must be, or does not fit together."""


class MetadataExpired(MetadataRefused):
    """The newest metadata is older than it may be: somebody may be keeping news from this phone."""


class CatalogRefused(PhoneError):
    """The catalog is signed but cannot be read, or offers what the offline keys did not sign."""


class BundleRefused(PhoneError):
    """A bundle is not what was promised, or cannot be trusted on this device."""


class NothingInstalled(PhoneError):
    """There is no usable bundle on this device."""


class ForecastImpossible(PhoneError):
    """The model's inputs do not fit it, or there are none for this place."""


class RoundUnderWay(PhoneError):
    """Another process works in the phone's folder."""
