"""One decision per hour: weather code, precipitation type, amount and probability that agree with each other.

Thresholds on the temperature come first, so that no hour says snow at 20 °C; then whether it is wet; then
what falls and how much, so that no wet code comes with 0 mm and no dry one with any.
"""

from dataclasses import dataclass

import numpy as np

from weatherapp.core.arrays import BoolArray, FloatArray, IntArray

# Order of the contract's `precipitation_type` classes.
NONE, RAIN, SNOW, MIXED = range(4)
TYPE_NAMES = ("none", "rain", "snow", "freezing_rain")

# An hour is called wet from here on: half would call too few, as the chance of a single hour seldom reaches
# it.
WET_PROBABILITY = 0.4
LEAST_AMOUNT = 0.1  # mm: what gauges resolve, and what is still above zero in inches
SNOW_ENDS = 4.0  # °C, 2 m: above it falling snow has melted
RAIN_ENDS = -4.0  # °C: below it liquid drops freeze or are snow
FREEZING = 0.0  # °C
ROUNDING = 1e-9  # so that 1.0 K between two rounded temperatures is not more than 1 K

# mm in the hour between slight, moderate and heavy: WMO-No. 8 (2018), volume I, annex to chapter 14.
RAIN_STEPS = (2.5, 10.0)
SNOW_STEPS = (1.0, 5.0)
DRIZZLE_STEPS = (0.2, 0.5)  # the lower one is ours: the guide's 0.1 is no more than what gauges resolve
# Share of sky: 0 clear, 1 mainly clear, 2 partly cloudy, 3 overcast.
SKY_STEPS = (0.1, 0.375, 0.875)
SHOWER_COVER = 0.6  # precipitation from a sky this open comes from single clouds
FOG_PROBABILITY = 0.5  # of the lowest ceiling class
FOG_SPREAD = 1.0  # K between temperature and dew point


@dataclass(frozen=True)
class Decision:
    """What an hour is said to be; every array is (hour,), NaN (or −1 for integers) where nothing is known.

    Attributes:
        probability: of any precipitation, 0..1, whole hundredths.
        type: index into TYPE_NAMES; −1 unknown. Sleet above freezing counts as the likelier of rain and snow.
        amount: mm in the hour, whole hundredths; above 0 exactly when `type` is not none.
        code: WMO code 4677 as Open-Meteo uses it; −1 unknown.
        type_probability: (hour, 4) in the order of the contract's classes, after the temperature limits.
    """

    probability: FloatArray
    type: IntArray
    amount: FloatArray
    code: IntArray
    type_probability: FloatArray


def decide(
    *,
    type_probability: FloatArray,
    wet_amount: FloatArray,
    temperature: FloatArray,
    dew_point: FloatArray,
    cloud_cover: FloatArray,
    lowest_ceiling_probability: FloatArray,
) -> Decision:
    """Decide every hour, on the numbers as replies write them: a reader can check it with what is written.

    Args:
        type_probability: (hour, 4) of none, rain, snow, mixed or freezing; sums to 1.
        wet_amount: (hour,) median amount given that the hour is wet, mm.
        temperature: (hour,) at 2 m, °C.
        dew_point: (hour,) °C.
        cloud_cover: (hour,) 0..1.
        lowest_ceiling_probability: (hour,) of a ceiling in the lowest class.

    Returns:
        The decision; hours without probabilities or temperature are unknown, and so is the code of a dry hour
        without cloud cover.
    """
    celsius, dew = np.asarray(temperature).round(1), np.asarray(dew_point).round(1)
    cover, fallen = np.asarray(cloud_cover).round(2), np.asarray(wet_amount).round(2)
    chances = possible_types(type_probability, celsius)
    probability = np.minimum(np.maximum(1.0 - chances[:, NONE], 0.0), 1.0).round(2)
    likely = probability >= WET_PROBABILITY
    known = np.isfinite(probability) & np.isfinite(celsius) & (np.isfinite(fallen) | ~likely)
    wet = known & likely
    kind = np.where(wet, chances[:, RAIN:].argmax(axis=1) + RAIN, NONE)
    amount = np.where(wet, np.maximum(fallen, LEAST_AMOUNT), 0.0)
    fog = (lowest_ceiling_probability >= FOG_PROBABILITY) & (celsius - dew <= FOG_SPREAD + ROUNDING)
    code = _dry_code(cover, fog, celsius)
    if wet.any():
        code = np.where(wet, _wet_code(kind, amount, cover), code)
    # A wet code needs no sky, a dry one does.
    coded = known & (wet | fog | np.isfinite(cover))
    return Decision(
        probability=np.where(known, probability, np.nan),
        type=np.where(known, kind, -1),
        amount=np.where(known, amount, np.nan),
        code=np.where(coded, code, -1),
        type_probability=chances,
    )


def possible_types(type_probability: FloatArray, temperature: FloatArray) -> FloatArray:
    """Move the probability of what the temperature rules out to what it would be instead.

    Sleet has no code of its own here: above freezing it counts as the likelier of its parts.

    Args:
        type_probability: (hour, 4).
        temperature: (hour,) °C.

    Returns:
        (hour, 4), same sums.
    """
    none, rain, snow, mixed = np.asarray(type_probability, dtype=np.float64).T
    # Above freezing sleet is rain or snow, and where snow has melted all is rain.
    snowy = (snow > rain) & (temperature <= SNOW_ENDS)
    sleet = np.where(temperature > FREEZING, mixed, 0.0)
    melted = np.where(temperature > SNOW_ENDS, snow, 0.0)
    rain = rain + melted + np.where(snowy, 0.0, sleet)
    snow = snow - melted + np.where(snowy, sleet, 0.0)
    mixed = mixed - sleet
    # Below it drops freeze, and far below they are snow.
    frozen = np.where(temperature < FREEZING, rain, 0.0)
    dry_snow = np.where(temperature < RAIN_ENDS, mixed + frozen, 0.0)
    return np.stack([none, rain - frozen, snow + dry_snow, mixed + frozen - dry_snow], axis=1)


def ceiling_height(probability: FloatArray, thresholds: tuple[float, ...]) -> FloatArray:
    """Median height of the ceiling from the probabilities of its classes.

    Args:
        probability: (hour, class): below the first threshold, between each two, above the last, no ceiling.
        thresholds: metres above ground, increasing.

    Returns:
        (hour,) metres above ground, interpolated inside the class that holds the median; NaN where no ceiling
        is at least as likely as any.
    """
    # A ceiling above the last threshold is placed within as much again: where broken layers are still
    # reported.
    bounds = np.array([0.0, *thresholds, 2 * thresholds[-1]])
    shares = np.asarray(probability, dtype=np.float64)[:, :-1]
    cumulative = shares.cumsum(axis=1)
    index = (cumulative > 0.5).argmax(axis=1)
    row = np.arange(len(cumulative))
    share = shares[row, index]
    below = cumulative[row, index] - share
    inside = (0.5 - below) / np.where(share > 0, share, 1.0)
    height = bounds[index] + inside * (bounds[index + 1] - bounds[index])
    return np.asarray(np.where(cumulative[:, -1] > 0.5, height, np.nan))


def _step(values: FloatArray, steps: tuple[float, ...]) -> IntArray:
    """How many of the steps a value reaches; few comparisons are faster than a search."""
    return np.asarray(sum((values >= step).astype(np.int64) for step in steps))


def _wet_code(kind: IntArray, amount: FloatArray, cloud_cover: FloatArray) -> IntArray:
    showers = cloud_cover < SHOWER_COVER
    rain, snow = _step(amount, RAIN_STEPS), _step(amount, SNOW_STEPS)
    drizzle = _step(amount, DRIZZLE_STEPS)
    small = amount < DRIZZLE_STEPS[-1]
    from_layers = np.where(small, 51 + 2 * drizzle, 61 + 2 * rain)
    liquid = np.where(showers, 80 + rain, from_layers)
    frozen = np.where(showers, 85 + np.minimum(snow, 1), 71 + 2 * snow)
    freezing = np.where(small, 56 + np.minimum(drizzle, 1), 66 + np.minimum(rain, 1))
    return np.where(kind == RAIN, liquid, np.where(kind == SNOW, frozen, freezing))


def _dry_code(cloud_cover: FloatArray, fog: BoolArray, temperature: FloatArray) -> IntArray:
    foggy = np.where(temperature < FREEZING, 48, 45)
    return np.where(fog, foggy, _step(cloud_cover, SKY_STEPS))
