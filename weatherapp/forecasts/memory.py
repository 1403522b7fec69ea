"""What a web process keeps for a moment: the current run's row, and bodies that it wrote already."""

import time
from collections import OrderedDict
from threading import Lock

from django.conf import settings

from weatherapp.forecasts import selectors
from weatherapp.forecasts.models import ForecastRun


class Bodies:
    """The last used bodies by key, up to so many bytes; safe for threads."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, tuple[bytes, str]] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()

    def get(self, key: str) -> tuple[bytes, str] | None:
        """A body with what the caller noted beside it; None where it is not kept."""
        with self._lock:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
            return found

    def put(self, key: str, body: bytes, note: str, most: int) -> None:
        """Keep a body, and forget the longest unused ones beyond `most` bytes; a large one is not kept."""
        if len(body) > most // 8:
            return
        with self._lock:
            earlier = self._kept.pop(key, None)
            self._bytes += len(body) - (len(earlier[0]) if earlier else 0)
            self._kept[key] = (body, note)
            while self._bytes > most:
                _, (old, _) = self._kept.popitem(last=False)
                self._bytes -= len(old)

    def __len__(self) -> int:
        return len(self._kept)


class Recent:
    """The current run's row as of at most `CURRENT_RUN_SECONDS` ago.

    A new run is so seen a moment later, and by each process at its own time: as if the request had come
    earlier.
    """

    def __init__(self) -> None:
        self._known: tuple[float, ForecastRun] | None = None

    def run(self) -> ForecastRun:
        """The run.

        Raises:
            NoCurrentRun: none was stored yet; asked anew each time.
        """
        seconds: float = settings.CURRENT_RUN_SECONDS
        now, known = time.monotonic(), self._known
        if known is not None and now - known[0] < seconds:
            return known[1]
        run = selectors.current_run()
        self._known = (now, run)
        return run


bodies = Bodies()
recent = Recent()
