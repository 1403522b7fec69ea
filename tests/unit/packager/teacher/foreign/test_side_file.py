"""The side file: what maps a model's tensors to the contract's, and what it is refused for."""

import json

import pytest

from packager.errors import TeacherRefused
from packager.teacher.foreign.side_file import parse_teacher_contract, read_teacher_contract, side_file_of
from tests.foreign_models import CONTRACT, by_position, side_document


def changed(*path, value):
    """The good side file with one value changed; `...` deletes it."""
    document = json.loads(json.dumps(side_document()))
    place = document
    for key in path[:-1]:
        place = place[key]
    if value is ...:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return document


def test_a_side_file_maps_every_output_and_some_inputs():
    side = parse_teacher_contract(side_document(), CONTRACT)
    assert [item.spec.name for item in side.outputs] == [spec.name for spec in CONTRACT.outputs]
    assert {item.name: item.place for item in side.inputs} == {"history": "obs", "site": "place"}
    assert (side.signature, side.missing_is_nan) == ("serving_default", False)


def test_positions_stand_for_names():
    side = parse_teacher_contract(by_position(side_document()), CONTRACT)
    assert [item.place for item in side.outputs] == list(range(len(CONTRACT.outputs)))


def test_channels_may_be_fewer_and_in_another_order():
    channels = [{"name": "pressure_msl", "units": "Pa"}, {"name": "temperature", "units": "K"}]
    document = changed("inputs", "history", "channels", value=channels)
    document["inputs"]["history"]["shape"] = [None, 48, 2]
    history = parse_teacher_contract(document, CONTRACT).inputs[0]
    assert history.channels == (2, 0)
    assert [c.factor for c in history.conversions] == [100.0, 1.0]


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (["outputs", "wind"], ..., "output wind is missing. A teacher gives every output"),
        (["outputs", "snow_depth"], {"from": 9, "shape": [None, 48], "units": "m"}, "is not in the"),
        (["inputs", "radar"], {"from": 2, "shape": [None, 9], "channels": [{"name": "a", "units": "1"}]},
         "input radar is not in the contract"),
        (["outputs", "temperature", "levels"], [0.1, 0.5, 0.9], r"output temperature are \[0.1, 0.5, 0.9\]"),
        (["outputs", "temperature", "levels"], ..., "levels of output temperature are not given"),
        (["outputs", "dew_point", "levels"], [0.5], "dew_point has levels, but .* is a median"),
        (["outputs", "cloud_base", "classes"], ["low", "high"], "classes of output cloud_base are"),
        (["outputs", "wind", "components"], ["northward_wind", "eastward_wind"],
         "components of output wind are"),
        (["outputs", "dew_point", "shape"], [None, 24],
         r"\[None, 24\]; allowed is \[None, 48\].*forecasts 48 hours"),
        (["inputs", "history", "shape"], [None, 24, 9], r"history has shape \[None, 24, 9\]; allowed"),
        (["outputs", "dew_point", "shape"], [1, 48], "fixed number of cases, 1.* write null"),
        (["outputs", "dew_point", "units"], "hPa", "Output dew_point: 'hPa' measures pressure"),
        (["inputs", "history", "channels", 2, "units"], "K",
         "Input history, pressure_msl: 'hPa' measures pressure"),
        (["contract"], "other-point", "for contract 'other-point'; the data here have 'skyfold-point'"),
        (["unit"], "K", r"Additional properties are not allowed.*docs/teachers\.md"),
        (["missing"], "none", "missing: 'none' is not one of"),
    ],
)  # fmt: skip
def test_what_does_not_fit_the_contract_is_refused_by_its_name(path, value, message):
    with pytest.raises(TeacherRefused, match=message):
        parse_teacher_contract(changed(*path, value=value), CONTRACT)


def test_the_side_file_lies_beside_the_model(tmp_path):
    assert side_file_of(tmp_path / "teacher.onnx") == tmp_path / "teacher.contract.json"
    (tmp_path / "saved.v2").mkdir()
    assert side_file_of(tmp_path / "saved.v2") == tmp_path / "saved.v2.contract.json"


def test_a_missing_or_unreadable_side_file_says_what_to_write(tmp_path):
    with pytest.raises(TeacherRefused, match=r"does not exist.*write it as docs/teachers\.md shows"):
        read_teacher_contract(tmp_path / "x.contract.json", CONTRACT)
    (tmp_path / "x.contract.json").write_text("{")
    with pytest.raises(TeacherRefused, match="not a readable JSON document"):
        read_teacher_contract(tmp_path / "x.contract.json", CONTRACT)
