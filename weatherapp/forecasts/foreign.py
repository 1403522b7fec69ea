"""Variables of Open-Meteo's API that this project cannot produce, and that API's older spellings.

Clients ask for fixed lists: such a name is accepted, comes back null, and has its unit.
"""

import re
from functools import cache

OLDER = (
    ("relativehumidity", "relative_humidity"),
    ("dewpoint", "dew_point"),
    ("windspeed", "wind_speed"),
    ("winddirection", "wind_direction"),
    ("windgusts", "wind_gusts"),
    ("cloudcover", "cloud_cover"),
    ("cloudbase", "cloud_base"),
    ("weathercode", "weather_code"),
    ("freezinglevel", "freezing_level"),
    ("heatflux", "heat_flux"),
    ("vapor_", "vapour_"),
)
RENAMED = {
    "temperature": "temperature_2m",
    "wind_speed": "wind_speed_10m",
    "wind_direction": "wind_direction_10m",
    "skin_temperature": "surface_temperature",
    "surface_air_pressure": "surface_pressure",
}
SOIL_LAYER = re.compile(r"(soil_(?:moisture|temperature|moisture_index)_\d+)_(\d+cm)")

# By quantity, which names the unit.
NAMES = {
    "temperature": "surface_temperature sea_surface_temperature",
    "percent": (
        "cloud_cover_low cloud_cover_mid cloud_cover_high thunderstorm_probability ice_pellets_probability "
        "leaf_wetness_probability albedo"
    ),
    "water": (
        "showers hail runoff evapotranspiration et0_fao_evapotranspiration potential_evapotranspiration "
        "snow_depth_water_equivalent"
    ),
    "snow": "snow_height",
    "length": (
        "visibility snow_depth freezing_level_height snowfall_height boundary_layer_height cloud_top "
        "convective_cloud_base convective_cloud_top roughness_length sea_level_height_msl wave_height "
        "sea_ice_thickness wind_wave_height swell_wave_height invert_barometer_height"
    ),
    "radiation": (
        "shortwave_radiation shortwave_radiation_instant shortwave_radiation_clear_sky "
        "shortwave_radiation_clear_sky_instant direct_radiation direct_radiation_instant diffuse_radiation "
        "diffuse_radiation_instant direct_normal_irradiance direct_normal_irradiance_instant "
        "global_tilted_irradiance global_tilted_irradiance_instant terrestrial_radiation "
        "terrestrial_radiation_instant latent_heat_flux sensible_heat_flux"
    ),
    "energy": "cape convective_inhibition lightning_potential",
    "kelvin": "lifted_index k_index",
    "index": "uv_index uv_index_clear_sky",
    "column": "total_column_integrated_water_vapour total_column_water",
    "density": "snow_density air_density_2m mass_density_8m",
    "own_speed": "updraft",
    "speed": "ocean_current_velocity",
    "angle": "ocean_current_direction wave_direction wind_wave_direction swell_wave_direction",
    "seconds": (
        "wave_period wave_peak_period wind_wave_period wind_wave_peak_period swell_wave_period "
        "swell_wave_peak_period"
    ),
    "undefined": "growing_degree_days_base_0_limit_50 lightning_density sea_water_salinity",
}
_HEIGHT, _PRESSURE = r"[1-9]\d{0,3}0m", r"[1-9]\d{0,2}[05]hPa"
_DEPTH = r"\d{1,4}(?:_to_\d{1,4})?cm"
PATTERNS = tuple(
    (re.compile(pattern), quantity)
    for pattern, quantity in (
        (rf"(temperature|dew_point)_({_HEIGHT}|{_PRESSURE})", "temperature"),
        (rf"(relative_humidity|cloud_cover)_({_HEIGHT}|2m|{_PRESSURE})", "percent"),
        (rf"(wind_speed|wind_gusts|wind_[uv]_component)_({_HEIGHT}|{_PRESSURE})", "speed"),
        (rf"wind_direction_({_HEIGHT}|{_PRESSURE})", "angle"),
        (rf"vertical_velocity_({_HEIGHT}|{_PRESSURE})", "own_speed"),
        (rf"geopotential_height_{_PRESSURE}", "length"),
        (rf"soil_temperature_{_DEPTH}", "temperature"),
        (rf"soil_moisture_{_DEPTH}", "moisture"),
        (rf"soil_moisture_index_{_DEPTH}", "undefined"),
    )
)


def modern(name: str) -> str:
    """A name in today's spelling; what is spelt so already, and what is no name, stays."""
    for older, newer in OLDER:
        name = name.replace(older, newer)
    name = SOIL_LAYER.sub(r"\1_to_\2", name) if "soil_" in name and "_to_" not in name else name
    return RENAMED.get(name, name)


def quantity(name: str) -> str | None:
    """What a name in today's spelling measures; None where that API has no such variable."""
    found = _exact().get(name)
    if found:
        return found
    return next((kind for pattern, kind in PATTERNS if pattern.fullmatch(name)), None)


def names() -> tuple[str, ...]:
    """Every name that is not one of a pattern."""
    return tuple(_exact())


@cache
def _exact() -> dict[str, str]:
    return {name: kind for kind, listed in NAMES.items() for name in listed.split()}
