import pytest

from packager.dataset import load_reference, quality_control


@pytest.fixture(scope="session")
def reference():
    return load_reference()


@pytest.fixture(scope="session")
def controlled(reference):
    """The reference dataset after quality control, with the report."""
    return quality_control(reference)
