import pytest

from phone import download
from phone.state import State
from phone.transport import Server
from phone.trust import Trust
from phone.update import Asker, update
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


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch):
    monkeypatch.setattr(download, "FIRST_PAUSE_SECONDS", 0.0)


class Phone:
    """A phone in a folder, and what it trusts, to the byte."""

    def __init__(self, folder, address, root):
        self.folder, self.server = folder, Server(address)
        self.state = State(folder)
        self.trust = Trust(folder / "trust", root)

    def update(self, **options):
        asker = {name: options.pop(name) for name in ("device", "channel", "situation") if name in options}
        return update(self.server, self.state, self.trust, Asker(**asker), **options)

    def reopened(self):
        """The same phone after its process ended."""
        again = Phone.__new__(Phone)
        again.folder, again.server, again.trust = self.folder, self.server, self.trust
        again.state = State(self.folder)
        return again

    def trusted(self):
        """Every byte that the phone believes: its record, its bundles and its metadata."""
        return {
            str(path.relative_to(self.folder)): path.read_bytes()
            for path in self.folder.rglob("*")
            if path.is_file() and path.relative_to(self.folder).parts[0] in {"state.json", "bundles", "trust"}
        }


@pytest.fixture
def phone(tmp_path, server, address):
    return Phone(tmp_path / "phone", address, server.repository.first_root)


@pytest.fixture
def installed(server, phone, bundles):
    """What a phone trusts that runs the first generation."""
    server.offer(bundles[0])
    assert phone.update().outcome == "installed"
    return phone.trusted()


@pytest.fixture
def refused(phone, installed):
    """Check that an attack was refused: what the phone trusts is the same to the byte, and its model runs."""

    def check(report, reason, before=None):
        assert report.outcome == "kept"
        assert reason in report.reason
        assert phone.trusted() == (before or installed)
        assert phone.reopened().state.usable().bundle.model

    return check
