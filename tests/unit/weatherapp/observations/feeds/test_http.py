import gzip
import socket
import threading

import pytest

from weatherapp.observations.errors import FeedUnreadable
from weatherapp.observations.feeds.http import HttpSource, Patience

QUICK = Patience(connect=0.5, read=0.3, total=2.0, backoff=0.0, attempts=3)
OK = (200, {}, b"data\n")


def read(*urls, validators=None, patience=QUICK):
    pauses = []
    source = HttpSource(urls, patience=patience, wait=pauses.append)
    return source.read(validators or {}), pauses


def test_unchanged_documents_cost_no_transfer(web):
    url = web.lines_up(
        "/a", (200, {"ETag": '"1"', "Last-Modified": "Sat, 04 Jul 2026 18:00:00 GMT"}, b"x"), (304, {}, b"")
    )
    first, _ = read(url)
    assert first.documents[0].content == b"x"
    second, _ = read(url, validators=first.validators)
    assert (second.documents, second.unchanged) == ((), 1)
    assert second.validators == first.validators
    headers = web.asked[1][1]
    assert headers["If-None-Match"] == '"1"'
    assert headers["If-Modified-Since"] == "Sat, 04 Jul 2026 18:00:00 GMT"


def test_a_server_that_stumbles_is_asked_again(web):
    url = web.lines_up("/a", (500, {}, b""), (503, {"Retry-After": "1"}, b""), OK)
    reading, pauses = read(url)
    assert reading.documents[0].content == b"data\n"
    assert len(web.asked) == 3
    assert pauses[1] >= 1


def test_pauses_grow(web):
    url = web.lines_up("/a", (500, {}, b""), (500, {}, b""), (500, {}, b""), OK)
    patience = Patience(connect=0.5, read=0.3, total=60.0, backoff=1.0, attempts=4)
    _, pauses = read(url, patience=patience)
    assert 0.5 <= pauses[0] <= 1.5
    assert 1.0 <= pauses[1] <= 3.0
    assert 2.0 <= pauses[2] <= 6.0


def test_a_server_that_asks_for_too_much_patience_is_left_alone(web):
    url = web.lines_up("/a", (429, {"Retry-After": "3600"}, b""))
    with pytest.raises(FeedUnreadable, match="come back in 3600 s"):
        read(url)
    assert len(web.asked) == 1


def test_attempts_end(web):
    url = web.lines_up("/a", (502, {}, b""))
    with pytest.raises(FeedUnreadable, match=r"502 Bad Gateway \(3 attempts\)"):
        read(url)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((404, {}, b""), "answered 404"),
        ((200, {"Content-Type": "text/html; charset=utf-8"}, b"data"), "a page"),
        ((200, {"Content-Type": "text/plain"}, b"<html>down</html>"), "begins '<html>down</html>'"),
        ((200, {}, b""), "is empty"),
        ((200, {"Content-Encoding": "br"}, b"xx"), "encoding 'br'"),
        ((302, {"Location": "/a"}, b""), "redirects more than 3"),
    ],
)
def test_what_is_no_data_is_refused_at_once(web, answer, said):
    url = web.lines_up("/a", answer)
    with pytest.raises(FeedUnreadable, match=said):
        read(url)


def test_a_server_that_hangs_is_given_up(web):
    release = threading.Event()
    url = web.lines_up("/a", lambda handler: release.wait(5))
    with pytest.raises(FeedUnreadable, match="no answer in time"):
        read(url, patience=Patience(connect=0.5, read=0.1, total=1.0, backoff=0.0, attempts=2))
    release.set()


def test_a_server_that_drips_is_given_up_though_it_is_never_silent(web):
    done = threading.Event()

    def drip(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", "100000")
        handler.end_headers()
        while not done.wait(0.02):
            try:
                handler.wfile.write(b"x")
            except OSError:
                return

    url = web.lines_up("/a", drip)
    with pytest.raises(FeedUnreadable, match="sent only"):
        read(url, patience=Patience(connect=0.5, read=0.3, total=0.3, backoff=0.0, attempts=2))
    done.set()


def test_a_server_that_drips_its_header_is_given_up(web, monkeypatch):
    monkeypatch.setattr("weatherapp.observations.feeds.http.GRACE_SECONDS", 0.2)
    done = threading.Event()

    def drip(handler):
        while not done.wait(0.02):
            try:
                handler.wfile.write(b"H")
            except OSError:
                return

    url = web.lines_up("/a", drip)
    with pytest.raises(FeedUnreadable, match="no whole answer in time"):
        read(url, patience=Patience(connect=0.5, read=0.3, total=0.3, backoff=0.0, attempts=2))
    done.set()


def test_an_error_says_what_the_api_said_and_no_key(web):
    body = b'{"error": true, "reason": "Cannot initialize Models from foo."}'
    url = web.lines_up("/a", (400, {"Content-Type": "application/json"}, body))
    with pytest.raises(FeedUnreadable, match=r"answered 400 .* \(Cannot initialize Models") as refused:
        read(url + "?apikey=secret")
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("body", [b"", b"oops", b"[1]", b'{"reason": 5}'])
def test_an_error_without_a_reason_names_its_status(web, body):
    url = web.lines_up("/a", (400, {}, body))
    with pytest.raises(FeedUnreadable, match="answered 400 Bad Request; 200 or 304 is due"):
        read(url)


def test_a_body_that_ends_early_is_asked_for_again(web):
    url = web.lines_up("/a", (200, {"Content-Length": "1000"}, b"half"), OK)
    reading, _ = read(url)
    assert reading.documents[0].content == b"data\n"


def test_a_body_that_is_too_large_is_refused(web, monkeypatch):
    monkeypatch.setattr("weatherapp.observations.feeds.http.MAX_BYTES", 1000)
    url = web.lines_up("/a", (200, {}, bytes(5000)))
    with pytest.raises(FeedUnreadable, match="sends more than"):
        read(url)


@pytest.mark.parametrize("headers", [{}, {"Content-Encoding": "gzip"}])
def test_gzip_is_undone_whoever_packed_it(web, headers):
    url = web.lines_up("/a", (200, headers, gzip.compress(b"data\n")))
    assert read(url)[0].documents[0].content == b"data\n"


def test_a_packed_file_in_a_packed_transfer_is_unpacked_twice(web):
    url = web.lines_up("/a.gz", (200, {"Content-Encoding": "gzip"}, gzip.compress(gzip.compress(b"data\n"))))
    assert read(url)[0].documents[0].content == b"data\n"


def test_gzip_that_is_cut_off_is_told_and_asked_for_again_next_time(web):
    text = b"".join(b"line %d\n" % number for number in range(2000))
    url = web.lines_up("/a", (200, {"Content-Encoding": "gzip", "ETag": '"1"'}, gzip.compress(text)[:-300]))
    reading, _ = read(url)
    assert not reading.documents[0].whole
    assert "cut off" in reading.troubles[0]
    assert url not in reading.validators


def test_one_address_that_fails_does_not_stop_the_others(web):
    good, bad = web.lines_up("/good", OK), web.lines_up("/bad", (404, {}, b""))
    reading, _ = read(bad, good)
    assert [document.name for document in reading.documents] == [good]
    assert "404" in reading.troubles[0]


def test_nobody_at_the_address(web):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/a"
        with pytest.raises(FeedUnreadable, match="no connection"):
            read(url)


@pytest.mark.parametrize("url", ["http:///nowhere", "ftp://x/y", "http://[::1/x"])
def test_what_is_no_address_is_told(url):
    with pytest.raises(FeedUnreadable, match="not an address"):
        read(url)


@pytest.mark.parametrize("text", ["", "soon", "Sat, 04 Jul 2020 18:00:00 GMT", "-5"])
def test_a_wait_that_cannot_be_read_is_none(web, text):
    url = web.lines_up("/a", (503, {"Retry-After": text}, b""), OK)
    _, pauses = read(url)
    assert pauses == [0.0]
