import math

import pytest

from packager.dataset.records import NO_CEILING, VARIABLES
from weatherapp.observations.feeds.metar_report import decode, station_pressure

NAN = math.nan


def read(groups, *, elevation=100.0, speci=False, station="LFXX"):
    decoded = decode(f"{station} 041800Z {groups}", elevation=elevation, speci=speci)
    return dict(zip(VARIABLES, decoded.values, strict=True)) | {"type": decoded.precipitation_type}


def same(found, expected):
    return math.isnan(found) if math.isnan(expected) else found == pytest.approx(expected, abs=0.06)


@pytest.mark.parametrize(
    ("sky", "cover", "base"),
    [
        ("CAVOK", 0.0, NO_CEILING),
        ("9999 SKC", 0.0, NO_CEILING),
        ("9999 CLR", 0.0, NO_CEILING),
        ("9999 NSC", 0.0, NO_CEILING),
        ("9999 NCD", 0.0, NO_CEILING),
        ("9999 FEW010", 1.5 / 8, NO_CEILING),
        ("9999 FEW010 SCT030", 3.5 / 8, NO_CEILING),
        ("9999 SCT008 BKN012 OVC030", 1.0, 365.8),
        ("9999 BKN012CB BKN005", 0.75, 152.4),
        ("0200 VV001", 1.0, 30.5),
        ("0000 VV000", 1.0, 0.0),
        ("0200 VV///", 1.0, NAN),
        ("9999 BKN///", 0.75, NAN),
        ("9999 OVC010 BKN///", 1.0, NAN),
        ("9999 FEW///", 1.5 / 8, NO_CEILING),
        ("9999 OVC012///", 1.0, 365.8),
        ("9999 ///015", NAN, NAN),
        ("9999 ///015 BKN010", NAN, 304.8),
        ("9999 ///005 OVC010", 1.0, NAN),
        ("9999 ///TCU", NAN, NAN),
        ("9999 //////CB", NAN, NAN),
        ("9999 //////", NAN, NAN),
        ("9999", NAN, NAN),
    ],
)
def test_clouds(sky, cover, base):
    found = read(f"00000KT {sky} 10/05 Q1013")
    assert same(found["cloud_cover"], cover)
    assert same(found["cloud_base"], base)


@pytest.mark.parametrize(
    ("group", "metres"),
    [
        ("CAVOK", 10_000),
        ("9999", 10_000),
        ("0000", 0),
        ("0350", 350),
        ("4000 1500SW", 4000),
        ("////", NAN),
        ("////SM", NAN),
        ("10SM", 16_090),
        ("P6SM", 9656.1),
        ("M1/4SM", 402.3),
        ("1/2SM", 804.7),
        ("1 1/2SM", 2414.0),
        ("", NAN),
    ],
)
def test_visibility(group, metres):
    assert same(read(f"00000KT {group} 10/05 Q1013")["visibility"], metres)


@pytest.mark.parametrize(
    ("group", "u", "v"),
    [
        ("00000KT", 0, 0),
        ("27010KT", 5.14, 0),
        ("36010MPS", 0, -10),
        ("09036KMH", -10, 0),
        ("18010G25KT 150V210", 0, 5.14),
        ("VRB03KT", NAN, NAN),
        ("/////KT", NAN, NAN),
        ("27010", NAN, NAN),
        ("99010KT", NAN, NAN),
        ("", NAN, NAN),
    ],
)
def test_wind(group, u, v):
    found = read(f"{group} 9999 10/05 Q1013")
    assert same(found["wind_u"], u)
    assert same(found["wind_v"], v)


def test_a_group_that_cannot_be_true_costs_only_itself():
    decoded = decode("LFXX 041800Z 99010KT 9999 BKN010 10/05 Q1013", elevation=0.0)
    values = dict(zip(VARIABLES, decoded.values, strict=True))
    assert decoded.damaged
    assert (values["temperature"], values["visibility"], values["cloud_cover"]) == (10.0, 10_000.0, 0.75)
    assert math.isnan(values["wind_u"])


@pytest.mark.parametrize(
    ("weather", "kind"),
    [
        ("", 0),
        ("BR", 0),
        ("NSW", 0),
        ("VCSH", 0),
        ("TS", 0),
        ("FZFG", 0),
        ("BLSN", 0),
        ("-RA", 1),
        ("+TSRA", 1),
        ("DZ", 1),
        ("SHGS", 1),
        ("TSGRRA", 1),
        ("-SN", 2),
        ("SG", 2),
        ("SHSNGS", 2),
        ("RASN", 3),
        ("-FZRA", 3),
        ("PL", 3),
        ("FZUP", 3),
        ("UP", NAN),
        ("RA SN", 3),
        ("//", NAN),
    ],
)
def test_what_falls(weather, kind):
    assert same(read(f"00000KT 5000 {weather} OVC010 01/00 Q1013")["type"], kind)


def test_what_fell_within_the_hour_counts():
    assert read("00000KT 9999 OVC010 10/08 Q1013 RERA")["type"] == 1
    assert read("00000KT 10SM OVC010 M02/M03 A2990 RMK AO2 SNB03E43 P0000")["type"] == 2
    assert read("00000KT 10SM OVC010 00/M03 A2990 RMK AO2 RAB03SNE43")["type"] == 3
    assert read("00000KT 10SM OVC010 00/M03 A2990 RMK AO2 FZRAB03E10")["type"] == 3


def test_stations_that_cannot_tell_do_not_say_none():
    assert math.isnan(read("AUTO 00000KT 10SM OVC010 10/08 A2990 RMK AO1")["type"])
    assert math.isnan(read("AUTO 00000KT 10SM OVC010 10/08 A2990 RMK AO2 PWINO")["type"])
    assert math.isnan(read("")["type"])


@pytest.mark.parametrize(
    ("groups", "amount"),
    [
        ("10SM -RA OVC010 10/08 A2990 RMK AO2 P0009 T01000080", 2.29),
        ("10SM -SN OVC010 00/M01 A2990 RMK AO2 P0000 T00001010", 0.0),
        ("10SM CLR 10/08 A2990 RMK AO2 T01000080", 0.0),
        ("10SM CLR 10/08 A2990 RMK AO2 PNO T01000080", NAN),
        ("10SM CLR 10/08 A2990 RMK AO1 T01000080", NAN),
        ("10SM CLR 10/08 A2990 RMK AO2", NAN),
        ("10SM -RA OVC010 10/08 A2990 RMK AO2 T01000080", NAN),
        ("10SM UP OVC010 10/08 A2990 RMK AO2 T01000080", NAN),
        ("9999 OVC010 10/08 Q1013", NAN),
    ],
)
def test_amounts(groups, amount):
    assert same(read(f"00000KT {groups}", station="KXXX")["precipitation"], amount)


def test_the_amount_of_a_special_report_is_not_that_of_an_hour():
    assert math.isnan(read("00000KT 10SM -RA OVC010 10/08 A2990 RMK AO2 P0009", speci=True)["precipitation"])


def test_tenths_of_a_degree_come_from_the_remarks_unless_they_contradict():
    assert read("00000KT 10SM CLR M04/M07 A2990 RMK AO2 T10441072")["temperature"] == -4.4
    assert read("00000KT 10SM CLR M04/M07 A2990 RMK AO2 T10441072")["dew_point"] == -7.2
    assert read("00000KT 10SM CLR 16/13 A2990 RMK AO2 T05600133")["temperature"] == 16
    assert math.isnan(read("00000KT 10SM CLR 16/ A2990")["dew_point"])


def test_sea_level_pressure_comes_from_the_remarks_and_its_first_digits_from_the_altimeter():
    assert read("00000KT 10SM CLR 10/05 A2967 RMK AO2 SLP036")["pressure_msl"] == pytest.approx(1003.6)
    assert read("00000KT 10SM CLR 10/05 A2913 RMK AO2 SLP862")["pressure_msl"] == pytest.approx(986.2)
    assert read("00000KT 10SM CLR M30/M35 A3120 RMK AO2 SLP600")["pressure_msl"] == pytest.approx(1060.0)


def test_an_altimeter_setting_is_reduced_with_the_air_not_the_standard_atmosphere():
    at_sea_level = read("00000KT 9999 NSC 15/10 Q1013", elevation=0.0)["pressure_msl"]
    assert at_sea_level == pytest.approx(1013, abs=0.01)
    cold = read("00000KT 9999 NSC M20/M25 Q1013", elevation=600.0)["pressure_msl"]
    warm = read("00000KT 9999 NSC 35/10 Q1013", elevation=600.0)["pressure_msl"]
    assert cold - 1013 > 8
    assert warm - 1013 < -3
    assert math.isnan(read("00000KT 9999 NSC Q1013")["pressure_msl"])
    assert math.isnan(read("00000KT 9999 NSC 10/05 Q0300")["pressure_msl"])


def test_station_pressure_follows_the_standard_atmosphere():
    # ICAO Doc 7488: 898.75 hPa at 1000 m, 794.95 hPa at 2000 m.
    assert station_pressure(1013.25, 1000.0) == pytest.approx(898.75, abs=0.02)
    assert station_pressure(1013.25, 2000.0) == pytest.approx(794.95, abs=0.02)


def test_forecasts_inside_a_report_are_not_read_as_observed():
    found = read("00000KT 9999 FEW020 10/05 Q1013 TEMPO 2000 SHRA BKN008")
    assert (found["type"], found["cloud_base"], found["visibility"]) == (0, NO_CEILING, 10_000)


def test_damaged_remarks_cost_no_time():
    read("00000KT 9999 FEW020 10/05 Q1013 RMK LTG " + "N" * 900 + "!")
    read("00000KT 9999 FEW020 10/05 Q1013 LTG" + "E" * 600 + " TS" + "E" * 500)
