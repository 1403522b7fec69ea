"""Load the thermal index's library before the first person waits for it."""

import logging
from threading import Thread

import numpy as np
from django.db import DatabaseError, connection

from weatherapp.core.personal import comfort
from weatherapp.personal.models import Device

logger = logging.getLogger(__name__)


def start() -> Thread:
    """Warm up beside the requests of a new web process."""
    thread = Thread(target=_in_a_thread, name="warm-up", daemon=True)
    thread.start()
    return thread


def warm_up() -> bool:
    """Compute one index, if there is any device to compute it for: the library takes 165 MB of a process.

    Returns:
        Whether it was loaded. A database that is not there yet is no reason not to serve.
    """
    try:
        wanted = Device.objects.exists()
    except DatabaseError as error:
        logger.warning("Nothing was warmed up: %s", type(error).__name__)
        return False
    if wanted:
        comfort.utci(*(np.array([value]) for value in (20.0, 10.0, 2.0, 0.5, 0.5)))
    return wanted


def _in_a_thread() -> None:
    try:
        warm_up()
    finally:
        connection.close()
