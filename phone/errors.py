"""What can go wrong on a phone. The command line turns each into one sentence and exit code 2."""


class PhoneError(Exception):
    """Root of everything the phone raises on purpose."""


class ConnectionLost(PhoneError):
    """The network failed; what arrived so far is kept, and trying again is sensible."""


class DeadlineExceeded(PhoneError):
    """The server was too slow altogether."""


class ServerRefused(PhoneError):
    """The server answered, but not with what was asked for."""


class BundleRefused(PhoneError):
    """A bundle is not what was promised, or cannot be trusted on this device."""


class NothingInstalled(PhoneError):
    """There is no usable bundle on this device."""


class ForecastImpossible(PhoneError):
    """The model's inputs do not fit it, or there are none for this place."""
