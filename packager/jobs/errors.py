"""What can go wrong with packaging jobs."""


class JobError(Exception):
    """Root of everything that packaging jobs raise on purpose."""


class RecipeUnknown(JobError):
    """No recipe has this name."""


class LeaseLost(JobError):
    """Another worker took the job over; this one must publish nothing more."""


class SearchRefused(JobError):
    """A search cannot be started as it was asked for."""
