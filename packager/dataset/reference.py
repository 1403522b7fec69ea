"""The dataset that the repository carries."""

from functools import cache
from pathlib import Path

from packager.dataset.reading import read_dataset
from packager.dataset.records import Dataset

REFERENCE_FILE = Path(__file__).parent / "reference.parquet"
PROVENANCE_FILE = Path(__file__).parent / "reference.json"


@cache
def load_reference() -> Dataset:
    """The reference dataset, as in its sources: before quality control. Read once per process.

    Raises:
        DatasetError: the file in the repository is damaged.
    """
    return read_dataset(REFERENCE_FILE)
