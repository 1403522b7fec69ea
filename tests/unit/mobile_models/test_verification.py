import sys
from importlib import reload

import pytest

from mobile_models import verification
from mobile_models.errors import BundleRefused, VerifierFailed


@pytest.fixture
def verify_here():
    """Not replaced here: this is its own test."""
    reload(verification)


@pytest.fixture
def verifier(tmp_path, monkeypatch):
    """Puts a program in the place of the interpreter."""

    def install(script):
        path = tmp_path / "python"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(path))

    return install


def test_a_good_archive_passes(verifier, archive, tmp_path):
    verifier(f'echo "$@" > {tmp_path}/said')
    verification.verify_archive(archive)
    assert (tmp_path / "said").read_text() == f"-m packager verify --json {archive}\n"


def test_the_verifiers_sentence_is_the_reason(verifier, archive):
    verifier("echo 'some warning' >&2; echo 'The archive differs at byte 7.' >&2; exit 2")
    with pytest.raises(BundleRefused, match=r"^The archive differs at byte 7\.$"):
        verification.verify_archive(archive)


def test_a_crash_of_the_verifier_is_a_refusal(verifier, archive):
    verifier("kill -SEGV $$")
    with pytest.raises(BundleRefused, match="killed by signal 11"):
        verification.verify_archive(archive)


def test_a_verifier_that_hangs_is_a_refusal(verifier, archive, monkeypatch):
    verifier("exec sleep 60")
    monkeypatch.setattr(verification, "TIMEOUT_SECONDS", 0.2)
    with pytest.raises(BundleRefused, match="was not done after"):
        verification.verify_archive(archive)


def test_a_verifier_that_cannot_run_here_says_nothing_about_the_archive(verifier, archive):
    verifier("echo \"ModuleNotFoundError: No module named 'coremltools'\" >&2; exit 1")
    with pytest.raises(VerifierFailed, match="No module named 'coremltools'"):
        verification.verify_archive(archive)
