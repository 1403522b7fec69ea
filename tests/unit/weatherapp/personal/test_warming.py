"""A web process loads the thermal index for devices only."""

import pytest
from django.db import DatabaseError

from weatherapp.core.personal import comfort
from weatherapp.personal import warming
from weatherapp.personal.models import Device


@pytest.fixture
def computed(monkeypatch):
    calls = []
    whole = comfort.utci
    monkeypatch.setattr(comfort, "utci", lambda *values: calls.append(whole(*values)))
    return calls


def test_without_devices_nothing_is_loaded(computed):
    assert warming.warm_up() is False
    assert computed == []


def test_with_a_device_one_index_is_computed(device, computed):
    assert warming.warm_up() is True
    assert 0 < computed[0][0] < 40


def test_a_database_that_is_not_there_yet_stops_nothing(monkeypatch, computed):
    class Nobody:
        @staticmethod
        def exists():
            raise DatabaseError("no such table")

    monkeypatch.setattr(Device, "objects", Nobody)
    assert warming.warm_up() is False
    assert computed == []
