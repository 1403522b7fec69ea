from datetime import timedelta

import pytest
from django.utils.timezone import now

from mobile_models.errors import NotPermitted
from mobile_models.models import Bundle
from packager.errors import GateFailed
from packager.jobs import lease, services, tasks
from packager.jobs.errors import LeaseLost, RecipeUnknown
from packager.jobs.lease import Lease, claim_job
from packager.jobs.models import PackagingJob
from tests.factories import build_bundle, make_user

pytestmark = pytest.mark.django_db

State = PackagingJob.State


@pytest.fixture
def job():
    return PackagingJob.objects.create(recipe="tflite_w8a8")


def fresh(job):
    job.refresh_from_db()
    return job


def silent(job, seconds=1):
    """The holder's lease ended so many seconds ago."""
    PackagingJob.objects.filter(pk=job.pk).update(lease_until=now() - timedelta(seconds=seconds))


def aged(job, seconds):
    PackagingJob.objects.filter(pk=job.pk).update(created=now() - timedelta(seconds=seconds))


def test_a_request_makes_a_row_and_tells_the_queue_after_the_commit(sent, django_capture_on_commit_callbacks):
    user = make_user("engineer", "releaser")
    with django_capture_on_commit_callbacks(execute=True):
        job = services.request_build(recipe="tflite_w8a8", user=user)
        assert sent == []
    assert (job.state, job.requested_by) == (State.WAITING, user)
    assert sent == [(f"packaging-job-{job.pk}-1", job.pk)]


def test_who_may_not_register_bundles_may_not_ask_for_one(sent):
    with pytest.raises(NotPermitted, match=r"may not register_bundle"):
        services.request_build(recipe="tflite_w8a8", user=make_user("reader", "viewer"))
    assert not PackagingJob.objects.exists()


def test_an_unknown_recipe_lists_the_known(sent):
    with pytest.raises(RecipeUnknown, match=r"'w2a2' was given; allowed are coreml_fp16, tflite_w8a8\."):
        services.request_build(recipe="w2a2")
    assert not PackagingJob.objects.exists()


def test_a_queue_that_is_down_loses_no_request(monkeypatch, django_capture_on_commit_callbacks, caplog):
    def down(**_):
        raise ConnectionError

    monkeypatch.setattr(tasks.build_bundle, "apply_async", down)
    with django_capture_on_commit_callbacks(execute=True):
        job = services.request_build(recipe="tflite_w8a8")
    assert fresh(job).state == State.WAITING


def test_a_job_makes_a_registered_bundle(job, good_builder):
    tasks.build_bundle(job.pk)
    assert fresh(job).state == State.SUCCEEDED
    assert job.bundle == Bundle.objects.get(variant="tflite_w8a8")
    assert (job.progress, job.attempts) == (100, 1)
    assert job.started <= job.finished
    assert "train: epoch 1" in job.log
    assert "Registered" in job.log.splitlines()[-1]


def test_a_second_delivery_does_nothing(job, good_builder, builder):
    tasks.build_bundle(job.pk)
    finished = fresh(job).finished
    builder(lambda *_, **__: pytest.fail("built twice"))
    tasks.build_bundle(job.pk)
    assert (fresh(job).finished, job.attempts) == (finished, 1)


def test_a_job_that_does_not_exist_does_nothing():
    tasks.build_bundle(12345)


def test_progress_is_on_the_row_while_it_builds(job, builder):
    seen = []

    def build(recipe_name, *, work, progress):
        progress("distil", 0.4, "epoch 7 of 60")
        seen.append(fresh(job))
        return build_bundle(work / "made.zip")

    builder(build)
    services.run_build(job.pk)
    assert (seen[0].stage, seen[0].progress, seen[0].message) == ("distil", 40, "epoch 7 of 60")


def test_a_failed_gate_is_the_reason_on_the_row(job, builder):
    def build(recipe_name, *, work, progress):
        raise GateFailed("skill loss is 7.1 %; the recipe allows 5 %")

    builder(build)
    services.run_build(job.pk)
    assert fresh(job).state == State.FAILED
    assert job.message == "skill loss is 7.1 %; the recipe allows 5 %"
    assert job.finished


def test_a_bundle_that_is_refused_fails_the_job_and_stores_nothing(job, builder):
    def build(recipe_name, *, work, progress):
        path = build_bundle(work / "made.zip")
        path.write_bytes(path.read_bytes()[:-1])
        return path

    builder(build)
    services.run_build(job.pk)
    assert fresh(job).state == State.FAILED
    assert "ends after" in job.message
    assert not Bundle.objects.exists()


def test_a_defect_fails_the_job_and_is_raised(job, builder):
    def build(recipe_name, *, work, progress):
        raise ZeroDivisionError("division by zero")

    builder(build)
    with pytest.raises(ZeroDivisionError):
        services.run_build(job.pk)
    assert fresh(job).state == State.FAILED
    assert job.message.startswith("Unexpected ZeroDivisionError: division by zero")


def test_one_worker_holds_a_job(job):
    assert claim_job(job.pk)
    assert claim_job(job.pk) is None
    assert fresh(job).attempts == 1


def test_a_silent_holder_loses_the_job_and_may_publish_nothing(job):
    first = claim_job(job.pk)
    silent(job)
    second = claim_job(job.pk)
    assert second not in {None, first}
    with pytest.raises(LeaseLost):
        Lease(job.pk, first).report("train", 0.5, "still here")
    Lease(job.pk, second).report("train", 0.1, "mine now")
    assert fresh(job).message == "mine now"


def test_a_worker_that_lost_its_lease_leaves_the_row_alone(job, builder):
    def build(recipe_name, *, work, progress):
        silent(job)
        claim_job(job.pk)
        progress("train", 0.9, "too late")

    builder(build)
    services.run_build(job.pk)
    assert (fresh(job).state, job.message, job.attempts) == (State.RUNNING, "", 2)


def test_a_report_renews_the_lease(job, settings):
    held = Lease(job.pk, claim_job(job.pk))
    silent(job)
    held.report("train", 0.5, "")
    assert fresh(job).lease_until > now() + timedelta(seconds=settings.JOB_LEASE_SECONDS - 10)


def test_reports_of_one_stage_are_written_twice_a_second_at_most(job, django_assert_num_queries):
    held = Lease(job.pk, claim_job(job.pk))
    with django_assert_num_queries(2):  # one for each stage
        for step in range(100):
            held.report("train", step / 100, f"step {step}")
        held.report("export", 1, "done")
    assert "step 99" in fresh(job).log


def test_the_log_keeps_its_end(job):
    held = Lease(job.pk, claim_job(job.pk))
    for _ in range(300):
        held.note("x" * 100)
    held.report("train", 0.5, "the last line")
    assert len(fresh(job).log) == lease.LOG_CHARACTERS
    assert job.log.endswith("the last line")


@pytest.mark.django_db(transaction=True)
def test_the_lease_is_renewed_while_a_step_is_silent(job, settings):
    settings.JOB_LEASE_SECONDS = 0.3
    with Lease(job.pk, claim_job(job.pk)):
        before = fresh(job).lease_until
        lease.threading.Event().wait(0.5)
        assert fresh(job).lease_until > before


@pytest.mark.django_db(transaction=True)
def test_a_builder_that_hangs_loses_its_lease(job, settings, monkeypatch):
    settings.JOB_LEASE_SECONDS = 0.3
    monkeypatch.setattr(lease, "SILENCE_SECONDS", -1)
    with Lease(job.pk, claim_job(job.pk)):
        before = fresh(job).lease_until
        lease.threading.Event().wait(0.5)
        assert fresh(job).lease_until == before


def sweep(capture):
    with capture(execute=True):
        return services.sweep_jobs()


def test_the_sweep_sends_a_lost_request_again(job, sent, django_capture_on_commit_callbacks):
    aged(job, 29)
    assert sweep(django_capture_on_commit_callbacks) == 0
    aged(job, 31)
    assert sweep(django_capture_on_commit_callbacks) == 1
    assert sent == [(f"packaging-job-{job.pk}-1", job.pk)]


def test_the_sweep_does_not_fill_the_queue(job, sent, django_capture_on_commit_callbacks):
    aged(job, 3600)
    assert [sweep(django_capture_on_commit_callbacks) for _ in range(3)] == [1, 0, 0]
    PackagingJob.objects.update(resent=now() - timedelta(minutes=11))
    assert sweep(django_capture_on_commit_callbacks) == 1


def test_the_sweep_takes_a_job_from_a_dead_worker(job, sent, django_capture_on_commit_callbacks):
    claim_job(job.pk)
    assert sweep(django_capture_on_commit_callbacks) == 0
    silent(job)
    assert sweep(django_capture_on_commit_callbacks) == 1
    assert sent == [(f"packaging-job-{job.pk}-2", job.pk)]


def test_each_death_is_sent_again_at_once(job, sent, django_capture_on_commit_callbacks):
    for attempt in (2, 3):
        claim_job(job.pk)
        PackagingJob.objects.filter(resent__isnull=False).update(resent=now() - timedelta(seconds=5))
        silent(job)
        assert sweep(django_capture_on_commit_callbacks) == 1
        assert sent[-1] == (f"packaging-job-{job.pk}-{attempt}", job.pk)


def test_a_job_that_lost_three_workers_fails(job, sent, django_capture_on_commit_callbacks):
    for _ in range(3):
        held = Lease(job.pk, claim_job(job.pk))
        held.report("train", 0.5, "")
        silent(job)
    assert sweep(django_capture_on_commit_callbacks) == 0
    assert fresh(job).state == State.FAILED
    assert "3 times, last in stage train" in job.message
    assert claim_job(job.pk) is None


def test_the_sweep_leaves_finished_jobs_alone(job, good_builder, sent, django_capture_on_commit_callbacks):
    tasks.build_bundle(job.pk)
    aged(job, 3600)
    silent(job, 3600)
    assert sweep(django_capture_on_commit_callbacks) == 0
