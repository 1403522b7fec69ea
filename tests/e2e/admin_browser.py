"""A browser for the admin's tests: a script error, a refused resource or a foreign request fails them."""

import os
import shutil
from contextlib import contextmanager
from pathlib import Path

from django.urls import reverse

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
AXE = Path(__file__).parents[1] / "clients" / "node" / "node_modules" / "axe-core" / "axe.min.js"
PASSWORD = "a long password"
# What a page may log that is no defect: the answer to a step that came too late says so by its status.
EXPECTED = ("409 (Conflict)",)


@contextmanager
def watched_page(browser, url, **options):
    """A new page whose troubles fail the test when it ends."""
    context = browser.new_context(viewport={"width": 1360, "height": 850}, base_url=url, **options)
    page = context.new_page()
    troubles = []
    page.on("pageerror", lambda error: troubles.append(f"script: {error}"))
    page.on(
        "console", lambda message: message.type == "error" and troubles.append(f"console: {message.text}")
    )
    page.on(
        "request",
        lambda request: (
            request.url.startswith((url, "data:")) or troubles.append(f"elsewhere: {request.url}")
        ),
    )
    yield page
    context.close()
    assert not [trouble for trouble in troubles if not trouble.endswith(EXPECTED)]


def log_in(page, name):
    """As somebody; out again first."""
    page.context.clear_cookies()
    page.goto("/admin/login/")
    page.fill("[name=username]", name)
    page.fill("[name=password]", PASSWORD)
    page.click("button[type=submit]")
    page.wait_for_url("**/admin/")


def open_page(page, model, name, *args, app="mobile_models"):
    page.goto(reverse(f"admin:{app}_{model}_{name}", args=args))


def shot(page, name):
    """SHOTS=folder keeps a picture."""
    if folder := os.environ.get("SHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)


def grave_violations(page):
    """What axe-core finds serious or critical on a page, in lines."""
    page.evaluate(AXE.read_text() + ";0")
    found = page.evaluate("axe.run()")["violations"]
    return [
        f"{found['id']}: {found['nodes'][0]['html'][:160]}"
        for found in found
        if found["impact"] in {"serious", "critical"}
    ]
