"""Forecasts whose errors are known, for figures that compare two of them."""

import numpy as np

from packager.contract import reference_contract
from packager.dataset.windows import Windows
from packager.verify.breakdown import Paired

CONTRACT = reference_contract()
LEADS = CONTRACT.lead_hours


def pair(ratio, *, cases=8, outputs=("temperature", "wind")):
    """A reference that always scores 2, and a forecast that scores `ratio` times as much."""
    own = np.broadcast_to(2.0 * np.asarray(ratio, float), (cases, LEADS)).copy()
    reference = np.full((cases, LEADS), 2.0)
    return Paired(dict.fromkeys(outputs, own), dict.fromkeys(outputs, reference))


def windows(stations, hours, latitude=40.0):
    """Windows of which only place and time are asked."""
    site = np.tile(np.array([[latitude, -100.0, 300.0]], np.float32), (len(stations), 1))
    return Windows({"site": site}, {}, np.asarray(stations), np.asarray(hours))


def hour_of(date):
    """Hours since 1970 of a date."""
    return int(np.datetime64(date, "h").astype(int))
