"""The admin's pages in a real browser. SHOTS=folder keeps a picture of each."""

import pytest
from playwright.sync_api import expect

from mobile_models import services
from mobile_models.models import Channel
from packager import recipes
from packager.jobs.lease import Lease, claim_job
from packager.jobs.models import PackagingJob
from tests.delivery_rows import make_bundle
from tests.e2e.admin_browser import open_page, shot
from tests.factories import approve

pytestmark = pytest.mark.django_db(transaction=True)
VARIANTS = {"tflite_w8a8": "a1", "tflite_fp16": "a2", "server_fp32": "a3"}


@pytest.fixture(autouse=True)
def site(settings, monkeypatch):
    monkeypatch.setattr(recipes, "recipe_names", lambda: ["coreml_pal4", "tflite_w8a8"], raising=False)
    settings.DEBUG = False


def test_bundles_and_channels_are_shown(page):
    bundles = [make_bundle(variant, short) for variant, short in VARIANTS.items()]
    services.start_rollout(release=approve(services.create_release(bundles=bundles)), channel="stable")
    open_page(page, "bundle", "changelist")
    expect(page.get_by_text("tflite_w8a8")).to_be_visible()
    shot(page, "bundles")
    open_page(page, "bundle", "change", bundles[0].pk)
    expect(page.get_by_text(bundles[0].sha256).first).to_be_visible()
    open_page(page, "channel", "changelist")
    expect(page.get_by_text("100 %")).to_be_visible()
    open_page(page, "channel", "change", Channel.objects.get(name="stable").pk)
    expect(page.get_by_text("100 %")).to_be_visible()


def test_a_job_is_started_with_a_recipe_and_its_page_follows_it(page):
    open_page(page, "packagingjob", "add", app="jobs")
    page.select_option("[name=recipe]", "tflite_w8a8")
    page.click("[name=_save]")
    job = PackagingJob.objects.get()
    open_page(page, "packagingjob", "changelist", app="jobs")
    expect(page.get_by_text("waiting", exact=True)).to_be_visible()

    lease = Lease(job.pk, claim_job(job.pk))
    lease.report("distil", 0.42, "epoch 7 of 60")
    open_page(page, "packagingjob", "change", job.pk, app="jobs")
    expect(page.locator("[role=progressbar]")).to_have_attribute("aria-valuenow", "42")
    lease.report("quantize", 0.8, "calibrating on 512 windows")
    expect(page.locator("[role=progressbar]")).to_have_attribute("aria-valuenow", "80", timeout=8000)
    shot(page, "packagingjob-followed")
    PackagingJob.objects.create(
        recipe="coreml_pal4", state="failed", message="skill loss is 7.1 %", progress=60
    )
    open_page(page, "packagingjob", "changelist", app="jobs")


@pytest.mark.parametrize(
    "path", ["/docs/", "/admin/forecasts/verification/", "/admin/observations/feedstate/"]
)
def test_other_pages_work_under_their_policy(page, path):
    page.goto(path)
    page.wait_for_load_state("networkidle")
    if path == "/docs/":
        expect(page.locator(".opblock").first).to_be_visible()
