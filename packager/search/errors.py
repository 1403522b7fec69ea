"""What can go wrong in a search."""

from packager.errors import PackagerError


class SearchInvalid(PackagerError):
    """An argument of the search is wrong, or a study does not fit it."""


class StorageUnavailable(PackagerError):
    """Where trials are kept cannot be read or written."""


class NothingFits(PackagerError):
    """No trial, or no winner built in full, is inside the limits."""


class SearchFailed(PackagerError):
    """Trial after trial fails for a reason that is not the trial's own."""
