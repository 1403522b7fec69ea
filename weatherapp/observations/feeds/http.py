"""Documents over HTTP: conditional, patient for a while, never for ever."""

import json
import random
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import requests
from urllib3.exceptions import HTTPError

from weatherapp.observations.errors import FeedUnreadable
from weatherapp.observations.feeds.sources import (
    GZIP_MAGIC,
    MAX_BYTES,
    Document,
    Reading,
    Validators,
    gather,
    remembered_as,
    shown,
    unpacked,
)

CONNECT_SECONDS = 5.0
READ_SECONDS = 15.0  # of silence
TOTAL_SECONDS = 90.0  # per document, retries and waits included: a server that drips is cut off too
ATTEMPTS = 4
GRACE_SECONDS = 1.0  # for an answer that is being given up on its own
BACKOFF_SECONDS = 1.0
REDIRECTS = 3
CHUNK = 64 * 1024
SAID_BYTES = 4096  # of an error's body
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})  # worth asking again
USER_AGENT = "Skyfold feed reader"

Answer = tuple[Document | None, Mapping[str, Any]]


class _Passing(Exception):
    """Worth another attempt; `after` is the least wait in seconds."""

    def __init__(self, reason: str, after: float = 0.0) -> None:
        super().__init__(reason)
        self.after = after


@dataclass(frozen=True)
class Patience:
    """How long to try, in seconds."""

    connect: float = CONNECT_SECONDS
    read: float = READ_SECONDS
    total: float = TOTAL_SECONDS
    backoff: float = BACKOFF_SECONDS
    attempts: int = ATTEMPTS


@dataclass(frozen=True)
class HttpSource:
    """Documents at some addresses, asked for with the ETag and Last-Modified of the last pass."""

    urls: tuple[str, ...]
    patience: Patience = Patience()
    wait: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic

    def read(self, validators: Validators) -> Reading:
        """As `Source.read`; the validators are the ETag and Last-Modified per address."""
        with requests.Session() as session:
            session.max_redirects = REDIRECTS
            session.headers.update({"User-Agent": USER_AGENT, "Accept-Encoding": "gzip"})
            return gather(
                self.urls, lambda url: self._get(session, url, validators.get(remembered_as(url), {}))
            )

    def _get(self, session: requests.Session, url: str, known: Mapping[str, Any]) -> Answer:
        deadline = self.clock() + self.patience.total
        for attempt in range(1, self.patience.attempts + 1):
            try:
                return _within(
                    max(deadline - self.clock(), 0.0) + GRACE_SECONDS,
                    lambda: self._ask(session, url, known, deadline),
                )
            except _Passing as passing:
                pause = max(passing.after, self._backoff(attempt))
                late = self.clock() + pause >= deadline
                if late or attempt == self.patience.attempts:
                    raise FeedUnreadable(self._gave_up(url, passing, attempt, late=late)) from passing
                self.wait(pause)
        raise FeedUnreadable(
            f"{shown(url)} was never asked: the number of attempts is {self.patience.attempts}."
        )

    def _backoff(self, attempt: int) -> float:
        """Twice as long each time, with jitter, so that many servers do not come back together."""
        return self.patience.backoff * 2.0 ** (attempt - 1) * random.uniform(0.5, 1.5)  # noqa: S311 - no secret

    def _gave_up(self, url: str, passing: _Passing, attempts: int, *, late: bool) -> str:
        if late and passing.after:
            return (
                f"{shown(url)}: {passing}; it asks to come back in {passing.after:.0f} s. "
                "The next pass tries again."
            )
        return f"{shown(url)}: {passing} ({attempts} attempts). The next pass tries again."

    def _ask(self, session: requests.Session, url: str, known: Mapping[str, Any], deadline: float) -> Answer:
        left = max(deadline - self.clock(), 0.1)
        timeout = (min(self.patience.connect, left), min(self.patience.read, left))
        try:
            answer = session.get(url, headers=_conditions(known), stream=True, timeout=timeout)
            with closing(answer):
                if answer.status_code == requests.codes.not_modified:
                    return None, known
                _check(url, answer)
                content = self._body(url, answer, deadline)
        except requests.TooManyRedirects as error:
            raise FeedUnreadable(
                f"{shown(url)} redirects more than {REDIRECTS} times. Check the address."
            ) from error
        except (requests.exceptions.InvalidSchema, ValueError) as error:
            # What the library says of it repeats the whole address.
            raise FeedUnreadable(
                f"{shown(url)} is not an address that can be asked, or leads to one that is not "
                f"({type(error).__name__}). Write http(s)://host/path."
            ) from error
        except (HTTPError, OSError) as error:
            raise _Passing(_why(error)) from error
        document = unpacked(url, _decoded(url, answer.headers.get("Content-Encoding", ""), content))
        # What came cut off is asked for again, whole.
        return document, _validators(answer) if document.whole else {}

    def _body(self, url: str, answer: requests.Response, deadline: float) -> bytes:
        parts: list[bytes] = []
        size = 0
        # read1 gives what has come; read would wait for a whole chunk, however slowly it comes.
        while part := answer.raw.read1(CHUNK, decode_content=False):
            parts.append(part)
            size += len(part)
            if size > MAX_BYTES:
                raise FeedUnreadable(f"{shown(url)} sends more than {MAX_BYTES // 2**20} MiB. Ask for less.")
            if self.clock() > deadline:
                raise _Passing(f"sent only {size} bytes in {self.patience.total:.0f} s")
        return b"".join(parts)


def _within(seconds: float, ask: Callable[[], Answer]) -> Answer:
    """What asking gives, or _Passing where that takes too long.

    Looking up a name, and a header that drips, know no limit in all. A thread that still waits for one ends
    with its connection, and does not keep the process.
    """
    answer: Future[Answer] = Future()

    def run() -> None:
        try:
            answer.set_result(ask())
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits
            answer.set_exception(error)

    threading.Thread(target=run, daemon=True, name="feed document").start()
    try:
        return answer.result(seconds)
    except TimeoutError as error:
        raise _Passing("no whole answer in time") from error


def _decoded(url: str, encoding: str, content: bytes) -> bytes:
    """Undo the encoding for transfer, but one gzip, which `unpacked` undoes: it sees what is cut off.

    Raises:
        FeedUnreadable: an encoding that was not asked for.
    """
    if encoding.lower() not in {"", "identity", "gzip", "x-gzip"}:
        raise FeedUnreadable(f"{shown(url)} answered in the encoding {encoding!r}; gzip or none is due.")
    twice = "gzip" in encoding.lower() and url.split("?", 1)[0].endswith(".gz")
    return unpacked(url, content).content if twice and content.startswith(GZIP_MAGIC) else content


def _conditions(known: Mapping[str, Any]) -> dict[str, str]:
    names = {"etag": "If-None-Match", "modified": "If-Modified-Since"}
    return {header: str(known[key]) for key, header in names.items() if known.get(key)}


def _validators(answer: requests.Response) -> dict[str, str]:
    names = {"etag": "ETag", "modified": "Last-Modified"}
    return {key: answer.headers[header] for key, header in names.items() if answer.headers.get(header)}


def _check(url: str, answer: requests.Response) -> None:
    """Refuse every answer but data."""
    if answer.status_code in PASSING:
        raise _Passing(f"answered {answer.status_code} {answer.reason}", _retry_after(answer))
    if answer.status_code != requests.codes.ok:
        raise FeedUnreadable(
            f"{shown(url)} answered {answer.status_code} {answer.reason}{_said(answer)}; 200 or 304 is due."
        )
    kind = answer.headers.get("Content-Type", "").split(";")[0].strip().lower()
    if kind in {"text/html", "application/xhtml+xml"}:
        raise FeedUnreadable(f"{shown(url)} gave a page ({kind}) instead of data. Check the address.")


def _said(answer: requests.Response) -> str:
    """The reason that an API gives beside its status, in JSON; empty where there is none."""
    try:
        start = answer.raw.read1(SAID_BYTES, decode_content=True)
        body = json.loads(start)
    except (ValueError, HTTPError, OSError):
        return ""
    reason = body.get("reason") if isinstance(body, dict) else None
    return f" ({reason[:200]})" if isinstance(reason, str) else ""


def _retry_after(answer: requests.Response) -> float:
    """Seconds that the server asks to wait; 0 where it says nothing that can be read."""
    text = answer.headers.get("Retry-After", "").strip()
    if text.isdecimal():
        return float(text)
    try:
        return max((parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds(), 0.0)
    except (TypeError, ValueError):
        return 0.0


def _why(error: Exception) -> str:
    if isinstance(error, requests.ConnectTimeout):
        return "no connection in time"
    if isinstance(error, requests.Timeout) or "timed out" in str(error).lower():
        return "no answer in time"
    if isinstance(error, requests.ConnectionError):
        return "no connection"
    return f"{type(error).__name__}: {str(error)[:200]}"
