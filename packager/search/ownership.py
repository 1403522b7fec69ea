"""Who works on a trial. A trial whose worker is gone is marked as failed, and its values are tried once more.

Optuna has heartbeats for databases alone, and only inside its own loop; these work in every storage.
"""

import os
import socket
import threading
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from optuna.exceptions import UpdateFinishedTrialError
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

BEAT_SECONDS = 20.0
# Nine beats: a machine that swaps, or a database that restarts, is not gone.
SILENT_SECONDS = 180.0
OWNER, BEAT, RETRY_OF, EXTRA, SEED = "owner", "beat", "retry_of", "extra", "seed"
GONE = "Its worker was killed or fell silent."


class Ownership:
    """Marks a trial as this process's while it works on it; a thread says every few seconds that it does."""

    def __init__(self, trial: Trial, beat_seconds: float = BEAT_SECONDS) -> None:
        self._trial, self._beat_seconds = trial, beat_seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, name=f"trial-{trial.number}", daemon=True)

    def __enter__(self) -> Self:
        self._trial.set_user_attr(BEAT, time.time())
        self._trial.set_user_attr(OWNER, {"host": socket.gethostname(), "process": os.getpid()})
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _beat(self) -> None:
        while not self._stop.wait(self._beat_seconds):
            try:
                self._trial.set_user_attr(BEAT, time.time())
            except UpdateFinishedTrialError:
                return


def retry_orphans(study: Study) -> list[int]:
    """Fail the trials whose workers are gone, and enqueue their values, each once; gives their numbers."""
    running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    return [trial.number for trial in running if is_orphan(trial) and fail_and_retry(study, trial)]


def is_orphan(trial: FrozenTrial, now: float | None = None) -> bool:
    """Whether a running trial's worker is gone: not among this machine's processes, or silent for long."""
    owner: Mapping[str, Any] = trial.user_attrs.get(OWNER, {})
    if owner.get("host") == socket.gethostname() and not _alive(owner["process"]):
        return True
    started = trial.datetime_start.timestamp() if trial.datetime_start else 0.0
    last = float(trial.user_attrs.get(BEAT, started))
    return (time.time() if now is None else now) - last > SILENT_SECONDS


def fail_and_retry(study: Study, trial: FrozenTrial, reason: str = GONE) -> bool:
    """Fail a running trial; whoever was first to do so enqueues its values, unless it was a retry itself."""
    storage = study._storage  # noqa: SLF001 - what only one of many may do has no public name
    trial_id = trial._trial_id  # noqa: SLF001
    try:
        storage.set_trial_user_attr(trial_id, "reason", reason)
        if not storage.set_trial_state_values(trial_id, state=TrialState.FAIL):
            return False
    except UpdateFinishedTrialError:
        return False
    if RETRY_OF not in trial.user_attrs and trial.params:
        kept = {key: trial.user_attrs[key] for key in (EXTRA, SEED) if key in trial.user_attrs}
        study.enqueue_trial(trial.params, user_attrs={**kept, RETRY_OF: trial.number})
    return True


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
