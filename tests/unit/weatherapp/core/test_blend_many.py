import numpy as np
import pytest

from weatherapp.core.blend import blend_outputs, plan_blend
from weatherapp.core.blend_many import blend_many

LATITUDES = np.array([50.0, 50.3, 50.5, 49.8, 49.5, 30.0])
LONGITUDES = np.array([8.0, 8.5, 7.9, 8.2, 7.2, 8.0])
ELEVATIONS = np.array([100.0, 700.0, 20.0, 300.0, 150.0, 0.0])
PLACES = [(50.1, 8.1, None), (50.0, 8.0, 1000.0), (30.1, 8.0, float("nan")), (49.7, 7.9, 0.0)]


@pytest.mark.parametrize("gaps", [0.0, 0.3])
def test_many_places_are_blended_as_each_alone(gaps):
    draw = np.random.default_rng(7)
    shapes = {
        "temperature": (6, 10, 7),
        "dew_point": (6, 10),
        "wind": (6, 10, 2),
        "precipitation_type": (6, 10, 4),
    }
    outputs = {name: draw.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    for values in outputs.values():
        values[draw.random(values.shape[:2]) < gaps] = np.nan
    outputs["dew_point"] -= 100  # below every temperature, so that none is lowered to it
    blends = [
        plan_blend(
            *place, station_latitudes=LATITUDES, station_longitudes=LONGITUDES, station_elevations=ELEVATIONS
        )
        for place in PLACES
    ]
    together = blend_many(outputs, blends)
    for position, blend in enumerate(blends):
        for name, alone in blend_outputs(outputs, blend).items():
            np.testing.assert_allclose(together[name][position], alone, rtol=1e-12, atol=1e-12)
