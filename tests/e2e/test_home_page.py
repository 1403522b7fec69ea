"""The server's first page in a real browser, with a forecast and without, under its policy."""

import pytest
from playwright.sync_api import expect

from tests.e2e.admin_browser import shot
from tests.weather import NOW, make_run

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def runs(settings, tmp_path, monkeypatch):
    settings.RUNS_DIR, settings.DEBUG = tmp_path / "runs", False
    monkeypatch.setattr("django.utils.timezone.now", lambda: NOW)


@pytest.mark.parametrize("width", [390, 1280])
def test_a_forecast_is_drawn_without_a_script_error_or_a_foreign_request(stranger, width):
    make_run()
    stranger.set_viewport_size({"width": width, "height": 800})
    answer = stranger.goto("/")
    stranger.wait_for_load_state("networkidle")
    assert "script-src 'self'" in answer.headers["content-security-policy"]
    expect(stranger.locator("svg").first).to_be_visible()
    assert stranger.evaluate("document.documentElement.scrollWidth") <= width
    shot(stranger, f"home-{width}")
