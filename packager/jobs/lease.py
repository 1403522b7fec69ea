"""The lease by which one worker at a time holds a job."""

import threading
import time
from datetime import datetime, timedelta
from secrets import token_hex
from types import TracebackType
from typing import Any, Self, TypeVar

from django.conf import settings
from django.db import connection, models
from django.db.models import F, Q
from django.utils.timezone import now

from packager.jobs.errors import LeaseLost
from packager.jobs.models import LeasedRow, PackagingJob

Row = TypeVar("Row", bound=LeasedRow)
MAX_ATTEMPTS = 3
LOG_CHARACTERS = 16_000
# A builder that reports nothing for so long hangs: its lease is left to expire.
SILENCE_SECONDS = 1800
# Reports of one stage come faster than a person reads; each is a write.
SECONDS_BETWEEN_REPORTS = 0.5


def rows_of(model: type[Row]) -> models.Manager[Row]:
    """All rows of a kind of job."""
    return model._default_manager  # noqa: SLF001 - a model's documented manager, whatever it is called


def claim_job(job_id: int, model: type[LeasedRow] = PackagingJob) -> str | None:
    """Take a job that waits, or whose holder fell silent; gives the claim, or None if it is not free."""
    claim, moment = token_hex(16), now()
    free = Q(state=LeasedRow.State.WAITING) | Q(state=LeasedRow.State.RUNNING, lease_until__lt=moment)
    taken = (
        rows_of(model)
        .filter(free, pk=job_id, attempts__lt=MAX_ATTEMPTS)
        .update(
            state=LeasedRow.State.RUNNING,
            attempts=F("attempts") + 1,
            claim=claim,
            lease_until=_lease_end(),
            started=moment,
            progress=0,
            stage="",
            message="",
        )
    )
    return claim if taken else None


class Lease:
    """A held job: reports on it, and renews the lease while the builder works.

    A thread renews it, because one step of a builder may take longer than the lease.
    """

    def __init__(self, job_id: int, claim: str, model: type[LeasedRow] = PackagingJob) -> None:
        rows = rows_of(model)
        self._held = rows.filter(pk=job_id, claim=claim, state=LeasedRow.State.RUNNING)
        self._log = (self._held.values_list("log", flat=True).first() or "").splitlines()
        self._stage = ""
        self._reported = 0.0
        self._heard = time.monotonic()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._renew_until_stopped, name=f"lease-{job_id}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def report(self, stage: str, done: float, message: str) -> None:
        """Show where the build is; the builder calls it.

        Args:
            stage: what it does now, in a few words.
            done: share of the whole build, 0 to 1.
            message: one line for the log; may be empty.

        Raises:
            LeaseLost: another worker has the job.
        """
        self._heard = time.monotonic()
        if message:
            self._log.append(f"{now():%H:%M:%S} {stage}: {message}")
        if stage == self._stage and self._heard - self._reported < SECONDS_BETWEEN_REPORTS:
            return
        self._stage, self._reported = stage, self._heard
        self.write(
            stage=stage[:100],
            progress=round(100 * min(max(done, 0.0), 1.0)),
            message=message,
            log=self.log,
            lease_until=_lease_end(),
        )

    def note(self, line: str) -> None:
        """Add a line to the log; the next write carries it."""
        self._log.append(f"{now():%H:%M:%S} {line}")

    @property
    def log(self) -> str:
        """The end of the log."""
        return "\n".join(self._log)[-LOG_CHARACTERS:]

    def write(self, **fields: Any) -> None:
        """Change the row while it is held.

        Raises:
            LeaseLost: another worker has the job.
        """
        if not self._held.update(**fields):
            raise LeaseLost("Another worker took this job over, because this one was silent for too long.")

    def _renew_until_stopped(self) -> None:
        try:
            while not self._stop.wait(settings.JOB_LEASE_SECONDS / 3):
                if time.monotonic() - self._heard < SILENCE_SECONDS:
                    self._held.update(lease_until=_lease_end())
        finally:
            connection.close()


def _lease_end() -> datetime:
    return now() + timedelta(seconds=settings.JOB_LEASE_SECONDS)
