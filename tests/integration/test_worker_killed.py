"""A worker is killed in the middle of a job, against the services of production: Redis and PostgreSQL."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
import redis

from tests.integration.killable_builder import STEPS

ROOT = Path(__file__).resolve().parents[2]
DATABASE, BROKER = os.environ.get("TEST_DATABASE_URL"), os.environ.get("TEST_BROKER_URL")
LEASE_SECONDS = 3

pytestmark = [
    pytest.mark.services,
    pytest.mark.skipif(
        not (DATABASE and BROKER),
        reason="needs TEST_DATABASE_URL (PostgreSQL) and TEST_BROKER_URL (Redis)",
    ),
]


@pytest.fixture(scope="module")
def database():
    """A database of its own, dropped at the end."""
    name = f"skyfold_test_{token_hex(6)}"
    with psycopg.connect(DATABASE, autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
        try:
            yield urlunsplit(urlsplit(DATABASE)._replace(path=f"/{name}"))
        finally:
            server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="module")
def key_prefix():
    """Keys of its own in the broker, removed at the end."""
    prefix = f"skyfold-test-{token_hex(6)}:"
    yield prefix
    with redis.Redis.from_url(BROKER) as broker:
        for key in broker.scan_iter(f"{prefix}*"):
            broker.delete(key)


@pytest.fixture(scope="module")
def site(database, key_prefix, tmp_path_factory):
    """A server's environment with an empty database."""
    folder = tmp_path_factory.mktemp("var")
    made = Site(folder, database, key_prefix)
    made.manage("migrate", "--verbosity", "0")
    return made


class Site:
    """Runs the project's processes in an environment of their own."""

    def __init__(self, folder, database, key_prefix):
        self.var = folder
        self.database = database
        self.environment = os.environ | {
            "SKYFOLD_VAR": str(folder),
            "SECRET_KEY": "for tests",
            "DATABASE_URL": database,
            "CELERY_BROKER_URL": BROKER,
            "CELERY_KEY_PREFIX": key_prefix,
            "JOB_LEASE_SECONDS": str(LEASE_SECONDS),
            "PACKAGING_BUILDER": "tests.integration.killable_builder.build_variant",
            "PYTHONPATH": str(ROOT),
        }

    def manage(self, *arguments):
        command = [sys.executable, "manage.py", *arguments]
        done = subprocess.run(
            command, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def python(self, code):
        return self.manage("shell", "--no-imports", "--command", code).strip()

    def request(self, recipe):
        code = f"from packager.jobs.services import request_build; print(request_build(recipe={recipe!r}).pk)"
        return int(self.python(code).splitlines()[-1])

    def sweep(self):
        self.python("from packager.jobs.tasks import sweep_jobs; sweep_jobs.delay()")

    def one(self, query, *values):
        with psycopg.connect(self.database) as connection:
            return connection.execute(query, values).fetchone()

    def job(self, job_id):
        fields = "state, stage, attempts, message, log, bundle_id"
        row = self.one(f"SELECT {fields} FROM jobs_packagingjob WHERE id = %s", job_id)
        return dict(zip(fields.split(", "), row, strict=True))

    def wait_for(self, job_id, wanted, worker, seconds=90):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            job = self.job(job_id)
            if wanted(job):
                return job
            assert worker.poll() is None, self.log()
            time.sleep(0.05)
        pytest.fail(f"after {seconds} s: {job}\n{self.log()}")

    def log(self):
        return (self.var / "worker.log").read_text()[-5000:]

    @contextmanager
    def worker(self):
        """A real worker in a process group of its own."""
        command = [sys.executable, "-m", "celery", "-A", "weatherapp.config", "worker", "--concurrency", "1"]
        with (self.var / "worker.log").open("a") as log:
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            yield process
        finally:
            kill(process)


def kill(process):
    """SIGKILL the whole group, as the kernel does when memory runs out."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def published(site):
    """The digests of what the blob store shows, each found to be whole."""
    files = [
        path for path in (site.var / "blobs").rglob("*") if path.is_file() and "incoming" not in path.parts
    ]
    for path in files:
        assert hashlib.sha256(path.read_bytes()).hexdigest() == path.name
    return {path.name for path in files}


@pytest.mark.parametrize(
    ("recipe", "moment"), [("tflite_w8a8", f"step {STEPS // 2}"), ("tflite_fp16", "register")]
)
def test_a_killed_worker_publishes_nothing_and_the_sweep_finishes_its_job(site, recipe, moment):
    before = published(site)
    job_id = site.request(recipe)
    with site.worker() as worker:
        site.wait_for(job_id, lambda job: job["stage"] == moment, worker)
        kill(worker)

    assert site.job(job_id)["state"] == "running"
    assert site.one("SELECT count(*) FROM mobile_models_bundle WHERE variant = %s", recipe) == (0,)
    assert published(site) == before
    finished_by = {path: path.read_text() for path in (site.var / "work").glob(f"{recipe}-step-*")}

    time.sleep(LEASE_SECONDS + 0.5)
    with site.worker() as worker:
        site.sweep()
        job = site.wait_for(job_id, lambda job: job["state"] in {"succeeded", "failed"}, worker)

    assert (job["state"], job["attempts"]) == ("succeeded", 2), job
    (sha256,) = site.one("SELECT sha256 FROM mobile_models_bundle WHERE id = %s", job["bundle_id"])
    assert site.one("SELECT count(*) FROM mobile_models_bundle WHERE variant = %s", recipe) == (1,)
    # The archive, its compressed forms and its model card.
    assert published(site) > before | {sha256}
    assert finished_by, "the killed worker had finished no step"
    assert all(path.read_text() == process for path, process in finished_by.items()), "a step was done again"
