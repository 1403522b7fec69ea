import pytest

from tests.factories import build_bundle
from tests.phone_server import PhoneServer, serve


@pytest.fixture(scope="session")
def bundles(tmp_path_factory):
    """Two generations of one variant."""
    folder = tmp_path_factory.mktemp("bundles")
    return [build_bundle(folder / f"{number}.zip", offset=0.1 * number) for number in range(2)]


@pytest.fixture
def server():
    return PhoneServer()


@pytest.fixture
def address(server):
    with serve(server) as address:
        yield address
