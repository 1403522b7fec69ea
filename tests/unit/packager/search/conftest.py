import pytest

from packager.search.storage import open_storage


@pytest.fixture
def journal(tmp_path):
    return tmp_path / "journal.log"


@pytest.fixture
def storage(journal):
    return open_storage(str(journal))
