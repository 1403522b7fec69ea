"""What the benchmark of the forecast API makes of its figures."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from bench.bench import NothingToMeasure
from bench.forecast_api import Goal, goals_of
from bench.load import open_loop, parse_wrk, percentile

PRINTED = (
    "Running 4s test @ http://127.0.0.1:1\n  2043 requests in 4.00s, 1.2MB read\nRequests/sec:    510.75\n"
)
PEERS = {
    "LitServe, an interpreter per request": {"ratio": 3.0},
    "BentoML, an interpreter per request": {"ratio": 9.0},
    "LitServe, an interpreter per worker": {"ratio": 1.5},
}
REPORT = {"ratio": 0.4, "cpu_ratio": 0.5, "p99_ms": 12.0, "many_ms": 60.0, "peers": PEERS}


def test_reads_the_rate_that_wrk_prints():
    assert parse_wrk(PRINTED) == (510.75, 2043)


@pytest.mark.parametrize(
    ("printed", "said"),
    [
        (PRINTED + "  Non-2xx or 3xx responses: 17\n", "Non-2xx or 3xx responses: 17"),
        (PRINTED + "  Socket errors: connect 0, read 3, write 0, timeout 0\n", "read 3"),
        ("unable to connect to 127.0.0.1:1 Connection refused\n", "Connection refused"),
    ],
)
def test_answers_that_are_no_answers_are_not_counted(printed, said):
    with pytest.raises(NothingToMeasure, match=said):
        parse_wrk(printed)


def test_a_percentile_is_one_of_the_values():
    assert percentile([float(value) for value in range(100)], 0.99) == 99
    assert percentile([1.0], 0.5) == 1.0
    with pytest.raises(NothingToMeasure):
        percentile([], 0.5)


def test_goals_are_held_against_the_server_that_comes_closest():
    goals = goals_of(REPORT)
    assert [goal.reached for goal in goals] == [False, True, False, True]
    assert "LitServe, an interpreter per request" in goals[-1].line()
    assert "MISSED" in goals[0].line()


def test_what_was_not_measured_is_said_to_be_so():
    missing = {name: {"ratio": None, "reason": "not installed"} for name in PEERS}
    goal = goals_of({**REPORT, "peers": missing})[-1]
    assert goal.reached is None
    assert goal.line().endswith("not measured  (not installed)")


def test_a_limit_is_met_from_its_own_side():
    assert Goal("share", 0.5, 0.5, "×", at_least=True).reached
    assert not Goal("time", 25.0, 25.0, "ms").reached


class Slow(BaseHTTPRequestHandler):
    """Answers the first request late and every other at once."""

    protocol_version = "HTTP/1.1"
    timeout = 5

    def log_message(self, *_):
        pass

    def do_GET(self):
        if self.server.stalls:
            self.server.stalls = False
            self.server.gate.wait(0.2)
        self.send_response(self.server.status)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")


@pytest.fixture
def slow():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    server.daemon_threads = False
    server.stalls, server.status, server.gate = True, 200, threading.Event()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_requests_that_wait_for_a_stalled_server_are_counted_with_their_wait(slow):
    took = open_loop(f"127.0.0.1:{slow.server_port}", ["/"], rate=100, seconds=0.3, connections=1)
    assert len(took) == 30
    # Everything that was due in the 200 ms of the stall had to wait, not only the one request that met it.
    assert sum(time > 50 for time in took) > 5


def test_an_answer_other_than_200_is_refused(slow):
    slow.stalls, slow.status = False, 500
    with pytest.raises(NothingToMeasure, match="500"):
        open_loop(f"127.0.0.1:{slow.server_port}", ["/"], rate=100, seconds=0.05, connections=1)
