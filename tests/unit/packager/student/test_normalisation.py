"""Centres and widths come from what was reported, as the model will see it."""

import numpy as np
import pytest

from packager.contract import reference_contract
from packager.errors import TrainingFailed
from packager.student.normalisation import LOG_OFFSETS, Normalisation, measure_normalisation
from tests.students import weather

CONTRACT = reference_contract()
CHANNELS = CONTRACT.input("history").channel_names


@pytest.fixture
def inputs():
    return weather(60)


def column(inputs, name):
    index = CHANNELS.index(name)
    return inputs["history"][..., index], inputs["history_mask"][..., index]


def test_mean_and_spread_are_of_reported_values_only(inputs):
    values, mask = column(inputs, "temperature")
    expected = values[mask > 0]
    centre, width = measure_normalisation(inputs, CONTRACT).output_scale("temperature")
    assert centre == pytest.approx(expected.mean(), abs=1e-3)
    assert width == pytest.approx(expected.std(), abs=1e-3)
    values[mask == 0] = 1e6
    assert measure_normalisation(inputs, CONTRACT).output_scale("temperature") == (centre, width)


def test_channels_that_span_decades_are_measured_by_their_logarithm(inputs):
    values, mask = column(inputs, "visibility")
    logs = np.log(LOG_OFFSETS["visibility"] + np.clip(values[mask > 0], 0, 20_000))
    norm = measure_normalisation(inputs, CONTRACT)
    index = CHANNELS.index("visibility")
    assert (norm.mean[index], norm.std[index]) == pytest.approx((logs.mean(), logs.std()), abs=1e-3)


def test_both_winds_share_one_scale_and_no_centre(inputs):
    u, mask_u = column(inputs, "wind_u")
    u *= 3
    u += 5 * mask_u
    norm = measure_normalisation(inputs, CONTRACT)
    first, second = (CHANNELS.index(name) for name in ("wind_u", "wind_v"))
    assert norm.mean[first] == norm.mean[second] == 0
    assert norm.std[first] == norm.std[second]
    v, mask_v = column(inputs, "wind_v")
    expected = np.sqrt((u[mask_u > 0].var() + v[mask_v > 0].var()) / 2)
    assert norm.std[first] == pytest.approx(expected, abs=1e-3)
    assert norm.output_scale("wind") == norm.output_scale("wind_speed") == (0.0, norm.std[first])


def test_what_no_channel_measures_has_a_fixed_scale(inputs):
    norm = measure_normalisation(inputs, CONTRACT)
    assert norm.output_scale("cloud_cover") == (0.0, 1.0)
    assert norm.output_scale("precipitation") == (0.0, 2.0)


def test_a_channel_that_outputs_are_measured_by_needs_a_spread(inputs):
    values, mask = column(inputs, "dew_point")
    values[:] = 4.0
    with pytest.raises(TrainingFailed, match=f"Channel dew_point has {int(mask.sum())} reported values"):
        measure_normalisation(inputs, CONTRACT)
    column(inputs, "temperature")[1][:] = 0
    with pytest.raises(TrainingFailed, match="Channel temperature has 0 reported values"):
        measure_normalisation(inputs, CONTRACT)


@pytest.mark.parametrize(("name", "value"), [("cloud_base", 20_000.0), ("visibility", 60_000.0)])
def test_another_channel_without_spread_keeps_its_width(inputs, name, value):
    column(inputs, name)[0][:] = value
    norm = measure_normalisation(inputs, CONTRACT)
    index = norm.channels.index(name)
    assert norm.mean[index] == pytest.approx(
        np.log(20_000 + (100 if name == "cloud_base" else 200)), abs=1e-3
    )
    assert norm.std[index] == 1.0


def test_a_channel_that_is_never_reported_is_taken_as_it_is(inputs):
    column(inputs, "cloud_cover")[1][:] = 0
    norm = measure_normalisation(inputs, CONTRACT)
    index = norm.channels.index("cloud_cover")
    assert (norm.mean[index], norm.std[index]) == (0.0, 1.0)


def test_it_survives_being_written_down(inputs):
    norm = measure_normalisation(inputs, CONTRACT)
    assert Normalisation.from_dict(norm.to_dict()) == norm


def test_guidance_is_normalised_as_the_observations_are(inputs):
    norm = measure_normalisation(inputs, CONTRACT)
    part = norm.of(("wind_v", "temperature"))
    assert part.channels == ("wind_v", "temperature")
    assert part.output_scale("temperature") == norm.output_scale("temperature")
    assert part.mean[0] == 0.0
    assert norm.of(CHANNELS) == norm
