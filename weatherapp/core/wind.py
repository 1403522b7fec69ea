"""Wind as components and as speed and direction."""

import numpy as np
import numpy.typing as npt

from weatherapp.core.arrays import FloatArray


def direction(u: npt.ArrayLike, v: npt.ArrayLike) -> FloatArray:
    """Direction that the wind blows from.

    Args:
        u: eastward component, m/s.
        v: northward component, m/s; broadcasts with u.

    Returns:
        Degrees clockwise from north, above 0 and up to 360; 0 where the air stands still, as reports have it.
    """
    east, north = np.asarray(u, dtype=np.float64), np.asarray(v, dtype=np.float64)
    degrees = np.rad2deg(np.arctan2(-east, -north)) % 360
    blowing = np.where(degrees == 0, 360.0, degrees)
    return np.asarray(np.where((east == 0) & (north == 0), 0.0, blowing))


def components(speed: npt.ArrayLike, degrees: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Eastward and northward components of a wind.

    Args:
        speed: m/s.
        degrees: direction it blows from, clockwise from north; broadcasts with speed.

    Returns:
        u and v in m/s.
    """
    angle = np.deg2rad(np.asarray(degrees, dtype=np.float64))
    strength = np.asarray(speed, dtype=np.float64)
    return -strength * np.sin(angle), -strength * np.cos(angle)
