"""The console for people who use a keyboard or a screen reader; axe-core finds nothing serious in it."""

import pytest
from django.contrib.auth import get_user_model
from playwright.sync_api import expect

from mobile_models import services
from mobile_models.models import ReportCount, RolloutHealth
from tests.delivery_rows import make_bundle, manifest
from tests.e2e.admin_browser import AXE, PASSWORD, grave_violations, log_in, open_page, watched_page
from tests.factories import approve, evaluation, make_user
from tests.repositories import make_repository

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not AXE.exists(), reason="needs npm's axe-core: make install-dev"),
]


@pytest.fixture
def console(settings, tmp_path):
    """Something on every page: a live release, a staged one with reports, one in review, a repository."""
    settings.DEBUG = False
    make_repository(tmp_path, settings)

    def release(short, worse, version):
        bundles = [
            make_bundle(variant, f"{short}{number}", manifest=manifest(variant, scores=evaluation(worse)))
            for number, variant in enumerate(("tflite_w8a8", "server_fp32"))
        ]
        return services.create_release(bundles=bundles, version=version)

    services.start_rollout(release=approve(release("a", 1.0, "first")), channel="stable")
    rollout = services.start_rollout(
        release=approve(release("b", 0.98, "second")), channel="stable", basis_points=100
    )
    for arm, failed in (("exposed", 30), ("control", 10)):
        for outcome, count in (("ok", 970), ("failed", failed)):
            ReportCount.objects.create(
                rollout=rollout, arm=arm, operation="infer", outcome=outcome, count=count,
                hour=rollout.started, platform="linux",
            )  # fmt: skip
    RolloutHealth.objects.create(rollout=rollout, metric="failures", exposed={"count": 9, "failures": 1})
    services.submit_release(release=release("c", 1.5, "third"))
    if not get_user_model().objects.exists():  # `page` has made one
        get_user_model().objects.create_superuser("manager", password=PASSWORD)
    make_user("ada", "releaser")
    return rollout


def pages_of(console):
    """The main pages, and the others."""
    third, person = console.release_id + 1, get_user_model().objects.get(username="ada").pk
    main = [
        "", "mobile_models/release/", f"mobile_models/release/{third}/change/",
        f"mobile_models/rollout/{console.pk}/change/", "mobile_models/auditentry/?verify=1",
    ]  # fmt: skip
    others = [
        "mobile_models/release/add/", "mobile_models/rollout/", "mobile_models/bundle/1/change/",
        "mobile_models/auditentry/1/change/", "mobile_models/metadata/", "mobile_models/metadata/1/change/",
        "mobile_models/rollouthealth/", "auth/user/", f"auth/user/{person}/change/", "second-factor/enrol/",
    ]  # fmt: skip
    return main, others


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_on_any_page(browser, live_server, console, scheme):
    found = {}
    main, others = pages_of(console)
    with watched_page(browser, live_server.url, color_scheme=scheme) as page:
        page.goto("/admin/login/")
        found["login"] = grave_violations(page)
        log_in(page, "manager")
        for path in main + (others if scheme == "light" else []):
            page.goto(f"/admin/{path}")
            page.wait_for_load_state("networkidle")
            found[path] = grave_violations(page)
        page.goto(f"/admin/{main[2]}")
        page.get_by_role("link", name="Approve", exact=True).click()
        expect(page.locator("#dialog")).to_be_visible()
        found["dialog"] = grave_violations(page)
    assert {path: lines for path, lines in found.items() if lines} == {}


def test_a_dialog_keeps_the_focus_and_gives_it_back(page, console):
    open_page(page, "rollout", "change", console.pk)
    button = page.get_by_role("link", name="Halt", exact=True)
    button.focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Halt")
    expect(dialog).to_be_visible()
    for _ in range(12):
        page.keyboard.press("Tab")
        # Between the last and the first field stands the browser's own bar, which scripts see as the body.
        assert page.evaluate("document.activeElement.matches('body, dialog *')")
    page.keyboard.press("Escape")
    expect(dialog).not_to_be_visible()
    expect(button).to_be_focused()


def test_the_first_tab_stop_skips_the_side_bar_and_icons_are_not_read_out(page, console):
    page.goto("/admin/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"
    # By its name alone: the word of its icon is hidden.
    expect(page.get_by_role("link", name="Rollouts", exact=True)).to_be_visible()


@pytest.mark.parametrize("width", [390, 1280])
def test_no_page_scrolls_sideways(page, console, width):
    page.set_viewport_size({"width": width, "height": 800})
    for path in (
        "",
        f"mobile_models/release/{console.release_id}/change/",
        f"mobile_models/rollout/{console.pk}/change/",
    ):
        page.goto(f"/admin/{path}")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
