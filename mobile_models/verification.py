"""Checks an archive in a process of its own, where a crash of a runtime is a refusal and nothing more."""

import subprocess
import sys
from pathlib import Path

from django.conf import settings

from mobile_models.errors import BundleRefused, VerifierFailed

TIMEOUT_SECONDS = 600
# The exit code of `python -m packager` for an error that it names; any other is a failure of its own.
SAYS_NO = 2


def verify_archive(path: Path) -> None:
    """Run `python -m packager verify` on an archive: its bytes, its manifest, its artifact's golden vectors.

    Raises:
        BundleRefused: the verifier says no, died of the artifact, or took longer than ten minutes.
        VerifierFailed: it cannot run here; that says nothing about the archive.
    """
    command = [sys.executable, "-m", "packager", "verify", "--json", str(path)]
    try:
        done = subprocess.run(  # noqa: S603 - a fixed command and a path that this process made
            command,
            cwd=settings.BASE_DIR,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise BundleRefused(
            f"The verifier was not done after {TIMEOUT_SECONDS} s. Verify it by hand to see where it is."
        ) from error
    if done.returncode == SAYS_NO or done.returncode < 0:
        raise BundleRefused(_reason(done))
    if done.returncode:
        raise VerifierFailed(
            f"The verifier cannot run on this machine: {_reason(done)} "
            "Verify the bundle on a worker, which has every runtime installed."
        )


def _reason(done: subprocess.CompletedProcess[str]) -> str:
    lines = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
    said = lines[-1] if lines else "The verifier said nothing."
    if done.returncode < 0:
        return f"The verifier was killed by signal {-done.returncode}: {said}"
    return said
