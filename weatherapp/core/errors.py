"""What the pure functions refuse."""


class CoreError(ValueError):
    """Root of everything the core raises on purpose."""


class NothingNear(CoreError):
    """No station is close enough to a place to say anything about it."""
