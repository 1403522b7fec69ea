"""Repositories of signed metadata for tests, in milliseconds, and python-tuf's own client to read them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.test import Client
from tuf.api.exceptions import DownloadHTTPError
from tuf.ngclient import FetcherInterface, Updater

from mobile_models.models import Bundle, Release
from mobile_models.signing import services
from mobile_models.signing.founding import Ring
from mobile_models.signing.keys import KeyFile, make_key
from mobile_models.targeting import platforms_of

PASSPHRASE = "correct horse battery staple"


def make_repository(tmp_path: Path, settings: Any) -> bytes:
    """A development repository whose keys lie below `tmp_path`; gives the root that an app embeds."""
    keys_below(tmp_path, settings)
    services.init_development()
    return services.trusted_root()


def held_repository(tmp_path: Path, settings: Any, *, keys: int, threshold: int) -> list[KeyFile]:
    """A repository whose offline keys people hold; gives the keys, the first of which signed it."""
    keys_below(tmp_path, settings)
    made = [make_key(tmp_path / "held", f"holder{number}", PASSPHRASE) for number in range(keys)]
    services.found_repository(offline=Ring.of_files(made), threshold=threshold)
    return made


def keys_below(tmp_path: Path, settings: Any) -> None:
    """Look for keys in a folder of the test."""
    settings.KEYS_DIR = tmp_path / "keys"
    settings.TUF_ONLINE_PASSPHRASE_FILE = settings.KEYS_DIR / "online.passphrase"
    settings.TUF_ONLINE_KEY = []


def bundle_row(number: int, *, variant: str = "tflite_fp16", **fields: Any) -> Bundle:
    """The row of a bundle whose archive nobody reads: signing looks at rows alone."""
    sha256 = f"{number:064x}"
    manifest = {
        "contract": {"name": "point", "version": "1.0", "sha256": "c" * 64},
        "engine_min": {"litert": "2.0"},
        "files": {"golden.json": {"sha256": "d" * 64}},
    }
    values = {
        "size": 1000 + number,
        "wire_sha256": "e" * 64,
        "wire_size": 500,
        "encodings": {"zstd": {"size": 500, "sha256": "e" * 64}},
        "name": "point",
        "variant": variant,
        "format": "tflite",
        "platforms": platforms_of(variant, "tflite"),
        "contract_sha256": "c" * 64,
        "manifest": manifest,
        "state": Bundle.State.VERIFIED,
    }
    return Bundle.objects.create(sha256=sha256, **{**values, **fields})


def release_row(version: str, *bundles: Bundle, state: str = Release.State.APPROVED) -> Release:
    """An approved release of these bundles."""
    release = Release.objects.create(version=version, state=state)
    release.bundles.set(bundles)
    return release


class InProcess(FetcherInterface):
    """Fetches from Django without a socket: `requests` were asked, `instead` is answered, by path."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.instead: dict[str, bytes] = {}
        self._client = Client()

    def _fetch(self, url: str) -> Iterator[bytes]:
        path = urlsplit(url).path
        self.requests.append(path)
        if path in self.instead:
            return iter([self.instead[path]])
        response = self._client.get(path)
        if response.status_code != 200:
            raise DownloadHTTPError(f"{path}: {response.status_code}", response.status_code)
        return iter([b"".join(response.streaming_content) if response.streaming else response.content])


def updater(folder: Path, root: bytes, *, server: str = "http://server", fetcher: Any = None) -> Updater:
    """python-tuf's client, unmodified, with its own folder; over sockets where no fetcher is given."""
    (folder / "targets").mkdir(parents=True, exist_ok=True)
    return Updater(
        str(folder),
        f"{server}/v1/tuf/metadata/",
        target_dir=str(folder / "targets"),
        target_base_url=f"{server}/v1/tuf/targets/",
        fetcher=fetcher,
        bootstrap=root,
    )
