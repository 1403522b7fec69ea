import pytest


@pytest.fixture(autouse=True)
def nothing_remembered(settings):
    """A test's runs are seen at once, and no other test's."""
    settings.CURRENT_RUN_SECONDS = 0
