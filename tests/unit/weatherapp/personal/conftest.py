import numpy as np
import pytest
from django.core.cache import cache

from tests.weather import INIT, NOW, make_outputs, make_run
from weatherapp.personal import services

HOME = {"latitude": 41.9, "longitude": -87.7, "label": "Balcony", "kind": "home"}


@pytest.fixture(autouse=True)
def clock(monkeypatch, db):
    cache.clear()
    monkeypatch.setattr("django.utils.timezone.now", lambda: NOW)
    return NOW


@pytest.fixture
def run():
    return make_run()


@pytest.fixture
def wet_run():
    outputs = make_outputs(3, wet=0.7)
    outputs["precipitation"][:] = np.linspace(0.5, 4, 7)
    return make_run(init_time=INIT, outputs=outputs)


@pytest.fixture
def device():
    made, _ = services.register(profile={"time_zone": "America/Chicago"})
    return made


@pytest.fixture
def home(device):
    return services.add_place(device=device, values=HOME)
