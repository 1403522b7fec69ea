"""The contract is data: read it, check it, refuse one that contradicts itself."""

import copy
import json

import pytest

from packager.contract import (
    GUIDANCE_VARIABLES,
    canonical_json,
    contract_with_guidance,
    parse_contract,
    read_contract,
    reference_contract,
)
from packager.errors import ContractInvalid

CONTRACT = reference_contract()


@pytest.fixture
def document():
    return copy.deepcopy(dict(CONTRACT.document))


def output(document, name):
    return next(item for item in document["outputs"] if item["name"] == name)


def test_the_reference_contract_says_what_the_models_take_and_give():
    assert {spec.name: spec.shape for spec in CONTRACT.inputs} == {
        "history": (1, 48, 9),
        "history_mask": (1, 48, 9),
        "site": (1, 3),
        "clock": (1, 4),
    }
    assert {spec.name: spec.width for spec in CONTRACT.outputs} == {
        "temperature": 7,
        "dew_point": 1,
        "pressure_msl": 1,
        "wind": 2,
        "wind_speed": 7,
        "cloud_cover": 7,
        "cloud_base": 6,
        "precipitation_type": 4,
        "precipitation": 7,
    }
    assert CONTRACT.input("history").channel_names == CONTRACT.input("history_mask").channel_names


def test_every_ordered_output_has_one_threshold_less_than_reported_classes():
    base = CONTRACT.output("cloud_base")
    # The last class is "no ceiling at all", beyond the highest threshold's class.
    assert len(base.classes) == len(base.thresholds) + 2


def test_the_digest_is_of_the_content_not_of_its_order(document):
    turned = dict(reversed(document.items()))
    assert parse_contract(turned).digest == CONTRACT.digest
    document["version"] += 1
    assert parse_contract(document).digest != CONTRACT.digest


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(KeyError, match="not in the contract; it has history, history_mask, site, clock"):
        CONTRACT.input("guidance")
    with pytest.raises(KeyError, match="temperature"):
        CONTRACT.output("snow_depth")
    assert not CONTRACT.has_input("guidance")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.pop("lead_hours"), "'lead_hours' is a required property"),
        (lambda d: d.update(unknown=1), "'unknown' was unexpected"),
        (lambda d: d["inputs"][0].update(shape=[1, 48, 8]), "input history has shape .* 9 channels"),
        (lambda d: d["inputs"][2].update(shape=[2, 3]), "batch must be 1"),
        (lambda d: output(d, "temperature").update(shape=[1, 24, 7]), "must start with 1, 48"),
        (lambda d: output(d, "temperature").update(shape=[1, 48, 6]), "number of its levels"),
        (lambda d: output(d, "cloud_base").update(shape=[1, 48, 5]), "number of its levels or classes"),
        (
            lambda d: output(d, "temperature").update(levels=[0.1, 0.05, 0.25, 0.5, 0.75, 0.9, 0.95]),
            "levels of temperature must increase",
        ),
    ],
)
def test_a_contract_that_is_wrong_is_refused_with_the_place(document, change, message):
    change(document)
    with pytest.raises(ContractInvalid, match=message):
        parse_contract(document)


def guided():
    return copy.deepcopy(dict(contract_with_guidance().document))


def without(document, name):
    document["inputs"] = [item for item in document["inputs"] if item["name"] != name]


def test_guidance_is_a_group_more_and_another_contract():
    contract = contract_with_guidance()
    assert [spec.name for spec in contract.inputs[:4]] == [spec.name for spec in CONTRACT.inputs]
    assert contract.input("guidance").shape == contract.input("guidance_mask").shape == (1, 48, 7)
    assert contract.input("guidance").channel_names == GUIDANCE_VARIABLES
    assert (contract.name, contract.outputs) == (CONTRACT.name, CONTRACT.outputs)
    assert (contract.version, CONTRACT.version) == (2, 1)
    assert (contract.has_guidance, CONTRACT.has_guidance) == (True, False)
    # Bundles of it are out there.
    assert CONTRACT.digest == "858819f693a30491a4ab70b99ac2a7b8b3bc8d3fb983661a2ed50b3cfe50c2e9"
    # A channel of both is the same quantity in the same units.
    history = {channel.name: channel for channel in contract.input("history").channels}
    assert all(history[channel.name] == channel for channel in contract.input("guidance").channels)


def test_inputs_of_one_contract_serve_another_that_differs_in_guidance_only(document):
    assert CONTRACT.takes_inputs_of(contract_with_guidance())
    assert contract_with_guidance().takes_inputs_of(CONTRACT)
    document["inputs"][0]["channels"][0]["units"] = "K"
    other = parse_contract(document)
    assert not other.takes_inputs_of(CONTRACT)
    assert not contract_with_guidance().takes_inputs_of(other)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: without(d, "guidance"), "input guidance_mask .* needs an input guidance"),
        (lambda d: without(d, "guidance_mask"), "input guidance has shape .* needs a guidance_mask"),
        (
            lambda d: [d["inputs"][index].update(shape=[1, 24, 7]) for index in (4, 5)],
            "one row per lead, 48",
        ),
        (lambda d: d["inputs"][5]["channels"][0].update(name="rain"), "same shape and channels"),
    ],
)
def test_half_a_group_of_guidance_is_refused(change, message):
    document = guided()
    change(document)
    with pytest.raises(ContractInvalid, match=message):
        parse_contract(document)


def test_a_file_that_is_no_contract_is_refused_by_name(tmp_path):
    broken = tmp_path / "mine.json"
    broken.write_text("{")
    with pytest.raises(ContractInvalid, match=r"mine\.json is not a readable JSON document"):
        read_contract(broken)
    with pytest.raises(ContractInvalid, match=r"gone\.json"):
        read_contract(tmp_path / "gone.json")


def test_a_written_contract_reads_back_the_same(tmp_path):
    path = tmp_path / "contract.json"
    path.write_bytes(canonical_json(CONTRACT.document))
    assert read_contract(path) == CONTRACT


def test_canonical_json_has_no_place_for_nan():
    assert canonical_json({"b": 1, "a": [1.5, "°"]}) == b'{"a":[1.5,"\\u00b0"],"b":1}'
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json({"a": float("nan")})
    assert json.loads(canonical_json(CONTRACT.document)) == CONTRACT.document
