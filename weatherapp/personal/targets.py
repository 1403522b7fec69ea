"""Where a webhook may go: public addresses only, checked as numbers right before the connection.

A name is resolved once, every address that it has is checked, and the connection goes to one of those very
addresses: a name that changes its mind between the check and the call (DNS rebinding) gains nothing.
"""

import ipaddress
import re
import socket
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urlsplit

from weatherapp.personal.errors import DeliveryFailed, TargetRefused

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Resolver = Callable[..., Sequence[tuple[Any, ...]]]

URL_LENGTH = 500
PORTS = {"https": (443, 8443), "http": (80, 8080)}
# RFC 3986: what an address may hold without a fragment. A blank or a line break would forge a request.
URL_TEXT = re.compile(r"[A-Za-z0-9\-._~:/?\[\]@!$&'()*+,;=%]+")
LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
# Names that mean this machine wherever they are looked up (RFC 6761).
LOCAL = re.compile(r"(?:.*\.)?localhost\.?")
LOOPBACK = ipaddress.IPv4Address("127.0.0.1")
NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
# IANA special-purpose registries, and a cloud's metadata address that lies among public ones.
PRIVATE_V4 = tuple(
    ipaddress.IPv4Network(text)
    for text in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
        "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24",
        "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
        "224.0.0.0/4", "240.0.0.0/4", "168.63.129.16/32",
    )
)  # fmt: skip
# Of version 6 only global unicast, less what hides a version 4 address (Teredo, 6to4) or is for documents.
# Mapped, translated (NAT64), unique local, link-local and multicast addresses all lie outside of it.
PUBLIC_V6 = ipaddress.IPv6Network("2000::/3")
PRIVATE_V6 = tuple(
    ipaddress.IPv6Network(text) for text in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")
)


@dataclass(frozen=True, slots=True)
class Target:
    """A webhook's address in parts. `host` is what the certificate and the Host header are about."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def host_header(self) -> str:
        """As HTTP wants it: brackets around version 6, the port where it is not the usual one."""
        name = f"[{self.host}]" if ":" in self.host else self.host
        return name if self.port == PORTS[self.scheme][0] else f"{name}:{self.port}"


def parse_target(url: str, *, http: bool, networks: Iterable[str]) -> Target:
    """Take a webhook's address apart and refuse what can be seen to be wrong without asking anybody.

    Args:
        url: as the device gave it.
        http: whether plain http is allowed.
        networks: private networks that are allowed all the same; any port is allowed there.

    Raises:
        TargetRefused: says what is wrong.
    """
    parts = _split(url)
    schemes = ("https", "http") if http else ("https",)
    if parts.scheme not in schemes:
        raise TargetRefused(f"url: its scheme is {parts.scheme[:20]!r}; allowed: {', '.join(schemes)}.")
    if parts.username is not None or parts.password is not None:
        raise TargetRefused("url: it holds a user or password. Put a secret into the path instead.")
    host = _host(parts.hostname or "", bracketed="[" in parts.netloc)
    port = _port(parts)
    literal = LOOPBACK if LOCAL.fullmatch(host) else _literal(host)
    allowed = parse_networks(networks)
    if literal is not None:
        check_address(literal, allowed)
    if port not in PORTS[parts.scheme] and not (literal and _within(literal, allowed)):
        raise TargetRefused(f"url: its port is {port}; allowed: {', '.join(map(str, PORTS[parts.scheme]))}.")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.scheme, host, port, path)


def parse_networks(networks: Iterable[str]) -> tuple[Network, ...]:
    """Networks from their texts, such as 10.1.2.0/24."""
    return tuple(ipaddress.ip_network(text) for text in networks)


def resolve(target: Target, *, networks: Iterable[str], resolver: Resolver = socket.getaddrinfo) -> list[str]:
    """Every address of a target, each of them checked.

    Raises:
        TargetRefused: one of them is not public.
        DeliveryFailed: the name does not resolve.
    """
    try:
        found = resolver(target.host, target.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise DeliveryFailed("The name does not resolve.") from error
    # A scope such as %eth0 belongs to link-local addresses, which are refused below anyway.
    texts = list(dict.fromkeys(str(entry[4][0]).partition("%")[0] for entry in found))
    if not texts:
        raise DeliveryFailed("The name has no address.")
    allowed = parse_networks(networks)
    for text in texts:
        check_address(ipaddress.ip_address(text), allowed)
    return texts


def check_address(address: Address, allowed: Sequence[Network] = ()) -> None:
    """Refuse an address that is not public, unless it lies in a network that is allowed.

    Raises:
        TargetRefused: it is private, local, shared, multicast, reserved, or a form of such an address.
    """
    if _within(address, allowed):
        return
    if isinstance(address, ipaddress.IPv4Address):
        public = not any(address in network for network in PRIVATE_V4)
    else:
        public = address in PUBLIC_V6 and not any(address in network for network in PRIVATE_V6)
    if not public:
        raise TargetRefused(
            "url: it leads to an address that is not public. Give one that everyone can reach."
        )


def _split(url: str) -> SplitResult:
    if not 1 <= len(url) <= URL_LENGTH:
        raise TargetRefused(f"url: it has {len(url)} characters; allowed are 1 to {URL_LENGTH}.")
    if not URL_TEXT.fullmatch(url):
        raise TargetRefused(
            "url: it holds a character that an address cannot have, or a fragment. "
            "Write a foreign host name in Punycode and percent-encode the path."
        )
    try:
        return urlsplit(url)
    except ValueError as error:
        raise TargetRefused(
            "url: it is no address. Give one such as https://hooks.example.org/skyfold."
        ) from error


def _port(parts: SplitResult) -> int:
    try:
        port = PORTS[parts.scheme][0] if parts.port is None else parts.port
    except ValueError:
        port = 0
    if not port:
        raise TargetRefused("url: its port is no number from 1 to 65535.")
    return port


def _host(host: str, *, bracketed: bool) -> str:
    literal = _literal(host)
    if literal is not None and bracketed == (literal.version == 6):
        return host
    if bracketed:
        raise TargetRefused(f"url: {host[:60]!r} in brackets is no IPv6 address.")
    labels = host.removesuffix(".").split(".")
    # Resolvers take 127.1, 0x7f000001 and 2130706433 for 127.0.0.1.
    if not all(LABEL.fullmatch(label) for label in labels) or NUMBER.fullmatch(labels[-1]):
        raise TargetRefused(
            f"url: its host is {host[:60]!r}; a full host name or a plain address is allowed."
        )
    return host


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _within(address: Address, networks: Iterable[Network]) -> bool:
    return any(address.version == network.version and address in network for network in networks)
