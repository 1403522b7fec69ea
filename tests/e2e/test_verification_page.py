"""The verification page in a real browser: drawn without a script of its own, and usable with its form."""

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from tests.e2e.admin_browser import shot
from tests.weather import make_outputs, make_run
from weatherapp.forecasts.verification import services
from weatherapp.observations.models import Observation, Station

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def scored(db, settings, tmp_path):
    """A run of two days ago, and what three stations reported since the two days before it."""
    settings.RUNS_DIR = tmp_path / "runs"
    settings.DEBUG = False
    now = timezone.now().replace(minute=0, second=0, microsecond=0)
    init = now - timedelta(hours=52)
    outputs = make_outputs(3)
    run = make_run(init_time=init, outputs=outputs)
    for code in ("chi", "cmi", "ewr"):
        station = Station.objects.create(
            code=code, name=code.upper(), latitude=41, longitude=-88, elevation=200
        )
        Observation.objects.bulk_create(
            Observation(
                station=station,
                valid_time=init + timedelta(hours=hour),
                temperature=20.0 + hour % 24 / 4,
                wind_u=2.0,
                wind_v=1.0,
                precipitation=float(hour % 12 == 0),
                precipitation_type=int(hour % 12 == 0),
                feed="test",
                received=init,
            )
            for hour in range(-47, 49)
        )
    services.verify_runs(now=now)
    return run


def test_scores_are_drawn_and_another_variable_can_be_chosen(page):
    page.goto("/admin/forecasts/verification/")
    expect(page.locator("#content-main svg")).to_have_count(12)
    expect(page.get_by_text("temperature, °C, by station")).to_be_visible()
    for drawing in page.locator("#content-main svg").all():
        box = drawing.bounding_box()
        assert box["width"] > 200
        assert box["height"] > 100
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.select_option("[name=variable]", "wind_speed")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_text("wind_speed, m/s, by station")).to_be_visible()
    shot(page, "verification")


def test_on_a_narrow_screen_nothing_is_cut_off(page):
    page.set_viewport_size({"width": 420, "height": 800})
    page.goto("/admin/forecasts/verification/")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    shot(page, "verification-narrow")
