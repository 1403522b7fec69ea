"""The admin in a real browser: a release manager's afternoon. SHOTS=folder keeps a picture of every page."""

import os
import shutil
from pathlib import Path

import pytest
from django.contrib.auth import get_user_model
from django.urls import reverse

from mobile_models import services, verification
from mobile_models.models import Channel, Release, Rollout
from packager import recipes
from packager.jobs.lease import Lease, claim_job
from packager.jobs.models import PackagingJob
from tests.factories import build_bundle

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
try:
    from playwright.sync_api import expect, sync_playwright
except ImportError:
    sync_playwright = None

pytestmark = [
    pytest.mark.skipif(not (sync_playwright and CHROMIUM), reason="needs Playwright and Chromium"),
    pytest.mark.django_db(transaction=True),
]

VARIANTS = ["tflite_w8a8", "tflite_fp16", "server_fp32"]


@pytest.fixture(autouse=True)
def site(settings, tmp_path, monkeypatch):
    monkeypatch.setattr(verification, "verify_archive", lambda path: None)
    monkeypatch.setattr(recipes, "recipe_names", lambda: ["coreml_pal4", "tflite_w8a8"], raising=False)
    settings.BLOBS_DIR = tmp_path / "blobs"
    settings.DEBUG = False


@pytest.fixture
def bundles(tmp_path, db):
    paths = [build_bundle(tmp_path / f"{name}.zip", variant=name) for name in VARIANTS]
    return [services.register_bundle(path=path) for path in paths]


@pytest.fixture(scope="module", autouse=True)
def browser():
    # Playwright's synchronous interface runs an event loop in this thread, to which Django objects.
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser, live_server):
    """A page of a logged-in person that fails the test on a script error or a request to elsewhere."""
    get_user_model().objects.create_superuser("manager", password="a long password")
    context = browser.new_context(viewport={"width": 1360, "height": 850}, base_url=live_server.url)
    page = context.new_page()
    troubles = []
    page.on("pageerror", lambda error: troubles.append(f"script: {error}"))
    page.on(
        "request",
        lambda request: (
            request.url.startswith((live_server.url, "data:")) or troubles.append(f"elsewhere: {request.url}")
        ),
    )
    page.on(
        "response",
        lambda response: response.status >= 400 and troubles.append(f"{response.status}: {response.url}"),
    )
    page.goto("/admin/login/")
    page.fill("[name=username]", "manager")
    page.fill("[name=password]", "a long password")
    page.click("button[type=submit]")
    yield page
    context.close()
    assert not troubles


def shot(page, name):
    if folder := os.environ.get("SHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)


def open_dialog(page, action):
    page.locator("a", has_text=action).first.click()
    expect(page.locator("#dialog")).to_be_visible()


def open_page(page, model, name, *args, app="mobile_models"):
    page.goto(reverse(f"admin:{app}_{model}_{name}", args=args))
    shot(page, f"{model}-{name}")


def test_a_release_is_drafted_approved_rolled_out_widened_halted_and_withdrawn(page, bundles):
    open_page(page, "release", "add")
    for box in page.locator("[name=bundles]").all():
        box.check()
    page.fill("[name=notes]", "First release with int8 weights.")
    page.click("[name=_save]")
    release = Release.objects.get()
    open_page(page, "release", "change", release.pk)

    open_dialog(page, "Approve")
    shot(page, "dialog-approve")
    page.locator("#dialog").get_by_role("button", name="Approve").click()
    expect(page.get_by_text(f"{release} is approved.")).to_be_visible()

    open_dialog(page, "Start rollout")
    page.locator("#dialog [name=basis_points]").fill("0")
    page.locator("#dialog").get_by_role("button", name="Start").click()
    expect(page.get_by_text("greater than or equal to 1")).to_be_visible()
    shot(page, "dialog-start-rollout")
    page.locator("#dialog [name=basis_points]").fill("500")
    page.locator("#dialog").get_by_role("button", name="Start").click()
    expect(page.get_by_text(f"{release} is offered to 5 % of stable.")).to_be_visible()
    shot(page, "release-live")

    rollout = Rollout.objects.get()
    open_page(page, "rollout", "change", rollout.pk)
    open_dialog(page, "Widen")
    page.locator("#dialog [name=basis_points]").fill("5000")
    page.locator("#dialog").get_by_role("button", name="Widen").click()
    expect(page.get_by_text("is offered to 50 % of stable.")).to_be_visible()
    open_page(page, "rollout", "changelist")
    expect(page.locator("[role=progressbar]")).to_have_attribute("aria-valuenow", "50")

    open_page(page, "rollout", "change", rollout.pk)
    open_dialog(page, "Halt")
    page.locator("#dialog [name=reason]").fill("Crashes on two devices")
    shot(page, "dialog-halt")
    page.locator("#dialog").get_by_role("button", name="Halt").click()
    expect(page.get_by_text("is no longer offered to stable.")).to_be_visible()
    expect(page.get_by_text("Crashes on two devices")).to_be_visible()
    shot(page, "rollout-halted")

    open_page(page, "release", "change", release.pk)
    open_dialog(page, "Withdraw")
    page.locator("#dialog [name=reason]").fill("Crashes")
    page.locator("#dialog").get_by_role("button", name="Withdraw").click()
    expect(page.get_by_text(f"{release} is withdrawn.")).to_be_visible()
    open_page(page, "release", "changelist")
    expect(page.get_by_text("withdrawn", exact=True)).to_be_visible()


def test_bundles_and_channels_are_shown(page, bundles):
    services.start_rollout(
        release=services.approve_release(release=services.create_release(bundles=bundles)),
        channel="stable",
        basis_points=10_000,
    )
    open_page(page, "bundle", "changelist")
    expect(page.get_by_text("tflite_w8a8")).to_be_visible()
    open_page(page, "bundle", "change", bundles[0].pk)
    expect(page.get_by_text(bundles[0].sha256).first).to_be_visible()
    open_page(page, "channel", "changelist")
    expect(page.get_by_text("100 %")).to_be_visible()
    open_page(page, "channel", "change", Channel.objects.get(name="stable").pk)
    expect(page.get_by_text("100 %")).to_be_visible()
    open_page(page, "rollout", "add")


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
