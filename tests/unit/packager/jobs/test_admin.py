import pytest
from django.urls import reverse

from packager.jobs import tasks
from packager.jobs.lease import Lease, claim_job
from packager.jobs.models import PackagingJob

pytestmark = pytest.mark.django_db


def page(client, name, *args):
    return client.get(reverse(f"admin:jobs_packagingjob_{name}", args=args))


def test_a_job_is_started_by_choosing_a_recipe(
    admin_client, admin_user, sent, django_capture_on_commit_callbacks
):
    form = page(admin_client, "add").content.decode()
    assert "coreml_fp16" in form
    assert "tflite_w8a8" in form
    with django_capture_on_commit_callbacks(execute=True):
        url = reverse("admin:jobs_packagingjob_add")
        assert admin_client.post(url, {"recipe": "tflite_w8a8"}).status_code == 302
    job = PackagingJob.objects.get()
    assert (job.recipe, job.requested_by, job.state) == ("tflite_w8a8", admin_user, "waiting")
    assert sent == [(f"packaging-job-{job.pk}-1", job.pk)]


def test_an_unknown_recipe_starts_nothing(admin_client, sent):
    response = admin_client.post(reverse("admin:jobs_packagingjob_add"), {"recipe": "w2a2"})
    assert response.status_code == 200
    assert not PackagingJob.objects.exists()


def test_a_running_job_shows_its_progress_and_refreshes_itself(admin_client):
    job = PackagingJob.objects.create(recipe="tflite_w8a8")
    Lease(job.pk, claim_job(job.pk)).report("distil", 0.42, "epoch 7 of 60")
    for name, arguments in (("changelist", []), ("change", [job.pk])):
        response = page(admin_client, name, *arguments)
        shown = response.content.decode()
        assert 'aria-valuenow="42"' in shown
        assert "distil" in shown
        assert response["Refresh"] == "3"
    assert "epoch 7 of 60" in shown


def test_a_finished_job_links_its_bundle_and_stands_still(admin_client, good_builder):
    job = PackagingJob.objects.create(recipe="tflite_w8a8")
    tasks.build_bundle(job.pk)
    job.refresh_from_db()
    for response in (page(admin_client, "changelist"), page(admin_client, "change", job.pk)):
        assert reverse("admin:mobile_models_bundle_change", args=[job.bundle.pk]) in response.content.decode()
        assert "Refresh" not in response


def test_the_page_of_a_job_that_is_not_there_leads_away(admin_client):
    assert page(admin_client, "change", 999).status_code == 302
