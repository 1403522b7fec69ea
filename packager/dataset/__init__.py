"""The reference dataset: read, check, split, cut into windows."""

from packager.dataset.quality import QualityReport, quality_control
from packager.dataset.reading import read_dataset
from packager.dataset.records import NO_CEILING, VARIABLES, Dataset, Station
from packager.dataset.reference import load_reference
from packager.dataset.splits import Split
from packager.dataset.windows import Windows, make_windows

__all__ = [
    "NO_CEILING",
    "VARIABLES",
    "Dataset",
    "QualityReport",
    "Split",
    "Station",
    "Windows",
    "load_reference",
    "make_windows",
    "quality_control",
    "read_dataset",
]
