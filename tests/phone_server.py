"""A small honest HTTP server for the phone's tests: ranges, validators and digests as the standards say.

A test makes it misbehave by replacing one of its parts, so that what fails is what the test names.
"""

import base64
import hashlib
import json
import re
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import zstandard

from mobile_models.patches import bsdiff, dictionary_compress
from tests.tuf_repository import Repository

POLICY = {
    "network": "unmetered_then_any",
    "any_after_seconds": 3600,
    "charging": False,
    "free_storage_mb": 50,
    "stale_after_seconds": 14 * 86400,
}
# What the offline keys say of a bundle.
DESCRIBED = ("release", "variant", "format", "precision", "contract_sha256", "golden_sha256", "card_sha256")


class PhoneServer:
    """Offers bundles in a signed catalog.

    `documents` are served as JSON by path, `patches` as they are; `requests` is what was asked, `posted` what
    was sent to /v1/reports.
    """

    def __init__(self) -> None:
        self.repository = Repository()
        self.catalog: dict[str, Any] = {
            "catalog": 1,
            "channel": "stable",
            "platform": "linux",
            "releases": [],
            "policy": dict(POLICY),
            "revoked": [],
            "reports": {"url": "/v1/reports", "token_url": "/v1/reports/token"},
        }
        self.documents: dict[str, Any] = {"/v1/reports/token": {"token": "some-token"}}
        self.blobs: dict[str, bytes] = {}
        self.patches: dict[str, bytes] = {}
        self.dictionary: bytes | None = None
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.posted: list[tuple[dict[str, str], Any]] = []
        self.post_status = 202
        self.encode = True
        self.honour_range = True
        self.etag_suffix = ""
        self.extra_headers: dict[str, str] = {}
        self.cut_after: int | None = None
        self.announce = True
        self.drip: float | None = None
        self.drip_headers = False
        self.status: int | None = None
        self.moved: dict[str, str] = {}

    def offer(self, path: Path, *, release: str | None = None, counter: int = 1, **changes: Any) -> str:
        """Offer a bundle to everyone and publish; gives its digest. `changes` go into the catalog's entry."""
        entry = entry_of(path, release or f"2026.1.1-{counter}", counter)
        self.blobs[entry["sha256"]] = path.read_bytes()
        self.sign_bundle(entry)
        offered = {
            "release": entry["release"],
            "release_counter": counter,
            "state": "active",
            "rollout": {"salt": "salt", "basis_points": 10_000},
            "conditions": {},
            "bundles": [{**entry, **changes}],
        }
        others = [other for other in self.catalog["releases"] if other["release_counter"] != counter]
        self.catalog["releases"] = [offered, *others]
        self.publish()
        return str(entry["sha256"])

    def sign_bundle(self, entry: dict[str, Any]) -> None:
        """Let the offline keys say what a bundle is."""
        custom = {name: entry[name] for name in DESCRIBED}
        self.repository.describe("linux", entry["target"], entry["size"], entry["sha256"], custom)

    def publish(self) -> None:
        """Sign the catalog as it stands."""
        path = f"catalog/{self.catalog['platform']}/{self.catalog['channel']}.json"
        self.repository.add_file("rollout", path, json.dumps(self.catalog).encode())
        self.repository.publish()

    @property
    def newest(self) -> dict[str, Any]:
        """The release that was offered last; `publish` after a change."""
        return self.catalog["releases"][0]

    @property
    def entry(self) -> dict[str, Any]:
        """Its bundle's entry."""
        return self.newest["bundles"][0]

    def blob_requests(self) -> list[dict[str, str]]:
        return [headers for path, headers in self.requests if path.startswith("/v1/blobs/")]

    def form(self, sha256: str, accepts: str) -> tuple[bytes, str]:
        """Bytes and encoding of a blob."""
        if self.encode and self.dictionary is not None and "dcz" in accepts:
            return dictionary_compress(self.dictionary, self.blobs[sha256]), "dcz"
        if self.encode and "zstd" in accepts:
            return compress(self.blobs[sha256]), "zstd"
        return self.blobs[sha256], "identity"


def entry_of(path: Path, release: str, counter: int) -> dict[str, Any]:
    """A bundle's entry in a catalog."""
    data = path.read_bytes()
    sha256, packed = hashlib.sha256(data).hexdigest(), compress(data)
    with zipfile.ZipFile(path) as archive:
        manifest = json.loads(archive.read("manifest.json"))
    return {
        "release": release,
        "release_counter": counter,
        "variant": manifest["variant"],
        "format": manifest["format"],
        "precision": manifest["variant"].split("_")[1],
        "contract_version": manifest["contract"]["version"],
        "contract_sha256": manifest["contract"]["sha256"],
        "engine_min": dict(manifest["engine_min"]),
        "os_min": None,
        "app_range": None,
        "ram_min_mb": None,
        "accelerators": [],
        "regions": [],
        "perf_class": [],
        "size": len(data),
        "sha256": sha256,
        "target": f"bundles/linux/{sha256}.zip",
        "url": f"/v1/blobs/{sha256}",
        "encodings": {"zstd": {"size": len(packed), "sha256": hashlib.sha256(packed).hexdigest()}},
        "deltas": [],
        "golden_sha256": manifest["files"]["golden.json"]["sha256"],
        "card_sha256": None,
    }


def offer_patch(server: PhoneServer, bundles: list[Path], patch: bytes | None = None) -> bytes:
    """Offer a patch from the first bundle to the second, or what a test gives out as one."""
    old, new = (path.read_bytes() for path in bundles[:2])
    content = bsdiff(old, new) if patch is None else patch
    base = hashlib.sha256(old).hexdigest()
    url = f"{server.entry['url']}/delta/{base}"
    server.patches[url] = content
    digest = hashlib.sha256(content).hexdigest()
    delta = {"base": base, "kind": "bsdiff4", "size": len(content), "sha256": digest, "url": url}
    server.entry["deltas"] = [delta]
    server.publish()
    return content


@cache
def compress(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(level=19).compress(data)


def digest_field(data: bytes) -> str:
    return f"sha-256=:{base64.b64encode(hashlib.sha256(data).digest()).decode()}:"


class _Handler(BaseHTTPRequestHandler):
    """Answers with what its `PhoneServer` says."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        path = self.path.split("?")[0]
        self.server.app.requests.append((path, dict(self.headers)))
        self.close_connection = True
        if path in self.server.app.moved:
            self.reply(302, b"", {"Location": self.server.app.moved[path]})
        elif self.server.app.status is not None:
            self.reply(self.server.app.status, json.dumps({"detail": "out of order"}).encode(), {})
        elif path in self.server.app.documents:
            self.reply(200, json.dumps(self.server.app.documents[path]).encode(), {})
        elif path.removeprefix("/v1/tuf/metadata/") in self.server.app.repository.served:
            self.reply(200, self.server.app.repository.served[path.removeprefix("/v1/tuf/metadata/")], {})
        elif path.removeprefix("/v1/tuf/targets/") in self.server.app.repository.files:
            self.reply(200, self.server.app.repository.files[path.removeprefix("/v1/tuf/targets/")], {})
        elif path in self.server.app.patches:
            self.reply(200, self.server.app.patches[path], {})
        elif path.removeprefix("/v1/blobs/") in self.server.app.blobs:
            self.blob(path.removeprefix("/v1/blobs/"))
        else:
            self.reply(404, b'{"detail": "no such path"}', {})

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.app.posted.append((dict(self.headers), json.loads(body)))
        self.close_connection = True
        self.reply(self.server.app.post_status, b'{"detail": "as the test says"}', {})

    def blob(self, sha256):
        whole, encoding = self.server.app.form(sha256, self.headers.get("Accept-Encoding", ""))
        headers = {
            "ETag": f'"{hashlib.sha256(whole).hexdigest()}{self.server.app.etag_suffix}"',
            "Repr-Digest": digest_field(whole),
            "Vary": "Accept-Encoding",
        }
        if encoding != "identity":
            headers["Content-Encoding"] = encoding
        status, content = 200, whole
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if asked and self.server.app.honour_range and self.headers.get("If-Range") == headers["ETag"]:
            start = int(asked[1])
            if start >= len(whole):
                self.reply(416, b"{}", {"Content-Range": f"bytes */{len(whole)}"})
                return
            status, content = 206, whole[start:]
            headers["Content-Range"] = f"bytes {start}-{len(whole) - 1}/{len(whole)}"
        headers["Content-Digest"] = digest_field(content)
        self.reply(status, content, {**headers, **self.server.app.extra_headers})

    def reply(self, status, content, headers):
        self.send_response(status)
        if self.server.app.announce:
            headers = {"Content-Length": str(len(content)), **headers}
        for name, value in {"Connection": "close", **headers}.items():
            self.send_header(name, value)
        if self.server.app.drip_headers:
            # One line that goes on: a client that reads by the line never gets to look at its clock.
            self._headers_buffer.append(b"X-Slow: ")
            self.flush_headers()
            content = b"x" * 500
        else:
            self.end_headers()
        if self.server.app.cut_after is not None and self.path.startswith("/v1/blobs/"):
            content = content[: self.server.app.cut_after]
        try:
            if self.server.app.drip is None:
                self.wfile.write(content)
                return
            for byte in content:
                if self.server.stopping.wait(self.server.app.drip):
                    return
                self.wfile.write(bytes([byte]))
        except OSError:
            return


@contextmanager
def serve(server: PhoneServer) -> Iterator[str]:
    """Serve on loopback; gives the address."""
    http = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    http.daemon_threads = False
    http.app, http.stopping = server, threading.Event()
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{http.server_port}"
    finally:
        http.stopping.set()
        http.shutdown()
        http.server_close()
        thread.join()
