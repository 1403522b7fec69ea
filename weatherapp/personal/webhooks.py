"""Send an entry to a webhook: signed, to a checked address, within limits of time and size."""

import hashlib
import hmac
import re
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from contextlib import closing

from django.conf import settings

from weatherapp.personal import targets
from weatherapp.personal.errors import DeliveryFailed

CONNECT_SECONDS, TOTAL_SECONDS = 4.0, 10.0
ADDRESSES_TRIED = 3
# Only the status line of a reply is read.
REPLY_BYTES = 1024
STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})(?: [^\r\n]*)?\r?\n")
Clock = Callable[[], float]


def sign(secret: str, body: bytes, timestamp: int) -> str:
    """The value of `Skyfold-Signature`: HMAC-SHA256 over the time, a full stop and the body."""
    digest = hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={timestamp},v1={digest}"


def post(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    resolver: targets.Resolver = socket.getaddrinfo,
    context: ssl.SSLContext | None = None,
    clock: Clock = time.monotonic,
) -> int:
    """Post a body and give the reply's status. Redirects are not followed, the reply's body is not read.

    Args:
        url: of the webhook.
        body: JSON.
        headers: more of them; their values hold no line breaks.
        resolver: as socket.getaddrinfo.
        context: for TLS; the system's authorities when not given.
        clock: seconds that only grow.

    Raises:
        TargetRefused: the address is one that is not called.
        DeliveryFailed: no connection, no reply in time, or a reply that is no HTTP.
    """
    target = targets.parse_target(url, http=settings.WEBHOOK_HTTP, networks=settings.WEBHOOK_NETWORKS)
    addresses = targets.resolve(target, networks=settings.WEBHOOK_NETWORKS, resolver=resolver)
    deadline = clock() + TOTAL_SECONDS
    try:
        with closing(_connect(target, addresses, deadline, clock)) as plain:
            connection = plain
            if target.scheme == "https":
                plain.settimeout(_left(deadline, clock))
                # The name, not the address, is what the certificate must be for.
                connection = (context or ssl.create_default_context()).wrap_socket(
                    plain, server_hostname=target.host
                )
            with closing(connection):
                connection.settimeout(_left(deadline, clock))
                connection.sendall(_request(target, body, headers))
                return _status(connection, deadline, clock)
    except ssl.SSLError as error:
        raise DeliveryFailed(
            f"No secure connection: {error.reason or 'the certificate is not good'}."
        ) from error
    except OSError as error:
        raise DeliveryFailed(f"No connection: {error.strerror or type(error).__name__}.") from error


def _connect(target: targets.Target, addresses: list[str], deadline: float, clock: Clock) -> socket.socket:
    failure: OSError | None = None
    for address in addresses[:ADDRESSES_TRIED]:
        try:
            # A number, not the name: nothing is resolved a second time.
            timeout = min(CONNECT_SECONDS, _left(deadline, clock))
            return socket.create_connection((address, target.port), timeout=timeout)
        except OSError as error:
            failure = error
    raise failure or OSError("no address")


def _request(target: targets.Target, body: bytes, headers: Mapping[str, str]) -> bytes:
    lines = [
        f"POST {target.path} HTTP/1.1",
        f"Host: {target.host_header}",
        "User-Agent: skyfold",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "Connection: close",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode("ascii") + body


def _status(connection: socket.socket, deadline: float, clock: Clock) -> int:
    received = b""
    while b"\n" not in received:
        if len(received) > REPLY_BYTES:
            raise DeliveryFailed("The reply begins with no status line.")
        connection.settimeout(_left(deadline, clock))
        part = connection.recv(REPLY_BYTES)
        if not part:
            raise DeliveryFailed("The connection was closed before a reply came.")
        received += part
    match = STATUS_LINE.match(received)
    if match is None:
        raise DeliveryFailed("The reply is no HTTP.")
    return int(match[1])


def _left(deadline: float, clock: Clock) -> float:
    left = deadline - clock()
    if left <= 0:
        raise DeliveryFailed(f"No reply within {TOTAL_SECONDS:.0f} s.")
    return left
