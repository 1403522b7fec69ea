"""HTTP with a total deadline and a limit on every answer: no server can hold a phone or fill it.

Redirects are followed a few times, to storage that a server names, and never from https to http.
"""

import json
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any
from urllib.parse import SplitResult, urlencode, urljoin, urlsplit

from phone.errors import ConnectionLost, DeadlineExceeded, PhoneError, ServerRefused

SILENCE_SECONDS = 10.0
BLOCK = 64 * 1024
DOCUMENT_LIMIT = 8 * 1024 * 1024
REDIRECTS = 3
MOVED = frozenset({301, 302, 303, 307, 308})
REFUSED = 400
PLAIN = {"Accept-Encoding": "identity"}


class Deadline:
    """A moment after which an operation is given up, however lively the server is."""

    def __init__(self, seconds: float) -> None:
        """Start the clock."""
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds left.

        Raises:
            DeadlineExceeded: none are.
        """
        left = self._end - time.monotonic()
        if left <= 0:
            raise DeadlineExceeded(
                f"The server took more than {self.seconds:g} s altogether. Try again, or allow more time."
            )
        return left


@dataclass(frozen=True)
class Answer:
    """A JSON document with the headers that it came with."""

    document: Any
    headers: Message
    size: int


class Server:
    """The server's address, and how to ask it."""

    def __init__(self, url: str) -> None:
        """Take an address such as https://weather.example.

        Raises:
            PhoneError: not an http or https address.
        """
        if _address(url) is None:
            raise PhoneError(
                f"{url!r} is not the address of a server; give one like https://weather.example."
            )
        self.url = url.rstrip("/") + "/"

    def document(self, path: str, deadline: Deadline, query: Mapping[str, Any] | None = None) -> Answer:
        """Ask for a JSON document.

        Raises:
            ConnectionLost, DeadlineExceeded, ServerRefused: no answer, too slow, or not a JSON document.
        """
        target = f"{path}?{urlencode(query)}" if query else path
        with self.stream(target, PLAIN, deadline) as response:
            return _document(path, response, deadline)

    def send(self, path: str, document: Any, headers: Mapping[str, str], deadline: Deadline) -> int:
        """Post a JSON document; gives the status. What is sent is never sent on to where a redirect points.

        Raises:
            ConnectionLost, DeadlineExceeded, ServerRefused: no answer, too slow, or the server refused it.
        """
        body = json.dumps(document).encode()
        given = {**PLAIN, "Content-Type": "application/json", **headers}
        with self._ask("POST", urljoin(self.url, path), given, body, deadline) as response:
            answer = read_all(response, deadline, DOCUMENT_LIMIT)
            if response.status >= REFUSED or response.status in MOVED:
                raise ServerRefused(f"{path}: {response.status}: {_reason(answer)}", status=response.status)
            return response.status

    @contextmanager
    def stream(self, path: str, headers: Mapping[str, str], deadline: Deadline) -> Iterator[HTTPResponse]:
        """Ask, and give the answer to read while the connection is open.

        Raises:
            ConnectionLost: the network failed, here or while the caller was reading.
            DeadlineExceeded: the time was over, here or while the caller was reading.
        """
        url = urljoin(self.url, path)
        for _ in range(REDIRECTS + 1):
            with self._ask("GET", url, headers, None, deadline) as response:
                if response.status not in MOVED:
                    yield response
                    return
                url = _joined(url, response.headers.get("Location", ""))
        raise ServerRefused(f"{path}: the server redirects more than {REDIRECTS} times.")

    @contextmanager
    def _ask(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, deadline: Deadline
    ) -> Iterator[HTTPResponse]:
        address = self._allowed(url)
        connection = self._connection(address.scheme, str(address.hostname), address.port, deadline)
        watchdog: threading.Timer | None = None
        try:
            connection.connect()
            # A byte now and then keeps a socket's own timeout from firing: silence is not the only slowness.
            watchdog = threading.Timer(deadline.left(), _cut, [connection.sock])
            watchdog.daemon = True
            watchdog.start()
            target = (address.path or "/") + (f"?{address.query}" if address.query else "")
            connection.request(method, target, body=body, headers=dict(headers))
            with connection.getresponse() as response:
                yield response
        except (OSError, HTTPException, UnicodeError) as error:
            deadline.left()
            reason = str(error) or type(error).__name__
            raise ConnectionLost(f"{address.netloc}: the connection failed: {reason}.") from error
        finally:
            if watchdog is not None:
                watchdog.cancel()
            connection.close()

    def _allowed(self, url: str) -> SplitResult:
        """An address that may be asked: a server that is reached by TLS cannot point at one without."""
        address = _address(url)
        allowed = {"https"} if self.url.startswith("https:") else {"http", "https"}
        if address is None or address.scheme not in allowed:
            raise ServerRefused(
                f"The server points at {url[:80]!r}; allowed are {' and '.join(sorted(allowed))} addresses."
            )
        return address

    def _connection(self, scheme: str, host: str, port: int | None, deadline: Deadline) -> HTTPConnection:
        kind = HTTPSConnection if scheme == "https" else HTTPConnection
        return kind(host, port, timeout=min(SILENCE_SECONDS, deadline.left()))


def read_blocks(response: HTTPResponse, deadline: Deadline) -> Iterator[bytes]:
    """The body as it arrives.

    Raises:
        ConnectionLost: it ended before the length that was announced.
        DeadlineExceeded: the time was over.
    """
    while block := response.read1(BLOCK):
        yield block
        deadline.left()
    deadline.left()
    if response.length:
        raise ConnectionLost(f"The connection ended {response.length} bytes early.")


def read_all(response: HTTPResponse, deadline: Deadline, limit: int) -> bytes:
    """The whole body.

    Raises:
        ServerRefused: it is longer than the limit.
        ConnectionLost, DeadlineExceeded: as `read_blocks`.
    """
    body = bytearray()
    for block in read_blocks(response, deadline):
        body += block
        if len(body) > limit:
            raise ServerRefused(f"The answer has more than {limit} bytes. It is not what was asked for.")
    return bytes(body)


def _document(path: str, response: HTTPResponse, deadline: Deadline) -> Answer:
    body = read_all(response, deadline, DOCUMENT_LIMIT)
    if response.status >= REFUSED:
        raise ServerRefused(f"{path}: {response.status}: {_reason(body)}", status=response.status)
    try:
        return Answer(json.loads(body), response.headers, len(body))
    except (ValueError, RecursionError) as error:
        raise ServerRefused(f"{path}: the answer is not JSON: {error}.") from error


def _address(url: str) -> SplitResult | None:
    """An http or https address that can be asked, in ASCII as it goes over the wire; None if it is none."""
    try:
        address = urlsplit(url)
        usable = address.scheme in {"http", "https"} and address.hostname and address.port != 0
    except ValueError:
        return None
    return address if usable and url.isascii() else None


def _joined(base: str, location: str) -> str:
    """Where a redirect leads; what is no address is given as it came, to be refused by name."""
    try:
        return urljoin(base, location)
    except ValueError:
        return location


def _cut(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def _reason(body: bytes) -> str:
    try:
        document = json.loads(body)
        return str(document.get("detail") or document.get("reason"))
    except (ValueError, AttributeError, RecursionError):
        return "no reason given"
