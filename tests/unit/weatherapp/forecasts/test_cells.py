import copy
import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from packager.contract import contract_with_guidance, parse_contract, reference_contract
from tests.weather import make_run
from weatherapp.core.blend import REACH_KM, great_circle_km
from weatherapp.forecasts.cells import Cell, inputs_body, parse_cell, stations_for
from weatherapp.forecasts.errors import CellUnknown
from weatherapp.forecasts.store import open_run


@given(st.integers(-90, 89), st.integers(-180, 179))
def test_a_cells_name_reads_back(south, west):
    assert parse_cell(Cell(south, west).name) == Cell(south, west)


@pytest.mark.parametrize(
    "name", ["", "N41", "n41w088", "N90W088", "N41E180", "S00W088", "N41W000", "N41W088/..", "N4¹W088"]
)
def test_other_names_are_refused_with_the_form(name):
    with pytest.raises(CellUnknown, match="N41W088"):
        parse_cell(name)


shares = st.floats(0, 1)


@given(st.integers(-70, 69), st.integers(-180, 179), shares, shares, st.floats(0, 360), st.floats(0, 0.999))
def test_no_station_in_reach_of_a_point_of_the_cell_is_left_out(south, west, up, right, bearing, share):
    # A station so far from a point of the cell, in that direction; flat is close enough on this scale.
    degrees = np.rad2deg(REACH_KM * share / 6371)
    latitude = south + up + degrees * np.cos(np.deg2rad(bearing))
    longitude = west + right + degrees * np.sin(np.deg2rad(bearing)) / np.cos(np.deg2rad(latitude))
    assume(great_circle_km(south + up, west + right, latitude, longitude) < REACH_KM)
    longitude = (longitude + 180) % 360 - 180
    assert stations_for(Cell(south, west), np.array([latitude]), np.array([longitude])).tolist() == [0]


@pytest.mark.parametrize(("up", "right"), [(1 + 1.34, 0.5), (-1.34, 0.5), (0.5, 1 + 1.34), (0.5, -1.34)])
def test_stations_beside_the_middle_of_every_edge_come_along(up, right):
    assert len(stations_for(Cell(0, 20), np.array([up]), np.array([20 + right]))) == 1


def test_far_stations_are_left_out():
    assert stations_for(Cell(41, -88), np.array([41.5, 44.0]), np.array([-87.5, -87.5])).tolist() == [0]


def test_cells_meet_across_the_date_line():
    assert stations_for(Cell(10, 179), np.array([10.5]), np.array([-179.8])).tolist() == [0]


@pytest.mark.django_db
def test_the_body_has_the_stations_around_the_cell_with_null_where_missing():
    run = make_run()
    body = json.loads(inputs_body(open_run(run.folder), parse_cell("N41W088"), replay=True))
    assert [station["id"] for station in body["stations"]] == ["chi", "cmi"]
    assert body["cell"] == "N41W088"
    assert body["init_time"] == "2026-07-04T18:00Z"
    assert body["replay"] is True
    station = body["stations"][0]
    assert np.shape(station["history"]) == (48, 9)
    assert station["history"][0] == [21.3, 0, 0, 0, 0, 0, None, None, None]
    assert np.float32(station["clock"]).tolist() == np.float32([0.1, 0.2, 0.3, 0.4]).tolist()


def body_of(run):
    return json.loads(inputs_body(run, parse_cell("N41W088"), replay=False))


@pytest.mark.django_db
def test_guidance_is_in_the_body_when_the_run_has_it_with_null_where_missing():
    plain = open_run(make_run().folder)
    guidance = np.zeros((3, 48, 7), np.float32)
    guidance[0, :, 0] = np.linspace(20, 25, 48)
    mask = np.zeros_like(guidance)
    mask[0, :40, 0] = 1
    inputs = plain.inputs | {"guidance": guidance, "guidance_mask": mask}
    body = body_of(replace(plain, contract=contract_with_guidance(), inputs=inputs))
    chicago, champaign = body["stations"]
    assert np.shape(chicago["guidance"]) == (48, 7)
    assert chicago["guidance"][0] == [20.0, None, None, None, None, None, None]
    assert chicago["guidance"][39][0] == pytest.approx(20 + 5 * 39 / 47, abs=1e-4)
    assert chicago["guidance"][40] == [None] * 7
    assert {value for row in champaign["guidance"] for value in row} == {None}
    assert "guidance" not in body_of(plain)["stations"][0]


@pytest.mark.django_db
def test_the_body_names_the_contracts_that_its_inputs_fit():
    plain = open_run(make_run().folder)
    both = sorted([reference_contract().digest, contract_with_guidance().digest])
    assert body_of(plain)["fits"] == both
    guidance = {name: np.zeros((3, 48, 7), np.float32) for name in ("guidance", "guidance_mask")}
    guided = replace(plain, contract=contract_with_guidance(), inputs=plain.inputs | guidance)
    assert body_of(guided)["fits"] == both
    document = copy.deepcopy(dict(plain.contract.document))
    document["inputs"][0]["channels"][0]["units"] = "K"
    foreign = replace(plain, contract=parse_contract(document))
    assert body_of(foreign)["fits"] == [foreign.contract.digest]


@pytest.mark.django_db
def test_a_cell_without_stations_is_refused():
    run = make_run()
    with pytest.raises(CellUnknown, match="No station lies in cell S40E100"):
        inputs_body(open_run(run.folder), parse_cell("S40E100"), replay=True)
