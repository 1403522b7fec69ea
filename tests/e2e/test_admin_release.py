"""A release from its build to its end, by the people who do it, in a real browser."""

import pytest
from django.contrib.auth.models import Permission
from playwright.sync_api import expect

from mobile_models import services, verification
from mobile_models.models import Bundle, Release, Rollout
from packager import recipes
from packager.jobs.models import PackagingJob
from packager.jobs.services import run_build
from tests.e2e.admin_browser import PASSWORD, log_in, open_page, shot
from tests.factories import approve, build_bundle, evaluation, make_user
from tests.repositories import make_repository

pytestmark = pytest.mark.django_db(transaction=True)


def build(recipe, *, work, progress):
    """What a worker does for a job, in milliseconds: a real bundle around a tiny model."""
    progress("export", 0.9, "writing")
    # The candidate is a little better than what is live.
    return build_bundle(work / f"{recipe}.zip", variant=recipe, offset=0.5, scores=evaluation(0.95))


@pytest.fixture(autouse=True)
def site(settings, tmp_path, monkeypatch):
    monkeypatch.setattr(verification, "verify_archive", lambda path: None)
    monkeypatch.setattr(recipes, "recipe_names", lambda: ["tflite_w8a8", "server_fp32"], raising=False)
    settings.BLOBS_DIR, settings.WORK_DIR = tmp_path / "blobs", tmp_path / "work"
    settings.PACKAGING_BUILDER = f"{__name__}.build"
    settings.TWO_PERSON_APPROVAL = True
    settings.DEBUG = False
    make_repository(tmp_path, settings)


@pytest.fixture
def people():
    for name, group in (("ada", "administrator"), ("ben", "approver")):
        user = make_user(name, group)
        user.set_password(PASSWORD)
        user.save()
        # What a migration gave the groups once, the test before has emptied.
        user.user_permissions.set(Permission.objects.filter(codename__endswith="packagingjob"))


@pytest.fixture
def live(tmp_path, settings):
    paths = [
        build_bundle(tmp_path / f"{name}.zip", variant=name, scores=evaluation())
        for name in ("tflite_w8a8", "server_fp32")
    ]
    settings.TWO_PERSON_APPROVAL = False
    bundles = [services.register_bundle(path=path) for path in paths]
    rollout = services.start_rollout(
        release=approve(services.create_release(bundles=bundles)), channel="stable"
    )
    settings.TWO_PERSON_APPROVAL = True
    return rollout


def take(page, step, **given):
    """Open a step's dialog with the keyboard, fill it in, and send it with the keyboard."""
    button = page.get_by_role("link", name=step, exact=True)
    button.focus()
    page.keyboard.press("Enter")
    dialog = page.locator("#console-dialog")
    expect(dialog.locator("#dialog")).to_be_visible()
    for name, value in given.items():
        dialog.locator(f"[name={name}]").fill(value)
    shot(page, f"dialog-{step.lower().replace(' ', '-')}")
    dialog.get_by_role("button", name=step, exact=True).focus()
    page.keyboard.press("Enter")


def build_job(page, recipe):
    open_page(page, "packagingjob", "add", app="jobs")
    page.select_option("[name=recipe]", recipe)
    page.click("[name=_save]")
    job = PackagingJob.objects.first()
    run_build(job.pk)
    job.refresh_from_db()
    assert job.state == "succeeded", job.message
    return job.bundle


def test_a_release_is_built_compared_approved_by_a_second_person_staged_halted_and_rolled_back(
    stranger, people, live
):
    page = stranger
    log_in(page, "ada")
    bundles = [build_job(page, recipe) for recipe in ("tflite_w8a8", "server_fp32")]
    assert Bundle.objects.count() == 4

    open_page(page, "release", "add")
    for bundle in bundles:
        page.locator(f"[name=bundles][value='{bundle.pk}']").check()
    page.fill("[name=notes]", "Retrained with the autumn.")
    page.click("[name=_save]")
    release = Release.objects.exclude(pk=live.release_id).get()

    open_page(page, "release", "change", release.pk)
    expect(page.get_by_text("✓ Passes")).to_be_visible()
    expect(page.get_by_text("−5.0 % better than live").first).to_be_visible()
    expect(page.get_by_role("link", name="Approve", exact=True)).to_have_count(0)
    take(page, "Submit for review", reason="All goals met")
    expect(page.get_by_text(f"{release} is in review.")).to_be_visible()
    expect(page.get_by_role("link", name="Approve", exact=True)).to_have_count(0)

    log_in(page, "ben")
    expect(page.get_by_text("submitted by ada")).to_be_visible()
    open_page(page, "release", "change", release.pk)
    take(page, "Approve", reason="Better everywhere")
    expect(page.get_by_text(f"{release} is approved.")).to_be_visible()
    take(page, "Sign")
    expect(page.get_by_text(f"{release} is signed.")).to_be_visible()
    shot(page, "release-approved")
    stage_halt_and_roll_back(page, release, live)


def stage_halt_and_roll_back(page, release, live):
    """The second half: what becomes of the approved release."""
    log_in(page, "ada")
    open_page(page, "release", "change", release.pk)
    take(page, "Start rollout", plan="0 % now")
    expect(page.get_by_text("0.01 % to 100 %")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#console-dialog")).not_to_be_visible()
    expect(page.get_by_role("link", name="Start rollout", exact=True)).to_be_focused()
    take(page, "Start rollout", plan="1 % now\n10 % after 24 h if healthy")
    expect(page.get_by_text(f"The rollout of {release} has its place.")).to_be_visible()

    rollout = Rollout.objects.get(release=release)
    open_page(page, "rollout", "change", rollout.pk)
    expect(page.get_by_text("stage 1 of 2; 10 % in 23 hours")).to_be_visible()
    stale = page.context.new_page()
    stale.goto(page.url)
    take(page, "Halt", reason="Crashes on two devices")
    expect(page.get_by_text("is no longer offered to stable.")).to_be_visible()
    take(stale, "Pause")
    expect(stale.get_by_text("pause_rollout needs active")).to_be_visible()
    stale.close()

    log_in(page, "ben")
    open_page(page, "rollout", "change", rollout.pk)
    take(page, "Roll back", reason="Everyone back to the last good one")
    expect(page.get_by_text("is rolled back in stable.")).to_be_visible()
    assert Rollout.objects.first().release == live.release

    open_page(page, "auditentry", "changelist")
    for said in ("submit release", "approve release", "start rollout", "halt rollout", "roll back"):
        expect(page.get_by_text(said, exact=True).first).to_be_visible()
    page.get_by_role("link", name="Verify the chain").click()
    expect(page.get_by_text("✓ Whole.")).to_be_visible()
    shot(page, "audit-log")
