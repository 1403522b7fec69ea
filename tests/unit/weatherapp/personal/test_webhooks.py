"""Where a webhook may go, how it is called, and what happens when it does not answer."""

import hashlib
import hmac
import json
import socket
import ssl
import threading
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weatherapp.personal import targets, webhooks
from weatherapp.personal.errors import DeliveryFailed, TargetRefused

FILES = Path(__file__).resolve().parents[4] / "tests" / "data" / "webhook"
URL = "https://hooks.example.org/take?x=1"


def names(*addresses):
    """A resolver that gives these addresses, and counts how often it is asked."""

    def resolver(host, port, **_):
        resolver.asked += 1
        return [(None, None, None, "", (address, port)) for address in addresses]

    resolver.asked = 0
    return resolver


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.9.1", "0.0.0.0", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1",
        "100.64.0.1", "100.100.100.200", "169.254.169.254", "168.63.129.16", "192.0.0.192", "198.18.0.1",
        "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255",
        "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1", "::ffff:127.0.0.1",
        "::ffff:169.254.169.254", "::127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "2001:0:53aa:64c::1",
        "2001:db8::1", "100::1",
    ],
)  # fmt: skip
def test_private_addresses_are_refused_even_beside_a_public_one(address):
    target = targets.parse_target(URL, http=False, networks=[])
    for resolver in (names(address), names("93.184.216.34", address), names(address, "2606:2800:220:1::1")):
        with pytest.raises(TargetRefused, match="not public"):
            targets.resolve(target, networks=[], resolver=resolver)


def test_public_addresses_are_taken_each_once():
    target = targets.parse_target(URL, http=False, networks=[])
    resolver = names("93.184.216.34", "93.184.216.34", "2606:2800:220:1::1")
    assert targets.resolve(target, networks=[], resolver=resolver) == ["93.184.216.34", "2606:2800:220:1::1"]


@given(st.ip_addresses())
def test_an_address_that_python_calls_private_is_never_public_here(address):
    mapped = getattr(address, "ipv4_mapped", None) or getattr(address, "sixtofour", None)
    if address.is_private or address.is_multicast or address.is_reserved or mapped:
        with pytest.raises(TargetRefused):
            targets.check_address(address)


@pytest.mark.parametrize(
    "url",
    [
        "https://2130706433/",
        "https://127.1/",
        "https://0x7f000001/",
        "https://0177.0.0.1/",
        "https://example.0x7f/",
    ],
)
def test_numbers_that_resolvers_take_for_addresses_are_refused(url):
    with pytest.raises(TargetRefused, match="host"):
        targets.parse_target(url, http=False, networks=[])


@pytest.mark.parametrize(
    "host", ["localhost", "localhost.", "LOCALHOST", "hooks.localhost", "[v1.x]", "[127.0.0.1]", "[]"]
)
def test_names_of_this_machine_and_brackets_around_no_address_are_refused(host):
    with pytest.raises(TargetRefused, match=r"^url: "):
        targets.parse_target(f"https://{host}/", http=False, networks=[])


def test_this_machine_may_be_allowed_by_name():
    allowed = targets.parse_target("https://localhost:9443/", http=False, networks=["127.0.0.0/8"])
    assert (allowed.host, allowed.port) == ("localhost", 9443)


@pytest.mark.parametrize("port", ["0", "00000", "65536", "+443", "-1", "4_43"])
def test_a_port_that_is_none_is_refused(port):
    with pytest.raises(TargetRefused, match="no number from 1 to 65535"):
        targets.parse_target(f"https://hooks.example.org:{port}/", http=False, networks=[])


def test_http_and_other_ports_need_to_be_allowed():
    with pytest.raises(TargetRefused, match="scheme"):
        targets.parse_target("http://hooks.example.org/", http=False, networks=[])
    assert targets.parse_target("http://hooks.example.org/", http=True, networks=[]).port == 80
    with pytest.raises(TargetRefused, match="port is 6379"):
        targets.parse_target("https://hooks.example.org:6379/", http=False, networks=["10.1.2.0/24"])
    assert targets.parse_target("https://10.1.2.3:6379/", http=False, networks=["10.1.2.0/24"]).port == 6379


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://hooks.example.org/", "hooks.example.org"),
        ("https://hooks.example.org:8443", "hooks.example.org:8443"),
        ("https://[2606:2800:220:1::1]/", "[2606:2800:220:1::1]"),
    ],
)
def test_the_host_header_names_what_was_asked_for(url, host):
    assert targets.parse_target(url, http=False, networks=[]).host_header == host


def test_a_name_that_does_not_resolve_is_a_failure_and_no_refusal():
    def nowhere(*_, **__):
        raise socket.gaierror(-2, "Name or service not known")

    target = targets.parse_target(URL, http=False, networks=[])
    for resolver in (nowhere, names()):
        with pytest.raises(DeliveryFailed):
            targets.resolve(target, networks=[], resolver=resolver)


class Receiver:
    """A server on this machine that answers what it is told, and keeps what it got."""

    def __init__(self, reply, *, tls=None):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.reply, self.tls = reply, tls
        self.requests, self.names = [], []
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            with suppress(OSError), connection:
                connection.settimeout(5)
                if self.tls:
                    connection = self.tls.wrap_socket(connection, server_side=True)
                self.requests.append(self.read(connection))
                self.reply(connection)
                connection.close()

    def read(self, connection):
        raw = b""
        while b"\r\n\r\n" not in raw:
            raw += connection.recv(4096)
        head, _, body = raw.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines[1:])
        while len(body) < int(headers["Content-Length"]):
            body += connection.recv(4096)
        return lines[0], headers, body

    def close(self):
        # Wakes the thread that waits in accept.
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.thread.join(5)


@contextmanager
def receiver(reply=b"HTTP/1.1 204 No Content\r\n\r\n", *, tls=None):
    made = Receiver(reply if callable(reply) else lambda connection: connection.sendall(reply), tls=tls)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def open_net(settings):
    settings.WEBHOOK_HTTP = True
    settings.WEBHOOK_NETWORKS = ["127.0.0.0/8"]


def post(port, url="http://127.0.0.1:{}/take?x=1", **options):
    return webhooks.post(url.format(port), b'{"a": 1}', {"Skyfold-Signature": "s"}, **options)


def test_a_post_arrives_whole(open_net):
    with receiver() as server:
        assert post(server.port) == 204
    [(line, headers, body)] = server.requests
    assert (line, body) == ("POST /take?x=1 HTTP/1.1", b'{"a": 1}')
    assert headers["Host"] == f"127.0.0.1:{server.port}"
    assert headers["Skyfold-Signature"] == "s"


def test_without_the_setting_this_machine_is_not_called(settings):
    settings.WEBHOOK_HTTP = True
    with receiver() as server, pytest.raises(TargetRefused):
        post(server.port)
    assert server.requests == []


def test_a_redirect_is_an_answer_and_is_not_followed(open_net):
    with receiver() as inside:
        moved = f"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:{inside.port}/\r\n\r\n".encode()
        with receiver(moved) as server:
            assert post(server.port) == 302
    assert inside.requests == []


def tls_contexts():
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(FILES / "certificate.pem", FILES / "key.pem")
    client = ssl.create_default_context(cafile=str(FILES / "certificate.pem"))
    return server, client


def connecting_to(monkeypatch, port):
    """Every connection goes to the local port; gives the addresses that were meant."""
    meant = []
    connect = socket.create_connection

    def redirected(address, **options):
        meant.append(address)
        return connect(("127.0.0.1", port), **options)

    monkeypatch.setattr("weatherapp.personal.webhooks.socket.create_connection", redirected)
    return meant


def test_the_checked_address_is_called_with_the_name_kept_for_the_certificate(monkeypatch):
    server_context, client_context = tls_contexts()
    asked = []
    server_context.sni_callback = lambda _, name, __: asked.append(name)
    with receiver(tls=server_context) as server:
        meant = connecting_to(monkeypatch, server.port)
        resolver = names("93.184.216.34")
        assert webhooks.post(URL, b"{}", {}, resolver=resolver, context=client_context) == 204
    # Resolved once: a second answer of the name could not matter.
    assert resolver.asked == 1
    assert meant == [("93.184.216.34", 443)]
    assert asked == ["hooks.example.org"]
    assert server.requests[0][1]["Host"] == "hooks.example.org"


def test_a_certificate_for_another_name_is_no_connection(monkeypatch):
    server_context, client_context = tls_contexts()
    with receiver(tls=server_context) as server:
        connecting_to(monkeypatch, server.port)
        with pytest.raises(DeliveryFailed, match="secure"):
            webhooks.post(
                "https://other.example.org/",
                b"{}",
                {},
                resolver=names("93.184.216.34"),
                context=client_context,
            )
        with pytest.raises(DeliveryFailed, match="secure"):
            webhooks.post(URL, b"{}", {}, resolver=names("93.184.216.34"))
    assert server.requests == []


def test_a_name_that_changes_to_a_private_address_is_refused(monkeypatch):
    answers = iter([names("93.184.216.34"), names("169.254.169.254")])
    meant = connecting_to(monkeypatch, 1)

    def rebinding(*args, **options):
        return next(answers)(*args, **options)

    with pytest.raises(DeliveryFailed):
        webhooks.post(URL, b"{}", {}, resolver=rebinding)
    with pytest.raises(TargetRefused):
        webhooks.post(URL, b"{}", {}, resolver=rebinding)
    assert meant == [("93.184.216.34", 443)]


def test_the_next_address_is_tried_when_one_does_not_answer(monkeypatch, open_net):
    with receiver() as server:
        connect, tried = socket.create_connection, []

        def first_is_dead(address, **options):
            tried.append(address[0])
            if len(tried) == 1:
                raise ConnectionRefusedError(111, "Connection refused")
            return connect(("127.0.0.1", server.port), **options)

        monkeypatch.setattr("weatherapp.personal.webhooks.socket.create_connection", first_is_dead)
        resolver = names("93.184.216.34", "93.184.216.35")
        assert webhooks.post("http://hooks.example.org/", b"{}", {}, resolver=resolver) == 204
    assert tried == ["93.184.216.34", "93.184.216.35"]


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (b"", "closed"),
        (b"SSH-2.0-OpenSSH\r\n", "no HTTP"),
        (b"HTTP/1.1 999 Odd\r\n", "no HTTP"),
        (b"x" * 5000, "no status line"),
    ],
)
def test_a_reply_that_is_no_http_is_a_failure(open_net, reply, told):
    with receiver(reply) as server, pytest.raises(DeliveryFailed, match=told):
        post(server.port)


def test_endless_data_is_not_read(open_net):
    sent = []

    def endless(connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        with suppress(OSError):
            while len(sent) < 2000:
                sent.append(connection.send(b"x" * 65536))

    with receiver(endless) as server:
        assert post(server.port) == 200
    assert sum(sent) < 64_000_000


def test_a_reply_that_drips_runs_into_the_total_limit(open_net):
    ticks = iter(range(0, 1000, 3))

    def drip(connection):
        with suppress(OSError):
            for _ in range(200):
                connection.sendall(b"H")

    with receiver(drip) as server, pytest.raises(DeliveryFailed, match=r"No reply within 10 s|status line"):
        post(server.port, clock=lambda: float(next(ticks)))


def test_a_reply_that_never_comes_runs_into_the_limit(open_net, monkeypatch):
    monkeypatch.setattr(webhooks, "TOTAL_SECONDS", 0.2)
    done = threading.Event()
    with receiver(lambda _: done.wait(5)) as server:
        with pytest.raises(DeliveryFailed):
            post(server.port)
        done.set()


def test_a_signature_binds_time_and_body():
    body = json.dumps({"a": 1}).encode()
    header = webhooks.sign("secret", body, 1_783_189_500)
    parts = dict(part.split("=") for part in header.split(","))
    expected = hmac.new(b"secret", b"1783189500." + body, hashlib.sha256).hexdigest()
    assert parts == {"t": "1783189500", "v1": expected}
    assert webhooks.sign("secret", body, 1_783_189_501) != header
    assert webhooks.sign("other", body, 1_783_189_500) != header
