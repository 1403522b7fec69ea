"""Get an archive for as few bytes as there can be: by a patch to what is here, else whole."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from phone.bundle import check_digest
from phone.delta import apply_patch
from phone.download import Download, Transfer, Wanted
from phone.errors import BundleRefused, ServerRefused
from phone.forms import dictionary_form, smallest_form
from phone.state import State
from phone.transport import Deadline, Server

# Applying a patch holds the old and the new archive in memory, and what lies between them.
MAX_PATCHED_BYTES = 32 * 1024 * 1024
KINDS = ("bsdiff4", "dcz")


@dataclass
class Delta:
    """A patch that was tried: applied, or refused, and then the whole archive was fetched."""

    base: str
    kind: str
    size: int
    outcome: str = "applied"
    reason: str | None = None


class Fetch:
    """One bundle on its way here; says what it cost, and which patch was tried if one was."""

    def __init__(
        self,
        server: Server,
        state: State,
        entry: Mapping[str, Any],
        deadline: Deadline,
        *,
        break_after_bytes: int | None = None,
    ) -> None:
        """Prepare to fetch what a catalog's entry offers, and the offline keys signed."""
        self._server = server
        self._state = state
        self._entry = entry
        self._deadline = deadline
        self._break_after = break_after_bytes
        self.transfer = Transfer()
        self.delta: Delta | None = None

    def archive(self) -> bytes:
        """The archive, its digest compared with the signed one.

        Raises:
            BundleRefused: what was sent is not what was signed; nothing of it is kept.
            ConnectionLost, DeadlineExceeded, ServerRefused: as said there; what arrived is kept.
        """
        chosen = self._smallest_delta()
        if chosen is not None:
            self.delta = Delta(chosen["base"], chosen["kind"], chosen["size"])
            try:
                return self._by_patch(chosen)
            except (BundleRefused, ServerRefused) as error:
                self.delta.outcome, self.delta.reason = "refused", str(error)
        entry = self._entry
        return self._download(
            Wanted(entry["url"], entry["sha256"], entry["size"], smallest_form(entry["encodings"]))
        )

    def _smallest_delta(self) -> Mapping[str, Any] | None:
        if self._entry["size"] > MAX_PATCHED_BYTES:
            return None
        form = smallest_form(self._entry["encodings"])
        whole = form.size if form else self._entry["size"]
        usable = [
            delta
            for delta in self._entry["deltas"]
            if delta["kind"] in KINDS and delta["size"] < whole and self._state.archive(delta["base"])
        ]
        return min(usable, key=lambda delta: (delta["size"], delta["kind"]), default=None)

    def _by_patch(self, delta: Mapping[str, Any]) -> bytes:
        entry, base = self._entry, self._state.archive(delta["base"]) or b""
        if delta["kind"] == "dcz":
            form = dictionary_form(base, delta["size"])
            return self._download(Wanted(entry["url"], entry["sha256"], entry["size"], form))
        patch = self._download(Wanted(delta["url"], delta["sha256"], delta["size"]))
        archive = apply_patch(base, patch, entry["size"])
        check_digest("The patched archive", archive, entry["sha256"])
        self.transfer.digests += 1
        return archive

    def _download(self, wanted: Wanted) -> bytes:
        download = Download(self._server, wanted, self._state.partial, break_after_bytes=self._break_after)
        self._break_after = None
        try:
            return download.fetch(self._deadline)
        finally:
            self.transfer.add(download.transfer)
