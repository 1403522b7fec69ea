"""What can go wrong with a dataset."""

from packager.errors import PackagerError


class DatasetError(PackagerError):
    """Root of everything wrong with a dataset file, its sources or what is asked of it."""


class DatasetUnreadable(DatasetError):
    """The file does not exist, is not Parquet, or is damaged."""


class DatasetColumnsWrong(DatasetError):
    """The file's columns are not the dataset's columns."""


class DatasetTypesWrong(DatasetError):
    """A column has another type than the dataset's."""


class DatasetEmpty(DatasetError):
    """The file has no rows."""


class DatasetInconsistent(DatasetError):
    """The rows contradict each other or the file's own list of stations."""


class SplitUnknown(DatasetError):
    """No split has this name."""


class SourceUnreadable(DatasetError):
    """A source file is not in the format that its reader knows."""


class SourceChanged(DatasetError):
    """A source file is not, byte for byte, the one that the dataset is made from."""


class RegionInvalid(DatasetError):
    """A region is not written as regions are, or holds none of the dataset's stations."""
