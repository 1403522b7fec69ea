"""A small honest HTTP server for the phone's tests: ranges, validators and digests as the standards say.

A test makes it misbehave by replacing one of its parts, so that what fails is what the test names.
"""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import zstandard

from packager.bundle import open_bundle


class PhoneServer:
    """Offers one bundle. `documents` are served as JSON by path; `requests` is what was asked."""

    def __init__(self) -> None:
        self.documents: dict[str, Any] = {}
        self.blobs: dict[str, bytes] = {}
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.encode = True
        self.honour_range = True
        self.etag_suffix = ""
        self.extra_headers: dict[str, str] = {}
        self.cut_after: int | None = None
        self.announce = True
        self.drip: float | None = None
        self.status: int | None = None

    def offer(self, path: Path, *, release: str = "2026.1.1-1", counter: int = 1, **changes: Any) -> str:
        """Offer a bundle; gives its digest. `changes` go into the offer's bundle."""
        bundle, data = open_bundle(path), path.read_bytes()
        packed = compress(data)
        self.blobs[bundle.sha256] = data
        url = f"/v1/blobs/{bundle.sha256}"
        offered = {
            "sha256": bundle.sha256,
            "size": len(data),
            "encodings": {"zstd": {"size": len(packed), "sha256": hashlib.sha256(packed).hexdigest()}},
            "contract": dict(bundle.manifest["contract"]),
            **changes,
        }
        self.documents["/v1/models/point/resolve"] = {
            "release": release,
            "release_counter": counter,
            "rollout": {"salt": "salt", "basis_points": 10_000},
            "bundle": offered,
            "url": url,
        }
        return bundle.sha256

    @property
    def offered(self) -> dict[str, Any]:
        return self.documents["/v1/models/point/resolve"]

    def blob_requests(self) -> list[dict[str, str]]:
        return [headers for path, headers in self.requests if path.startswith("/v1/blobs/")]

    def form(self, sha256: str, accepts: str) -> tuple[bytes, str]:
        """Bytes and encoding of a blob."""
        if self.encode and "zstd" in accepts:
            return compress(self.blobs[sha256]), "zstd"
        return self.blobs[sha256], "identity"


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
        if self.server.app.status is not None:
            self.reply(self.server.app.status, json.dumps({"detail": "out of order"}).encode(), {})
        elif path in self.server.app.documents:
            self.reply(200, json.dumps(self.server.app.documents[path]).encode(), {})
        elif path.removeprefix("/v1/blobs/") in self.server.app.blobs:
            self.blob(path.removeprefix("/v1/blobs/"))
        else:
            self.reply(404, b'{"detail": "no such path"}', {})

    def blob(self, sha256):
        whole, encoding = self.server.app.form(sha256, self.headers.get("Accept-Encoding", ""))
        headers = {
            "ETag": f'"{sha256}-{encoding}{self.server.app.etag_suffix}"',
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
