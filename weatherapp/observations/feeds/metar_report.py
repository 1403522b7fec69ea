"""One METAR: its text in, values in the contract's units out. Pure.

The `metar` package reads the groups of the body. Remarks, and the groups whose meaning it loses, are read
here: it takes a visibility of "////" for 10 km and CAVOK for no clouds at all, and guesses a unit for a wind
that has none; and two of its patterns for remarks need exponential time on damaged text.
"""

import math
import re
import warnings
from dataclasses import dataclass

from metar.Metar import Metar

from packager.dataset.labels import MIXED, NONE, RAIN, SNOW
from packager.dataset.records import NO_CEILING
from packager.dataset.sources import INCH, VISIBILITY_CAP
from weatherapp.core.thermo import mean_sea_level_pressure
from weatherapp.core.wind import components

NAN = math.nan
FOOT = 0.3048
LONGEST = 1200  # characters; real reports stay below 600
LONGEST_GROUP = 24
MOST_RETRIES = 3
PLAUSIBLE_QNH = (850.0, 1090.0)
T_GROUP_TOLERANCE = 1.0  # K between the whole degrees of the body and the tenths of the remarks
# Middle of each layer's range in oktas (FEW 1-2, SCT 3-4, BKN 5-7); an obscured sky counts as covered.
COVER = {"FEW": 1.5 / 8, "SCT": 3.5 / 8, "BKN": 6 / 8, "OVC": 1.0, "VV": 1.0, "CLR": 0.0}
CLEAR = {"CLR", "NSC", "NCD", "SKC"}
CEILINGS = {"BKN", "OVC", "VV"}
UNKNOWN_LAYER = "///"

AFTER_BODY = re.compile(r"\b(RMKS?|TEMPO|BECMG|NOSIG|NOSPECI|INTER|PROB\d\d)\b.*")
REMARKS = re.compile(r"\bRMKS?\b(.*)")
MISSING = re.compile(r"/{2,}(SM|KM|NDV|KT|MPS)?|[QA]/{2,4}|(/{2}|M{2})/(/{2}|M{2})|VV///")
WIND_WITH_UNIT = re.compile(r"[\dO/VRB]{3,5}P?[\dO]{2,3}(GP?\d{2,3})?(KTS?|LT|K|T|KMH|MPS)")
STOPPED = re.compile(r"failed while processing '(\S*)")
TENTHS = re.compile(r"\bT([01])(\d{3})(?:([01])(\d{3}))?\b")
SEA_LEVEL = re.compile(r"\bSLP(\d{3})\b")
HOURLY_AMOUNT = re.compile(r"(?<= )P(\d{4})(?= )")
BEGAN_OR_ENDED = re.compile(r"([A-Z]{2,6}?)((?:[BE]\d{2}(?:\d{2})?)+)")
FROZEN, LIQUID, HAIL = {"SN", "SG", "IC"}, {"RA", "DZ"}, {"GR", "GS"}
PRECIPITATION = {*FROZEN, *LIQUID, *HAIL, "PL", "UP"}


@dataclass(frozen=True, slots=True)
class Decoded:
    """Values of a report in the order of the contract's history, NaN unknown.

    Attributes:
        values: temperature °C, dew point °C, mean sea level pressure hPa, wind u and v m/s, precipitation mm
            in the hour, cloud cover 0-1, ceiling m (20000: none), visibility m.
        precipitation_type: the contract's class index; NaN unknown.
        damaged: a group cannot be true or cannot be read; the others were.
    """

    values: tuple[float, ...]
    precipitation_type: float
    damaged: bool


@dataclass(frozen=True, slots=True)
class _Parts:
    body: str
    remarks: str
    tokens: frozenset[str]
    report: Metar
    damaged: bool

    def says(self, *tokens: str) -> bool:
        return not self.tokens.isdisjoint(tokens)


def decode(text: str, *, elevation: float, speci: bool = False) -> Decoded:
    """Read one report.

    Args:
        text: from METAR, SPECI or the station's code on; printable ASCII, without the closing "=".
        elevation: of the station, metres; an altimeter setting is reduced to sea level with it.
        speci: a special report, whose amount of precipitation is not that of an hour.
    """
    parts = _read(text)
    temperature, dew_point = _temperatures(parts)
    wind_u, wind_v = _wind(parts)
    cover, base = _clouds(parts)
    kinds = _precipitation_kinds(parts)
    values = (
        temperature,
        dew_point,
        _pressure(parts, elevation, temperature, dew_point),
        wind_u,
        wind_v,
        NAN if speci else _amount(parts, kinds),
        cover,
        base,
        _visibility(parts),
    )
    return Decoded(values, _type(parts, kinds), parts.damaged)


def _read(text: str) -> _Parts:
    body = AFTER_BODY.sub("", text)
    found = REMARKS.search(text)
    tokens = body.split()
    known = [t for t in tokens if not MISSING.fullmatch(t) and len(t) <= LONGEST_GROUP]
    report, failed = _parse(known)
    damaged = bool(failed)
    for _ in range(MOST_RETRIES):
        if failed not in known:
            break
        # One impossible group, such as a direction of 990, ends the package's reading: read on without it.
        known.remove(failed)
        report, failed = _parse(known)
    return _Parts(body, f" {found[1]} " if found else " ", frozenset(tokens), report, damaged)


def _parse(tokens: list[str]) -> tuple[Metar, str]:
    """The package's reading, and the group that it stopped at; empty where it read all."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        # The day of the month is read elsewhere: a month and a year that have every day keep it from failing.
        report = Metar(" ".join(tokens), month=1, year=2000, strict=False)
    stops = [STOPPED.search(str(warning.message)) for warning in caught]
    return report, next((stop[1] for stop in stops if stop), "")


def _temperatures(parts: _Parts) -> tuple[float, float]:
    """Tenths from the remarks where they agree with the body, else the body's whole degrees."""
    report = parts.report
    body = [NAN if value is None else value.value("C") for value in (report.temp, report.dewpt)]
    found = TENTHS.search(parts.remarks)
    if not found:
        return body[0], body[1]
    exact = [_tenths(found[1], found[2]), _tenths(found[3], found[4])]
    temperature, dew_point = (
        tenths
        if abs(tenths - whole) <= T_GROUP_TOLERANCE or (math.isnan(whole) and not math.isnan(tenths))
        else whole
        for tenths, whole in zip(exact, body, strict=True)
    )
    return temperature, dew_point


def _tenths(sign: str | None, digits: str | None) -> float:
    if digits is None:
        return NAN
    return int(digits) / 10 * (-1 if sign == "1" else 1)


def _pressure(parts: _Parts, elevation: float, temperature: float, dew_point: float) -> float:
    """Sea-level pressure from the remarks, else the altimeter setting reduced with the air's temperature."""
    setting = NAN if parts.report.press is None else parts.report.press.value("HPA")
    if not PLAUSIBLE_QNH[0] <= setting <= PLAUSIBLE_QNH[1]:
        setting = NAN
    found = SEA_LEVEL.search(parts.remarks)
    if found:
        tens = int(found[1]) / 10
        # Only the last digits are sent: the nearer to the altimeter setting, else to 1000 hPa.
        near = 1000.0 if math.isnan(setting) else setting
        return min((900 + tens, 1000 + tens), key=lambda value: abs(value - near))
    if math.isnan(setting) or math.isnan(temperature):
        return NAN
    station = station_pressure(setting, elevation)
    # A setting is whole hectopascals or hundredths of an inch: more decimals would claim too much.
    return round(float(mean_sea_level_pressure(station, temperature, dew_point, elevation)), 1)


def station_pressure(altimeter: float, elevation: float) -> float:
    """Pressure at the station from the altimeter setting (QNH).

    A QNH reduces with the standard atmosphere, whatever the air is like: in cold or warm air it differs from
    the pressure at mean sea level by several hPa at a few hundred metres.

    Args:
        altimeter: hPa.
        elevation: metres.

    Returns:
        hPa.

    Source: ICAO Doc 7488, Manual of the ICAO Standard Atmosphere: 288.15 K, 6.5 K/km, 1013.25 hPa.
    """
    exponent = 0.0065 * 287.05287 / 9.80665
    drop = 0.0065 / 288.15 * 1013.25**exponent * elevation
    return float((altimeter**exponent - drop) ** (1 / exponent))


def _wind(parts: _Parts) -> tuple[float, float]:
    """Calm is 0; a variable direction is unknown, and so is a speed without a unit outside the US."""
    report = parts.report
    if report.wind_speed is None:
        return NAN, NAN
    american = (report.station_id or "").startswith("K")
    if not american and not any(WIND_WITH_UNIT.fullmatch(token) for token in parts.tokens):
        return NAN, NAN
    speed = report.wind_speed.value("MPS")
    if speed == 0:
        return 0.0, 0.0
    direction = NAN if report.wind_dir is None else report.wind_dir.value()
    u, v = components(speed, direction)
    return float(u), float(v)


def _visibility(parts: _Parts) -> float:
    """As reported, "more than" and "less than" at their limit; CAVOK at its 10 km."""
    if parts.report.vis is None:
        return NAN
    return min(float(parts.report.vis.value("M")), VISIBILITY_CAP)


def _clouds(parts: _Parts) -> tuple[float, float]:
    """Cover 0-1 and ceiling in metres: the lowest BKN, OVC or vertical visibility."""
    layers: list[tuple[str, object]] = [(cover, height) for cover, height, _ in parts.report.sky]
    if parts.says("CAVOK") or any(cover in CLEAR for cover, _ in layers):
        return 0.0, NO_CEILING
    if parts.says("VV///"):
        layers.append(("VV", None))
    if any(re.fullmatch(r"/{3}|/{6,}", token) for token in parts.tokens):
        layers.append((UNKNOWN_LAYER, None))
    if not layers:
        return NAN, NAN
    return _cover(layers), _ceiling(layers)


def _cover(layers: list[tuple[str, object]]) -> float:
    covers = [COVER.get(cover, NAN) for cover, _ in layers]
    if any(math.isnan(cover) for cover in covers) and 1.0 not in covers:
        return NAN  # a layer of unknown amount may cover more than the others
    return max(cover for cover in covers if not math.isnan(cover))


def _ceiling(layers: list[tuple[str, object]]) -> float:
    known = [_metres(height) for cover, height in layers if cover in CEILINGS and height is not None]
    lowest = min(known, default=NO_CEILING)
    for cover, height in layers:
        hidden = cover in CEILINGS and height is None
        unsure = cover == UNKNOWN_LAYER and (height is None or _metres(height) < lowest)
        if hidden or unsure:
            return NAN  # a ceiling below the lowest known one may be there
    return lowest


def _metres(height: object) -> float:
    return round(float(height.value("FT")) * FOOT, 1)  # type: ignore[attr-defined]


def _precipitation_kinds(parts: _Parts) -> set[str]:
    """What falls, fell a little before, or began or ended in the hour; FZ stands for freezing."""
    kinds: set[str] = set()
    for intensity, descriptor, precipitation, _, _ in (*parts.report.weather, *parts.report.recent):
        descriptors = set(re.findall("..", descriptor or ""))
        if "VC" in (intensity or "") or descriptors & {"BL", "DR"}:
            continue  # near the station, or raised from the ground
        kinds |= _kinds_of(descriptors, set(re.findall("..", precipitation or "")))
    for token in parts.remarks.split():
        if len(token) <= 40:
            for letters, _ in BEGAN_OR_ENDED.findall(token):
                groups = set(re.findall("..", letters))
                kinds |= _kinds_of(groups, groups)
    return kinds


def _kinds_of(descriptors: set[str], precipitation: set[str]) -> set[str]:
    falls = precipitation & PRECIPITATION
    return falls | {"FZ"} if falls and "FZ" in descriptors else falls


def _type(parts: _Parts, kinds: set[str]) -> float:
    """The contract's class; unknown where nobody looks, or where the kind is not known."""
    if kinds:
        return _class(kinds)
    return NONE if _weather_is_watched(parts) else NAN


def _class(kinds: set[str]) -> float:
    if kinds & {"FZ", "PL"} or (kinds & FROZEN and kinds & LIQUID):
        return MIXED
    if "UP" in kinds:
        return NAN
    if kinds & FROZEN:
        return SNOW
    return RAIN


def _weather_is_watched(parts: _Parts) -> bool:
    """Whether a report without weather says that there is none.

    Not where "//" stands in its place, where the sensor is out of order (PWINO), or at an automatic station
    without a sensor that tells kinds apart (AO1).
    """
    remarks = parts.remarks.split()
    whole = parts.report.temp is not None or parts.report.vis is not None or parts.says("CAVOK")
    return whole and not parts.says("//") and "AO1" not in remarks and "PWINO" not in remarks


def _amount(parts: _Parts, kinds: set[str]) -> float:
    """Millimetres in the hour.

    Only North American reports have an amount. It is left out where nothing fell: 0 at a station that tells
    (AO2 with tenths of a degree in its remarks, gauge working) and names nothing that fell; else unknown.
    """
    found = HOURLY_AMOUNT.search(parts.remarks)
    if found:
        return round(int(found[1]) / 100 * INCH, 2)
    remarks = parts.remarks.split()
    tells = "AO2" in remarks and "PNO" not in remarks and TENTHS.search(parts.remarks) is not None
    return 0.0 if tells and not kinds and _weather_is_watched(parts) else NAN
