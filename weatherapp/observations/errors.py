"""What can go wrong with observations."""


class ObservationError(Exception):
    """Root of everything this package raises on purpose."""


class FeedUnknown(ObservationError):
    """No feed has this name."""


class FeedUnreadable(ObservationError):
    """A feed's source is missing, damaged or not what the feed reads."""


class FeedBusy(ObservationError):
    """Another pass of the feed is under way."""
