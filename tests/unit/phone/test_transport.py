"""No answer can be too slow or too long for the phone, and every failure is one of its own errors."""

import socket
import threading
import time
from contextlib import contextmanager

import pytest

from phone import transport
from phone.errors import ConnectionLost, DeadlineExceeded, PhoneError, ServerRefused
from phone.transport import Deadline, Server


@contextmanager
def raw_server(behave):
    """A server that does what a function does to one connection."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer():
            connection, _ = listening.accept()
            with connection:
                connection.recv(65536)
                try:
                    behave(connection)
                except OSError:
                    return

        thread = threading.Thread(target=answer)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            thread.join()


def drip(content, seconds):
    def behave(connection):
        for byte in content:
            connection.sendall(bytes([byte]))
            time.sleep(seconds)

    return behave


def test_a_document_is_read(server, address):
    server.documents["/v1/some"] = {"a": [1, 2]}
    answer = Server(address).document("v1/some", Deadline(5), {"q": "ä b"})
    assert answer.document == {"a": [1, 2]}
    assert answer.size == len('{"a": [1, 2]}')


def test_a_refusal_gives_the_servers_reason(server, address):
    with pytest.raises(ServerRefused, match="404: no such path"):
        Server(address).document("v1/none", Deadline(5))


def test_headers_that_drip_are_given_up_at_the_deadline():
    started = time.monotonic()
    with raw_server(drip(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100, 0.02)) as address:
        with pytest.raises(DeadlineExceeded, match=r"more than 0\.3 s"):
            Server(address).document("v1/some", Deadline(0.3))
        assert time.monotonic() - started < 1.5


def test_a_body_that_drips_is_given_up_at_the_deadline():
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"

    def behave(connection):
        connection.sendall(head)
        drip(b"x" * 100, 0.02)(connection)

    with raw_server(behave) as address, pytest.raises(DeadlineExceeded):
        Server(address).document("v1/some", Deadline(0.3))


def test_a_silent_server_is_given_up(monkeypatch):
    monkeypatch.setattr(transport, "SILENCE_SECONDS", 0.1)
    with (
        raw_server(lambda connection: time.sleep(0.4)) as address,
        pytest.raises(ConnectionLost, match="timed out"),
    ):
        Server(address).document("v1/some", Deadline(5))


def test_a_body_that_ends_early_is_a_lost_connection():
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{}"
    with (
        raw_server(lambda connection: connection.sendall(head)) as address,
        pytest.raises(ConnectionLost, match="998 bytes early"),
    ):
        Server(address).document("v1/some", Deadline(5))


def test_an_endless_document_is_refused(monkeypatch, server, address):
    monkeypatch.setattr(transport, "DOCUMENT_LIMIT", 1000)
    server.documents["/v1/long"] = "x" * 2000
    with pytest.raises(ServerRefused, match="more than 1000 bytes"):
        Server(address).document("v1/long", Deadline(5))


@pytest.mark.parametrize("body", [b"<html>", b"[" * 100_000])
def test_what_is_not_json_is_refused(body):
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
    with (
        raw_server(lambda connection: connection.sendall(head + body)) as address,
        pytest.raises(ServerRefused, match="not JSON"),
    ):
        Server(address).document("v1/some", Deadline(5))


def test_a_refusal_that_is_nested_without_end_is_a_refusal():
    head = b"HTTP/1.1 500 No\r\nContent-Length: 100000\r\n\r\n"
    with (
        raw_server(lambda connection: connection.sendall(head + b"[" * 100_000)) as address,
        pytest.raises(ServerRefused, match="500: no reason given"),
    ):
        Server(address).document("v1/some", Deadline(5))


def test_a_redirect_to_a_name_that_no_host_can_have_is_a_lost_connection(server, address):
    server.moved = {"/v1/some": f"http://{'a' * 70}.example/"}
    with pytest.raises(ConnectionLost, match="label"):
        Server(address).document("v1/some", Deadline(5))


def test_what_is_not_http_is_a_lost_connection():
    with (
        raw_server(lambda connection: connection.sendall(b"hello\r\n\r\n")) as address,
        pytest.raises(ConnectionLost, match="hello"),
    ):
        Server(address).document("v1/some", Deadline(5))


@pytest.mark.parametrize(
    "url",
    [
        "",
        "weather.example",
        "file:///etc/passwd",
        "ftp://weather.example",
        "http://",
        "http://[",
        "http://a:99999",
    ],
)
def test_what_is_no_address_is_refused(url):
    with pytest.raises(PhoneError, match="is not the address of a server"):
        Server(url)


def test_a_redirect_is_followed_a_few_times(server, address):
    server.documents["/v1/some"] = {"a": 1}
    server.moved = {f"/v1/{number}": f"/v1/{number + 1}" for number in range(5)}
    server.moved["/v1/2"] = f"{address}/v1/some"
    assert Server(address).document("v1/0", Deadline(5)).document == {"a": 1}
    server.moved["/v1/2"] = "/v1/0"
    with pytest.raises(ServerRefused, match="redirects more than 3 times"):
        Server(address).document("v1/0", Deadline(5))


@pytest.mark.parametrize(
    "target",
    [
        "file:///etc/passwd",
        "ftp://weather.example/a",
        "http:///",
        "gopher:a",
        "http://[",
        "http://a:b/",
        "http://a/\u00e9",
    ],
)
def test_a_redirect_elsewhere_than_to_a_server_is_refused(server, address, target):
    server.moved = {"/v1/some": target}
    with pytest.raises(ServerRefused, match=r"The server points at|404"):
        Server(address).document("v1/some", Deadline(5))


def test_nothing_reached_by_tls_may_point_at_an_address_without():
    with (
        pytest.raises(ServerRefused, match="allowed are https addresses"),
        Server("https://weather.example").stream("http://weather.example/a", {}, Deadline(1)),
    ):
        pytest.fail("it was asked")


def test_what_is_sent_goes_nowhere_but_to_the_server(server, address):
    assert Server(address).send("v1/reports", {"a": 1}, {"Authorization": "Report t"}, Deadline(5)) == 202
    headers, document = server.posted[0]
    assert document == {"a": 1}
    assert headers["Authorization"] == "Report t"
    assert headers["Content-Type"] == "application/json"
    server.post_status = 307
    with pytest.raises(ServerRefused) as refusal:
        Server(address).send("v1/reports", {}, {}, Deadline(5))
    assert refusal.value.status == 307
