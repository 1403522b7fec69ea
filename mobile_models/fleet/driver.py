"""Simulated devices over HTTP: they read the signed catalog, get report tokens and send batches."""

import json
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import urllib3
from tuf.api.exceptions import DownloadHTTPError
from tuf.ngclient import FetcherInterface, Updater

from mobile_models.fleet.devices import PLATFORMS, Fleet

THREADS = 6
SECONDS = 60.0


class SimulationFailed(Exception):
    """The server did not answer a simulated device as it should."""


class _Pooled(FetcherInterface):
    """Downloads of the Update Framework over the fleet's connections."""

    def __init__(self, pool: urllib3.PoolManager) -> None:
        self.pool = pool

    def _fetch(self, url: str) -> Iterator[bytes]:
        reply = self.pool.request("GET", url)
        if reply.status != 200:
            raise DownloadHTTPError(f"{url}: {reply.status}", reply.status)
        yield reply.data


class Driver:
    """A fleet's connection to one server."""

    def __init__(self, url: str, folder: Path, *, channel: str) -> None:
        self.url, self.folder, self.channel = url.rstrip("/"), folder, channel
        # Batches carry an id: sending one again after a broken connection counts nothing twice.
        again = urllib3.Retry(3, allowed_methods=None, backoff_factor=0.1)
        self.pool = urllib3.PoolManager(maxsize=THREADS, timeout=SECONDS, retries=again)
        self.tokens: dict[int, str] = {}
        self.root = self._get("/v1/tuf/metadata/1.root.json")

    def close(self) -> None:
        """Let go of every connection."""
        self.pool.clear()

    def catalog(self) -> dict[str, Any]:
        """The catalog of the channel, verified as any client of The Update Framework does."""
        (self.folder / "targets").mkdir(parents=True, exist_ok=True)
        updater = Updater(
            metadata_dir=str(self.folder / "metadata"),
            metadata_base_url=f"{self.url}/v1/tuf/metadata/",
            target_dir=str(self.folder / "targets"),
            target_base_url=f"{self.url}/v1/tuf/targets/",
            bootstrap=self.root,
            fetcher=_Pooled(self.pool),
        )
        target = updater.get_targetinfo(f"catalog/{PLATFORMS[0]}/{self.channel}.json")
        if target is None:
            raise SimulationFailed(
                f"The server signs no catalog of channel {self.channel}. Start a rollout first."
            )
        catalog: dict[str, Any] = json.loads(Path(updater.download_target(target)).read_bytes())
        return catalog

    def send(
        self,
        fleet: Fleet,
        batches: Iterable[tuple[int, dict[str, Any]]],
        progress: Callable[[], object] = lambda: None,
    ) -> None:
        """Send each device's batch, with a token of its own.

        Args:
            fleet: whose devices they are.
            batches: devices with their batches.
            progress: called after each.

        Raises:
            SimulationFailed: a batch was refused.
        """

        def report(item: tuple[int, dict[str, Any]]) -> None:
            device, batch = item
            if device not in self.tokens:
                query = urlencode({"platform": PLATFORMS[fleet.platform[device]], "channel": self.channel})
                self.tokens[device] = json.loads(self._get(f"/v1/reports/token?{query}"))["token"]
            self._post("/v1/reports", batch, self.tokens[device])
            progress()

        with ThreadPoolExecutor(THREADS) as threads:
            list(threads.map(report, batches))

    def _get(self, path: str) -> bytes:
        return self._answered("GET", path, 200)

    def _post(self, path: str, body: dict[str, Any], token: str) -> None:
        headers = {"Content-Type": "application/json", "Authorization": f"Report {token}"}
        self._answered("POST", path, 202, body=json.dumps(body).encode(), headers=headers)

    def _answered(self, method: str, path: str, status: int, **more: Any) -> bytes:
        try:
            reply = self.pool.request(method, self.url + path, **more)
        except urllib3.exceptions.HTTPError as error:
            raise SimulationFailed(f"{method} {self.url}{path}: {error}. Is the server up?") from error
        if reply.status != status:
            raise SimulationFailed(
                f"{method} {self.url}{path}: {reply.status}, {reply.data[:300].decode(errors='replace')}"
            )
        return reply.data
