"""What can go wrong with the details of a card."""

from packager.errors import PackagerError


class DetailsInvalid(PackagerError):
    """A file beside a card does not hold what was measured for it."""
