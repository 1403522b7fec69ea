import pytest

from mobile_models.signing import services
from tests.repositories import InProcess, held_repository, make_repository, updater


@pytest.fixture
def embedded(db, tmp_path, settings):
    """The root of a new development repository."""
    return make_repository(tmp_path, settings)


@pytest.fixture
def held(db, tmp_path, settings):
    """Three keys, two of which must sign."""
    return held_repository(tmp_path, settings, keys=3, threshold=2)


@pytest.fixture
def fetcher():
    return InProcess()


@pytest.fixture
def phone(tmp_path, fetcher):
    """A phone that checks for news; python-tuf's own client, with one folder for the whole test."""
    roots = []

    def check(path=None):
        if not roots:
            roots.append(services.trusted_root())
        client = updater(tmp_path / "phone", roots[0], fetcher=fetcher)
        client.refresh()
        return client.get_targetinfo(path) if path else client

    return check
