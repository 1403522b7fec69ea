"""What the phone tells the server: counts of what it did, without saying who or where it is.

A journal collects until it is sealed into a batch; a batch is sent until the server has it, always under the
same random `batch_id`, which the server counts once; after a week it is dropped. Nothing in a batch outlives
it: no id of the device, no address, and no place finer than the cell of one degree.
"""

import uuid
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from phone.errors import PhoneError, ServerRefused
from phone.notes import read_note, read_time, write_note
from phone.skill import Skill
from phone.state import State
from phone.transport import Deadline, Server

JOURNAL, OUTBOX, TOKEN, RUNNING = "journal.json", "outbox", "token.json", "running.json"
URL, TOKEN_URL = "v1/reports", "v1/reports/token"
KEPT = timedelta(days=7)
# The server takes hours a little longer than that, and no more operations than these in a batch.
MAX_OPERATIONS = 200
TOKEN_HOURS = 24
LATENCY_EDGES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
DENIED = (401, 403)
# What the server may take another time; any other refusal is for good.
LATER = (408, 429)


class Reports:
    """The journal, and the batches that wait to be sent."""

    def __init__(self, state: State) -> None:
        """Open them in the phone's folder."""
        self._notes = state.notes
        self._outbox = state.notes / OUTBOX
        self._outbox.mkdir(exist_ok=True)

    def forget(self) -> None:
        """Keep nothing: the user switched reports off."""
        for path in [self._notes / name for name in (JOURNAL, TOKEN, RUNNING)] + self._waiting():
            path.unlink(missing_ok=True)

    def begin_inference(self) -> None:
        """Note that the model is about to run: if the app dies now, the next start counts a crash."""
        write_note(self._notes / RUNNING, {"since": _hour()})

    def end_inference(self) -> None:
        """Note that it came back."""
        (self._notes / RUNNING).unlink(missing_ok=True)

    def has_crashed(self) -> bool:
        """Whether the app died in the model's hands since it was asked last."""
        crashed = (self._notes / RUNNING).is_file()
        self.end_inference()
        return crashed

    def add(
        self,
        labels: Mapping[str, Any],
        operations: Iterable[tuple[str, str]],
        *,
        milliseconds: Sequence[float] = (),
        golden: Mapping[str, int] | None = None,
        skill: Skill | None = None,
    ) -> None:
        """Count into the journal; what was counted under other labels is sealed first.

        Args:
            labels: what the device runs and which side of a rollout it is on.
            operations: what was done and how it ended.
            milliseconds: of each run of the model.
            golden: cases replayed and failed.
            skill: of forecasts whose hours have come.
        """
        journal = read_note(self._notes / JOURNAL)
        if journal and journal["labels"] != labels:
            self.seal()
            journal = {}
        counted = dict(journal.get("operations", {}))
        for operation, outcome in operations:
            key = f"{operation} {outcome} {_hour()}"
            counted[key] = counted.get(key, 0) + 1
        latency = journal.get("latency") or [0] * (len(LATENCY_EDGES) + 1)
        for value in milliseconds:
            latency[bisect_right(LATENCY_EDGES, value)] += 1
        written = {
            "labels": dict(labels),
            "operations": counted,
            "latency": latency,
            "golden": _sum(journal.get("golden"), golden),
            "skill": _together(journal.get("skill"), skill),
        }
        write_note(self._notes / JOURNAL, written)

    def seal(self) -> None:
        """Make a batch of what the journal holds; it gets the id that it keeps."""
        journal = read_note(self._notes / JOURNAL)
        batch = _batch(journal, datetime.now(UTC)) if journal else None
        if batch is not None and batch["operations"]:
            write_note(self._outbox / f"{batch['batch_id']}.json", batch)
        (self._notes / JOURNAL).unlink(missing_ok=True)

    def send(self, server: Server, deadline: Deadline) -> dict[str, Any]:
        """Send what waits; what cannot be sent now stays.

        Returns:
            How many batches were `sent`, are `kept` and were `dropped`, and the `reason` of the last failure.
        """
        self.seal()
        sent, dropped, reason = 0, 0, None
        for path in self._waiting():
            batch = read_note(path)
            sealed = read_time(batch.get("sent_at"))
            try:
                if sealed is None or datetime.now(UTC) - sealed > KEPT:
                    raise ServerRefused("The batch is older than the server takes.", status=422)
                self._post(server, batch, deadline)
                sent += 1
            except (PhoneError, OSError) as error:
                reason = str(error)
                if not _is_final(error):
                    break
                dropped += 1
            path.unlink()
        return {"sent": sent, "kept": len(self._waiting()), "dropped": dropped, "reason": reason}

    def _post(self, server: Server, batch: Mapping[str, Any], deadline: Deadline) -> None:
        token = self._token(server, batch, deadline)
        try:
            server.send(URL, batch, {"Authorization": f"Report {token}"}, deadline)
        except ServerRefused as error:
            if error.status not in DENIED:
                raise
            (self._notes / TOKEN).unlink(missing_ok=True)
            token = self._token(server, batch, deadline)
            server.send(URL, batch, {"Authorization": f"Report {token}"}, deadline)

    def _token(self, server: Server, batch: Mapping[str, Any], deadline: Deadline) -> str:
        asked = {name: batch[name] for name in ("platform", "channel")}
        kept = read_note(self._notes / TOKEN)
        since = read_time(kept.get("since"))
        fresh = since is not None and datetime.now(UTC) - since < timedelta(hours=TOKEN_HOURS)
        if fresh and kept["asked"] == asked:
            return str(kept["token"])
        answer = server.document(f"{TOKEN_URL}?{urlencode(asked)}", deadline).document
        token = answer.get("token") if isinstance(answer, dict) else None
        # It becomes a header: nothing but what a token is made of may stand there.
        if not isinstance(token, str) or not token.isascii() or not token.isprintable() or " " in token:
            raise ServerRefused("The server's answer holds no report token.")
        write_note(
            self._notes / TOKEN, {"token": token, "asked": asked, "since": datetime.now(UTC).isoformat()}
        )
        return token

    def _waiting(self) -> list[Path]:
        return sorted(self._outbox.glob("*.json"))


def _batch(journal: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """The document that is sent, as the server's schema of reports has it."""
    latency = journal["latency"]
    operations = []
    for key, count in journal["operations"].items():
        operation, outcome, hour = key.split(" ")
        if now - datetime.fromisoformat(hour) < KEPT:
            operations.append({"operation": operation, "outcome": outcome, "count": count, "hour": hour})
    skill = journal["skill"]
    return {
        "batch_id": str(uuid.uuid4()),
        "sent_at": now.isoformat(),
        **journal["labels"],
        "operations": operations[-MAX_OPERATIONS:],
        "latency": {"unit": "ms", "edges": list(LATENCY_EDGES), "counts": latency} if any(latency) else None,
        "golden": journal["golden"],
        "skill": [{"variable": "temperature", **skill}] if skill else None,
    }


def _is_final(error: Exception) -> bool:
    """Whether the server has said that it will never take a batch."""
    status = error.status if isinstance(error, ServerRefused) else None
    return status is not None and 400 <= status < 500 and status not in (*LATER, *DENIED)


def _sum(before: Mapping[str, int] | None, more: Mapping[str, int] | None) -> dict[str, int] | None:
    if before is None or more is None:
        return dict(more or before or {}) or None
    return {name: before[name] + more[name] for name in before}


def _together(before: Mapping[str, Any] | None, more: Skill | None) -> dict[str, Any] | None:
    if more is None:
        return dict(before) if before else None
    old = Skill(**before) if before else Skill(0, 0.0)
    count = old.count + more.count
    mean = (old.count * old.mean_abs_error + more.count * more.mean_abs_error) / count
    return {"count": count, "mean_abs_error": round(mean, 4)}


def _hour() -> str:
    return datetime.now(UTC).replace(minute=0, second=0, microsecond=0).isoformat()
