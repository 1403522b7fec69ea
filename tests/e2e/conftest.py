"""Chromium for the tests that look at pages."""

import pytest
from django.contrib.auth import get_user_model

from tests.e2e.admin_browser import CHROMIUM, PASSWORD, log_in, watched_page

try:
    from playwright.sync_api import sync_playwright
except ImportError:
    sync_playwright = None


@pytest.fixture(scope="module")
def browser():
    if not (sync_playwright and CHROMIUM):
        pytest.skip("needs Playwright and Chromium")
    # Playwright's synchronous interface runs an event loop in this thread, to which Django objects.
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def stranger(browser, live_server):
    """A page of nobody."""
    with watched_page(browser, live_server.url) as page:
        yield page


@pytest.fixture
def page(stranger):
    """A page of a logged-in superuser."""
    get_user_model().objects.create_superuser("manager", password=PASSWORD)
    log_in(stranger, "manager")
    return stranger
