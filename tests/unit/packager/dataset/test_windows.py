from dataclasses import replace

import numpy as np
import pytest

from packager.contract import reference_contract
from packager.dataset import NO_CEILING, VARIABLES, make_windows
from packager.dataset.splits import HELD_OUT_STATIONS
from packager.dataset.windows import ceiling_class
from tests.unit.packager.dataset.small import START, make_dataset, set_value

CONTRACT = reference_contract()
HISTORY, LEADS = CONTRACT.history_hours, CONTRACT.lead_hours
LENGTH = HISTORY + LEADS


def cut(dataset, stride=1, split="train"):
    return make_windows(dataset, CONTRACT, stride=stride, split=split)


def test_a_window_is_the_history_up_to_init_and_the_leads_after_it():
    dataset = make_dataset(LENGTH + 1)
    windows = cut(dataset)
    assert len(windows) == 2
    assert windows.init_hour.tolist() == [START + HISTORY - 1, START + HISTORY]
    np.testing.assert_array_equal(windows.inputs["history"][1], dataset.values[1 : HISTORY + 1])
    temperature = dataset.column("temperature")
    np.testing.assert_array_equal(windows.targets["temperature"][1], temperature[HISTORY + 1 : LENGTH + 1])
    np.testing.assert_array_equal(windows.targets["wind"][0, :, 0], dataset.column("wind_u")[HISTORY:LENGTH])


def test_shapes_and_types_are_the_contracts():
    windows = cut(make_dataset(LENGTH + 4))
    for spec in CONTRACT.inputs:
        assert windows.inputs[spec.name].shape == (5, *spec.shape[1:])
        assert windows.inputs[spec.name].dtype == np.float32
    assert set(windows.targets) == {spec.name for spec in CONTRACT.outputs}
    for spec in CONTRACT.outputs:
        expected = (5, LEADS, 2) if spec.kind == "vector_median" else (5, LEADS)
        assert windows.targets[spec.name].shape == expected
        assert windows.targets[spec.name].dtype == np.float32


def test_init_times_are_the_hours_that_the_stride_divides():
    windows = cut(make_dataset(LENGTH + 30), stride=6)
    assert (windows.init_hour % 6 == 0).all()
    assert np.diff(windows.init_hour).tolist() == [6] * (len(windows) - 1)


def test_a_missing_value_is_zero_and_masked_in_history_and_nan_in_targets():
    dataset = make_dataset(LENGTH)
    set_value(dataset, 3, "pressure_msl", np.nan)
    set_value(dataset, HISTORY + 3, "wind_v", np.nan)
    windows = cut(dataset)
    pressure = VARIABLES.index("pressure_msl")
    assert windows.inputs["history"][0, 3, pressure] == 0
    assert windows.inputs["history_mask"][0, 3, pressure] == 0
    assert windows.inputs["history_mask"].sum() == HISTORY * len(VARIABLES) - 1
    assert np.isnan(windows.targets["wind_speed"][0]).tolist() == [lead == 3 for lead in range(LEADS)]


def test_no_window_crosses_a_segment():
    dataset = make_dataset(2 * LENGTH)
    dataset.segment[LENGTH:] = 1
    windows = cut(dataset)
    assert windows.init_hour.tolist() == [START + HISTORY - 1, START + LENGTH + HISTORY - 1]


def test_a_history_without_enough_temperatures_makes_no_window():
    enough, too_few = make_dataset(LENGTH), make_dataset(LENGTH)
    set_value(enough, slice(0, HISTORY // 4), "temperature", np.nan)
    set_value(too_few, slice(0, HISTORY // 4 + 1), "temperature", np.nan)
    assert len(cut(enough)) == 1
    assert len(cut(too_few)) == 0


def test_a_future_without_any_report_makes_no_window():
    dataset = make_dataset(LENGTH)
    dataset.values[HISTORY:] = np.nan
    dataset.precipitation_type[HISTORY:] = np.nan
    assert len(cut(dataset)) == 0


def test_a_dataset_shorter_than_a_window_gives_none():
    windows = cut(make_dataset(LENGTH - 1))
    assert len(windows) == 0
    assert windows.inputs["history"].shape == (0, HISTORY, len(VARIABLES))


@pytest.mark.parametrize(
    ("base", "expected"),
    [
        (0, 0),
        (149, 0),
        (150, 1),
        (299, 1),
        (300, 2),
        (900, 3),
        (3000, 4),
        (12_000, 4),
        (NO_CEILING, 5),
        (np.nan, np.nan),
    ],
)
def test_ceiling_classes(base, expected):
    got = ceiling_class(np.array([base], dtype=np.float32), CONTRACT.output("cloud_base").thresholds)
    assert got[0] == pytest.approx(expected, nan_ok=True)


def test_take_keeps_cases_together():
    windows = cut(make_dataset(LENGTH + 9))
    taken = windows.take(np.array([4, 2]))
    assert taken.init_hour.tolist() == [windows.init_hour[4], windows.init_hour[2]]
    np.testing.assert_array_equal(taken.inputs["clock"], windows.inputs["clock"][[4, 2]])
    np.testing.assert_array_equal(taken.targets["wind"], windows.targets["wind"][[4, 2]])
    assert len(windows.take(windows.init_hour % 2 == 0)) == 5


def test_a_stride_of_zero_is_refused():
    with pytest.raises(ValueError, match="Stride 0"):
        cut(make_dataset(LENGTH), stride=0)


def test_a_contract_with_other_channels_is_refused():
    history = CONTRACT.input("history")
    fewer = replace(history, channels=history.channels[:-1])
    contract = replace(CONTRACT, inputs=(fewer, *CONTRACT.inputs[1:]))
    with pytest.raises(ValueError, match="The contract's history has temperature"):
        make_windows(make_dataset(LENGTH), contract, stride=1, split="train")


def test_reference_windows_are_many_and_of_the_right_stations(controlled):
    dataset, _ = controlled
    counts = {
        split: cut(dataset, 3, split)
        for split in ("train", "early_stopping", "unseen_period", "unseen_station")
    }
    assert 42_000 < len(counts["train"]) < 52_000
    assert len(counts["early_stopping"]) > 3000
    assert len(counts["unseen_period"]) > 4000
    assert len(counts["unseen_station"]) > 7000
    held_out = {dataset.station_index(station_id) for station_id in HELD_OUT_STATIONS}
    assert set(counts["unseen_station"].station.tolist()) == held_out
    for split in ("train", "early_stopping", "unseen_period"):
        assert not held_out & set(counts[split].station.tolist())
    train = counts["train"]
    for channel, values in zip(
        CONTRACT.input("history").channels, np.moveaxis(train.inputs["history"], -1, 0), strict=True
    ):
        low, high = channel.valid_range
        reported = values[train.inputs["history_mask"][..., VARIABLES.index(channel.name)] == 1]
        assert reported.min() >= low
        assert reported.max() <= high
