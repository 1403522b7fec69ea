"""Run other code in a process of its own: one that dies or hangs is an answer, not the end of ours."""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def run_apart(
    command: Sequence[str], log: Path, timeout_seconds: float, environment: Mapping[str, str]
) -> int | None:
    """Run a command; what it prints goes into a file.

    Args:
        command: program and arguments.
        log: gets standard output and standard error.
        timeout_seconds: after this the command is killed, with what it started.
        environment: all of its variables.

    Returns:
        Its exit status, negative for a signal; None when it took too long and was killed.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - our own modules, arguments are files of ours
            list(command),
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
            env=dict(environment),
            start_new_session=True,
        )
        try:
            return process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            return None
        finally:
            # Converters start helpers, and an interrupted job must not leave one running.
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def quiet_environment() -> dict[str, str]:
    """Variables for a process that runs a module of this project.

    What it prints is read by a person only after a failure: no progress bars, no notes of TensorFlow's.
    """
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    # A fixed hash seed keeps every set in the converters in the same order: same weights, same bytes.
    fixed = {"PYTHONHASHSEED": "0", "CUDA_VISIBLE_DEVICES": "-1", "PYTHONPATH": os.pathsep.join(paths)}
    return os.environ | fixed | {"TQDM_DISABLE": "1", "TF_CPP_MIN_LOG_LEVEL": "2"}


def tail_of(log: Path, characters: int = 1500) -> str:
    """The last words of a log."""
    return log.read_text(errors="replace")[-characters:].strip() or "(it printed nothing)"
