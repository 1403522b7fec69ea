"""The phone's forecast is the model's at the stations near, blended for the exact place."""

import copy

import numpy as np
import pytest

from packager.bundle import open_bundle
from packager.contract import contract_with_guidance
from packager.runtimes import open_runtime
from packager.verify.golden import decode_golden
from phone.bundle import read_bundle
from phone.compare import compare
from phone.errors import BundleRefused, ForecastImpossible, ServerRefused
from phone.forecast import SHOWN, cell_name, forecast, tensors
from phone.model import Model, decode_inputs, replay_golden
from phone.transport import Deadline, Server
from tests.factories import build_bundle
from weatherapp.core.blend import blend_outputs, plan_blend
from weatherapp.core.hourly import Hours

PLACE = (41.9, -87.9)
PLACES = [("ord", 41.98, -87.9, 205.0), ("mdw", 41.79, -87.75, 188.0), ("far", 43.0, -87.9, 200.0)]


@pytest.fixture(scope="module")
def bundle(bundles):
    return read_bundle(bundles[0].read_bytes())


@pytest.fixture
def inputs(bundle):
    rng = np.random.default_rng(3)
    stations = []
    for name, latitude, longitude, elevation in PLACES:
        history = np.stack(
            [
                20 + rng.normal(0, 3, 48), 12 + rng.normal(0, 1, 48), 1013 + rng.normal(0, 2, 48),
                rng.normal(0, 3, 48), rng.normal(0, 3, 48), np.zeros(48), rng.uniform(0, 1, 48),
                rng.uniform(100, 20000, 48), np.full(48, 16000),
            ],
            axis=1,
        ).round(2).astype(object)  # fmt: skip
        history[5:9, 7] = None
        stations.append(
            {
                "id": name, "name": name.upper(), "latitude": latitude, "longitude": longitude,
                "elevation": elevation, "history": history.tolist(), "clock": [0.1, 0.2, 0.3, 0.4],
            }
        )  # fmt: skip
    return {
        "cell": "N41W088",
        "run": "some-run",
        "init_time": "2026-07-04T18:00Z",
        "contract": dict(bundle.manifest["contract"]),
        "replay": True,
        "stations": stations,
    }


@pytest.mark.parametrize(
    ("latitude", "longitude", "name"),
    [
        (41.9, -87.9, "N41W088"),
        (41.0, -88.0, "N41W088"),
        (-0.1, 0.1, "S01E000"),
        (0.0, 180.0, "N00W180"),
        (90.0, 179.9, "N89E179"),
        (-90.0, -180.0, "S90W180"),
    ],
)
def test_cells_are_named_by_their_south_west_corner(latitude, longitude, name):
    assert cell_name(latitude, longitude) == name


def test_missing_reports_are_zero_with_a_mask_of_zero(bundle, inputs):
    made = tensors(inputs["stations"], bundle.contract)
    assert made["history"].shape == (3, 48, 9)
    assert (made["history"][:, 5:9, 7] == 0).all()
    assert (made["history_mask"][:, 5:9, 7] == 0).all()
    assert made["history_mask"].mean() == pytest.approx(1 - 4 / (48 * 9))
    np.testing.assert_allclose(made["site"][0], PLACES[0][1:], rtol=1e-6)


def test_forecast_is_what_the_server_would_compute(bundle, bundles, inputs, tmp_path):
    made = forecast(bundle, inputs, *PLACE, 300.0)
    whole = open_bundle(bundles[0])
    runtime = open_runtime(whole.extract(tmp_path), "tflite", contract=whole.contract)
    columns = np.array([place[1:] for place in PLACES])
    blend = plan_blend(
        *PLACE,
        300.0,
        station_latitudes=columns[:, 0],
        station_longitudes=columns[:, 1],
        station_elevations=columns[:, 2],
    )
    hours = Hours(
        blend_outputs(runtime.run(tensors(inputs["stations"], bundle.contract)), blend),
        levels={out.name: out.levels for out in whole.contract.outputs if out.levels},
        ceiling_thresholds=whole.contract.output("cloud_base").thresholds,
    )
    np.testing.assert_allclose(made.values["temperature_2m"], hours.temperature, atol=1e-6)
    np.testing.assert_array_equal(made.values["weather_code"], hours.weather_code)
    assert [station["id"] for station in made.stations][:2] == ["ord", "mdw"]
    assert made.blend.weights.sum() == pytest.approx(1)
    assert made.times[0].isoformat() == "2026-07-04T19:00:00+00:00"
    assert len(made.times) == 48
    assert set(made.values) == set(SHOWN)
    assert made.replay
    assert made.station_temperatures.shape == (len(made.stations), 48)
    assert len(made.milliseconds) == len(made.stations)


def test_a_place_with_no_station_near_says_so(bundle, inputs):
    with pytest.raises(ForecastImpossible, match="No data is available"):
        forecast(bundle, inputs, 10.0, 10.0, None)


def test_inputs_for_another_contract_are_refused(bundle, inputs):
    inputs["contract"]["sha256"] = "0" * 64
    with pytest.raises(ForecastImpossible, match="installed model takes"):
        forecast(bundle, inputs, *PLACE, None)


@pytest.fixture(scope="module")
def guided(tmp_path_factory):
    """The bundle of a model that takes guidance."""
    path = build_bundle(tmp_path_factory.mktemp("guided") / "0.zip", contract=contract_with_guidance())
    return read_bundle(path.read_bytes())


def give_guidance(inputs, warmer):
    for station in inputs["stations"]:
        rows = np.full((48, 7), 1.0)
        rows[:, 0] = 20.0 + warmer
        rows = rows.astype(object)
        rows[40:, 0] = None
        station["guidance"] = rows.tolist()


def test_guidance_is_fed_to_a_model_that_takes_it(guided, inputs):
    inputs["contract"] = dict(guided.manifest["contract"])
    give_guidance(inputs, 0.0)
    made = tensors(inputs["stations"], guided.contract)
    assert made["guidance"].shape == made["guidance_mask"].shape == (3, 48, 7)
    assert (made["guidance"][:, 40:, 0] == 0).all()
    assert made["guidance_mask"][:, :40].all()
    assert not made["guidance_mask"][:, 40:, 0].any()
    first = forecast(guided, inputs, *PLACE, None)
    give_guidance(inputs, 30.0)
    second = forecast(guided, inputs, *PLACE, None)
    changed = np.abs(second.values["temperature_2m"] - first.values["temperature_2m"]) > 1e-6
    assert changed[:40].all()
    assert not changed[40:].any()


def test_a_model_with_guidance_forecasts_from_a_reply_without_any(guided, bundle, inputs):
    """The server runs another generation, or its guidance is down."""
    inputs["fits"] = [bundle.manifest["contract"]["sha256"], guided.manifest["contract"]["sha256"]]
    made = tensors(inputs["stations"], guided.contract)
    assert not made["guidance"].any()
    assert not made["guidance_mask"].any()
    assert np.isfinite(forecast(guided, inputs, *PLACE, None).values["temperature_2m"]).all()


def test_a_model_without_guidance_forecasts_from_a_reply_that_has_it(guided, bundle, inputs):
    plain = forecast(bundle, inputs, *PLACE, None)
    give_guidance(inputs, 5.0)
    inputs["fits"] = [inputs["contract"]["sha256"], guided.manifest["contract"]["sha256"]]
    inputs["contract"] = dict(guided.manifest["contract"])
    made = forecast(bundle, inputs, *PLACE, None)
    np.testing.assert_array_equal(made.values["temperature_2m"], plain.values["temperature_2m"])


def test_guidance_of_another_shape_is_refused(guided, inputs):
    inputs["contract"] = dict(guided.manifest["contract"])
    give_guidance(inputs, 0.0)
    for station in inputs["stations"]:
        station["guidance"].pop()
    with pytest.raises(ForecastImpossible, match=r"\(\d, 47, 7\)"):
        forecast(guided, inputs, *PLACE, None)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda i: i.pop("stations"), "cannot be read: KeyError"),
        (lambda i: i["stations"][0].pop("clock"), "cannot be read: KeyError"),
        (lambda i: i["stations"][0]["history"].pop(), "cannot be read: ValueError"),
        (lambda i: [s["history"].pop() for s in i["stations"]], r"\(2, 47, 9\)|\(3, 47, 9\)"),
        (lambda i: i.update(init_time="yesterday"), "cannot be read: ValueError"),
        (lambda i: i.update(init_time="9999-12-31T23:00:00+00:00"), "cannot be read: OverflowError"),
        (lambda i: i["stations"][0].update(elevation=10**400), "cannot be read: OverflowError"),
        (lambda i: [s.pop("name", None) for s in i["stations"]], "cannot be read: KeyError"),
    ],
)
def test_inputs_that_cannot_be_read_are_refused(bundle, inputs, change, reason):
    change(inputs)
    with pytest.raises(ForecastImpossible, match=reason):
        forecast(bundle, inputs, *PLACE, None)


def test_phone_decodes_golden_inputs_as_the_builder_does(bundle, bundles):
    whole = open_bundle(bundles[0])
    wanted, _ = decode_golden(whole.golden, whole.contract)
    decoded = decode_inputs(bundle.golden, bundle.contract)
    assert set(decoded) == set(wanted)
    for name, values in wanted.items():
        np.testing.assert_array_equal(decoded[name], values)


def test_golden_vectors_of_another_model_are_refused(bundle, bundles):
    other = Model(read_bundle(bundles[1].read_bytes()).model, bundle.contract)
    tight = copy.deepcopy(dict(bundle.golden))
    tight["tolerances"]["temperature"] = 0.01
    with pytest.raises(BundleRefused, match="temperature differs by"):
        replay_golden(other, tight, bundle.contract)


@pytest.mark.parametrize(
    "change",
    [
        lambda g: g["outputs"].pop("wind"),
        lambda g: g["outputs"]["wind"]["differences"].pop(),
        lambda g: g["outputs"]["wind"]["differences"].append("x"),
        lambda g: g["inputs"]["history_mask"].update(temperature="zz"),
        lambda g: g.update(leads=[99]),
        lambda g: g["tolerances"].update(wind="much"),
        lambda g: g["inputs"]["clock"]["year_sin"]["differences"].__setitem__(0, 10**30),
    ],
)
def test_golden_vectors_that_cannot_be_decoded_are_refused(bundle, change):
    golden = copy.deepcopy(dict(bundle.golden))
    change(golden)
    with pytest.raises(BundleRefused, match="cannot be decoded"):
        replay_golden(Model(bundle.model, bundle.contract), golden, bundle.contract)


def reply_of(made, **changes):
    """What a server says that forecasts the same, from two hours before the run on."""
    start = int(made.times[0].timestamp()) - 2 * 3600
    hourly = {"time": [start + 3600 * hour for hour in range(50)]}
    for name, values in made.values.items():
        hourly[name] = [None, None, *(float(v) if np.isfinite(v) else None for v in values)]
    return {"hourly": {**hourly, **changes}}


def test_comparison_with_an_equal_server_finds_nothing(server, address, bundle, inputs):
    made = forecast(bundle, inputs, *PLACE, None)
    server.documents["/v1/forecast"] = reply_of(made)
    compared = compare(Server(address), made, *PLACE, None, Deadline(5))
    assert compared["variables"]["temperature_2m"] == {"hours": 48, "mean_abs_difference": 0.0}
    assert all(not found["mean_abs_difference"] for found in compared["variables"].values())
    assert compared["same_run"] is False


def test_comparison_goes_around_the_circle(server, address, bundle, inputs):
    made = forecast(bundle, inputs, *PLACE, None)
    made.values["wind_direction_10m"][:] = 350.0
    server.documents["/v1/forecast"] = reply_of(made, wind_direction_10m=[10.0] * 50)
    compared = compare(Server(address), made, *PLACE, 200.0, Deadline(5))
    assert compared["variables"]["wind_direction_10m"]["mean_abs_difference"] == 20.0


@pytest.mark.parametrize(
    "reply",
    [
        [],
        {"hourly": {"time": []}},
        {"hourly": {"time": [[]]}},
        {"temperature_2m": []},
        {"temperature_2m": ["x"] * 50},
        {"temperature_2m": [10**400] * 50},
    ],
)
def test_a_reply_that_holds_no_forecast_is_refused(server, address, bundle, inputs, reply):
    made = forecast(bundle, inputs, *PLACE, None)
    whole = isinstance(reply, list) or "hourly" in reply
    server.documents["/v1/forecast"] = reply if whole else reply_of(made, **reply)
    with pytest.raises(ServerRefused, match="cannot be read"):
        compare(Server(address), made, *PLACE, None, Deadline(5))
