"""What can go wrong with observations."""


class ObservationError(Exception):
    """Root of everything this package raises on purpose."""


class FeedUnknown(ObservationError):
    """No feed has this name."""


class FeedUnreadable(ObservationError):
    """A feed's source is missing, damaged or not what the feed reads."""


class FeedBusy(ObservationError):
    """Another pass of the feed is under way."""


class FeedQueueDown(ObservationError):
    """A pass cannot be queued."""


class ArchiveBusy(ObservationError):
    """Another process archives into the same folder."""


class ArchiveUnusable(ObservationError):
    """The folder or a file of archived months cannot be read or written."""


class StationUnknown(ObservationError):
    """No station has this code."""


class NothingToBuild(ObservationError):
    """A dataset was asked for of which nothing was ingested."""


class DatasetNotWritten(ObservationError):
    """A dataset cannot be written where it was asked for."""
