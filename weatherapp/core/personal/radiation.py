"""The mean radiant temperature of a person in the open, from the sun's height and the cloud cover."""

import numpy as np

from weatherapp.core.arrays import FloatArray
from weatherapp.core.thermo import KELVIN, saturation_vapour_pressure

STEFAN_BOLTZMANN = 5.670374e-8  # W m⁻² K⁻⁴
SOLAR_CONSTANT = 1361.0  # W m⁻²
GROUND_ALBEDO = 0.2  # grass
GROUND_EMISSIVITY = 0.97
BODY_ABSORPTION = 0.7  # of short waves by skin and clothes
BODY_EMISSIVITY = 0.97
LOWEST_SUN = 0.01  # cosine of the zenith angle: below it no beam is counted


def mean_radiant_temperature(
    temperature: FloatArray, dew_point: FloatArray, cloud_cover: FloatArray, cos_zenith: FloatArray
) -> FloatArray:
    """Mean radiant temperature of a standing person on a flat open field.

    The ground is as warm as the air; sun-heated ground, walls and snow are not known to it.

    Args:
        temperature: at 2 m, °C, any shape.
        dew_point: °C.
        cloud_cover: 0–1.
        cos_zenith: cosine of the sun's zenith angle. All broadcast.

    Returns:
        °C; NaN in, NaN out.

    Source: the balance of Di Napoli, Hogan and Pappenberger (2020), doi:10.1007/s00484-020-01900-5, with the
    projected area of Jendritzky et al. (1990).
    """
    kelvin = np.asarray(temperature, dtype=np.float64) + KELVIN
    horizontal = global_radiation(cos_zenith, cloud_cover)
    diffuse = horizontal * diffuse_share(horizontal, cos_zenith)
    beam = np.where(cos_zenith > LOWEST_SUN, (horizontal - diffuse) / np.maximum(cos_zenith, LOWEST_SUN), 0.0)
    down = sky_emissivity(temperature, dew_point, cloud_cover) * STEFAN_BOLTZMANN * kelvin**4
    up = GROUND_EMISSIVITY * STEFAN_BOLTZMANN * kelvin**4 + (1 - GROUND_EMISSIVITY) * down
    short = 0.5 * diffuse + 0.5 * GROUND_ALBEDO * horizontal + _projected_area(cos_zenith) * beam
    absorbed = 0.5 * down + 0.5 * up + BODY_ABSORPTION / BODY_EMISSIVITY * short
    return np.asarray((absorbed / STEFAN_BOLTZMANN) ** 0.25 - KELVIN)


def global_radiation(cos_zenith: FloatArray, cloud_cover: FloatArray) -> FloatArray:
    """Sunlight on level ground, W m⁻².

    Source: clear sky after Haurwitz (1945), doi:10.1175/1520-0469(1945)002<0154:IIRTCC>2.0.CO;2; what clouds
    take after Kasten and Czeplak (1980), doi:10.1016/0038-092X(80)90391-6.
    """
    height = np.maximum(cos_zenith, LOWEST_SUN)
    clear = np.where(np.asarray(cos_zenith) > 0, 1098 * height * np.exp(-0.057 / height), 0.0)
    cover = np.clip(cloud_cover, 0.0, 1.0)
    return np.asarray(clear * (1 - 0.75 * cover**3.4))


def diffuse_share(horizontal: FloatArray, cos_zenith: FloatArray) -> FloatArray:
    """How much of the sunlight on level ground does not come straight from the sun, 0–1.

    Source: Erbs, Klein and Duffie (1982), doi:10.1016/0038-092X(82)90302-4.
    """
    clearness = np.clip(horizontal / (SOLAR_CONSTANT * np.maximum(cos_zenith, LOWEST_SUN)), 0.0, 1.0)
    middle = np.polynomial.polynomial.polyval(clearness, [0.9511, -0.1604, 4.388, -16.638, 12.336])
    share = np.where(clearness <= 0.22, 1 - 0.09 * clearness, middle)
    return np.asarray(np.where(clearness > 0.8, 0.165, share))


def sky_emissivity(temperature: FloatArray, dew_point: FloatArray, cloud_cover: FloatArray) -> FloatArray:
    """Emissivity of the sky, 0–1.

    Source: clear sky after Brutsaert (1975), doi:10.1029/WR011i005p00742; clouds after Unsworth and Monteith
    (1975), doi:10.1002/qj.49710142703.
    """
    kelvin = np.asarray(temperature, dtype=np.float64) + KELVIN
    clear = np.minimum(1.24 * (saturation_vapour_pressure(dew_point) / kelvin) ** (1 / 7), 1.0)
    cover = np.clip(cloud_cover, 0.0, 1.0)
    return np.asarray((1 - 0.84 * cover) * clear + 0.84 * cover)


def _projected_area(cos_zenith: FloatArray) -> FloatArray:
    """Share of a standing body that the beam hits, by the height of the sun."""
    elevation = np.rad2deg(np.arcsin(np.clip(cos_zenith, 0.0, 1.0)))
    return np.asarray(0.308 * np.cos(np.deg2rad(elevation * (0.998 - elevation**2 / 50000))))
