"""The guidance file beside a dataset, and what of it a window may know."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from packager.contract import GUIDANCE_VARIABLES, contract_with_guidance, reference_contract
from packager.dataset import make_windows, quality_control, read_dataset
from packager.dataset.building import build_table, write_table
from packager.dataset.columns import METADATA_KEY
from packager.dataset.errors import (
    DatasetColumnsWrong,
    DatasetEmpty,
    DatasetInconsistent,
    DatasetTypesWrong,
    DatasetUnreadable,
)
from packager.dataset.guidance import dataset_path, guidance_path, write_guidance
from packager.dataset.known import hide_guidance, known_guidance, without_guidance
from packager.dataset.records import Guidance
from tests.unit.packager.dataset.small import START, make_dataset
from tests.unit.packager.dataset.test_reading import PROVENANCE, series

CONTRACT = contract_with_guidance()
TYPICAL = np.array([11.3, 6.2, 1013.4, 3.1, -2.2, 0.4, 0.37], np.float32)


def rows(**changes):
    """Two runs of one station, two hours each."""
    parts = {
        "station": [0, 0, 0, 0],
        "init_hour": [START, START, START + 6, START + 6],
        "available_hour": [START + 2, START + 2, START + 8, START + 8],
        "valid_hour": [START + 9, START + 10, START + 9, START + 10],
        "values": np.tile(TYPICAL, (4, 1)) + np.arange(4)[:, None] * 0.1,
    }
    return {name: np.asarray(value) for name, value in (parts | changes).items()}


@pytest.fixture
def path(tmp_path):
    """Where guidance goes, beside a dataset of one station."""
    write_table(build_table([series()], [100.0]), PROVENANCE, tmp_path / "d.parquet")
    return tmp_path / "d.guidance.parquet"


def rewrite(path, change):
    """Write the guidance file again with another table."""
    table = change(pq.read_table(path))
    pq.write_table(table, path)


def set_column(table, name, values, kind=None):
    index = table.schema.get_field_index(name)
    field = pa.field(name, kind or table.schema.field(name).type)
    return table.set_column(index, field, pa.array(values, field.type))


def test_the_two_files_find_each_other(tmp_path):
    assert guidance_path(tmp_path / "a.b.parquet") == tmp_path / "a.b.guidance.parquet"
    assert dataset_path(tmp_path / "a.b.guidance.parquet") == tmp_path / "a.b.parquet"
    with pytest.raises(DatasetInconsistent, match=r"a\.parquet is no name for a guidance file"):
        dataset_path(tmp_path / "a.parquet")


def test_what_is_written_is_read_to_the_rounding_of_a_column(path):
    order = [2, 0, 3, 1]
    given_rows = rows()
    given_rows["values"][1, 2] = np.nan
    write_guidance(path, **{name: value[order] for name, value in given_rows.items()})
    guidance = read_dataset(dataset_path(path)).guidance
    for name in ("station", "init_hour", "available_hour", "valid_hour"):
        assert getattr(guidance, name).tolist() == given_rows[name].tolist()
    np.testing.assert_allclose(guidance.values[:, :6], given_rows["values"][:, :6], atol=0.0501)
    np.testing.assert_allclose(guidance.values[:, 6], given_rows["values"][:, 6], atol=0.00501)
    assert np.isnan(guidance.values[1, 2])


def test_equal_rows_give_equal_bytes_and_the_digest_is_of_both_files(path):
    alone = read_dataset(dataset_path(path))
    assert alone.guidance is None
    write_guidance(path, **rows())
    first, digest = path.read_bytes(), read_dataset(dataset_path(path)).digest
    write_guidance(path, **{name: value[::-1] for name, value in rows().items()})
    assert path.read_bytes() == first
    assert digest != alone.digest
    write_guidance(path, **rows(available_hour=np.full(4, START + 8)))
    assert read_dataset(dataset_path(path)).digest not in {digest, alone.digest}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"station": [0, 0, 0, 1]}, "rows of stations 0 to 1; its dataset describes 1 stations"),
        ({"station": [-1, 0, 0, 0]}, "rows of stations -1 to 0"),
        ({"available_hour": [START - 1, START, START + 8, START + 8]}, "must be at or after its run's start"),
        ({"valid_hour": [START - 3, START, START + 9, START + 10]}, "must be at or after its run's start"),
        ({"valid_hour": [START + 9, START + 9, START + 9, START + 10]}, "row 1 does not follow row 0"),
        ({"station": [0, 0, 0]}, r"columns of \[3, 4\] rows"),
        ({"values": np.zeros((4, 6))}, r"values of shape \(4, 6\)"),
        ({"values": np.full((4, 7), 1e6)}, "Column temperature has the value 10000000.0, beyond int16"),
    ],
)
def test_rows_that_cannot_be_are_refused_and_nothing_is_written(path, changes, message):
    with pytest.raises(DatasetInconsistent, match=message):
        write_guidance(path, **rows(**changes))
    assert [file.name for file in path.parent.iterdir()] == ["d.parquet"]


def test_no_rows_and_no_dataset_beside_it_are_refused(path, tmp_path):
    with pytest.raises(DatasetEmpty, match="would have no rows"):
        write_guidance(path, **{name: value[:0] for name, value in rows().items()})
    with pytest.raises(
        DatasetInconsistent, match=r"other\.parquet beside it cannot be read .*Write the data"
    ):
        write_guidance(tmp_path / "other.guidance.parquet", **rows())


def test_guidance_of_another_dataset_is_refused(path):
    write_guidance(path, **rows())
    write_table(build_table([series(6)], [100.0]), PROVENANCE, dataset_path(path))
    with pytest.raises(DatasetInconsistent, match=r"was made for a dataset with SHA-256 .* remove the guida"):
        read_dataset(dataset_path(path))


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda t: t.drop_columns(["wind_u"]), DatasetColumnsWrong, "Missing: wind_u. Not known: none"),
        (
            lambda t: set_column(t, "temperature", [1.0] * 4, pa.float32()),
            DatasetTypesWrong,
            "temperature is float, expected int16",
        ),
        (lambda t: t.slice(0, 0), DatasetEmpty, "has no rows"),
        (lambda t: t.take([1, 0, 2, 3]), DatasetInconsistent, "row 1 does not follow row 0"),
        (
            lambda t: set_column(t, "init_hour", [None, *[START] * 3]),
            DatasetInconsistent,
            "column init_hour has 1 nulls",
        ),
        (lambda t: t.replace_schema_metadata({}), DatasetUnreadable, "does not say which dataset"),
        (
            lambda t: t.replace_schema_metadata({METADATA_KEY: b"[]"}),
            DatasetUnreadable,
            "does not say which dataset",
        ),
    ],
)
def test_a_file_that_is_wrong_is_refused_with_what_is_wrong(path, change, error, message):
    write_guidance(path, **rows())
    rewrite(path, change)
    with pytest.raises(error, match=message):
        read_dataset(dataset_path(path))


def test_a_file_that_is_cut_short_is_refused(path):
    write_guidance(path, **rows())
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(
        DatasetUnreadable, match=r"d\.guidance\.parquet is not a readable .*Build the dataset"
    ):
        read_dataset(dataset_path(path))


row = st.tuples(
    st.integers(0, 1),  # station
    st.integers(0, 12),  # init
    st.integers(0, 6),  # hours until it is available
    st.integers(0, 14),  # lead
)


@given(st.lists(row, min_size=1, max_size=60, unique_by=lambda r: (r[0], r[1], r[3])), st.data())
def test_a_window_knows_the_newest_run_of_what_was_there_and_nothing_of_the_future(found, data):
    """Against a search row by row: never a row that came later than the init time."""
    found = sorted(found, key=lambda r: (r[0], r[1], r[3]))
    station, init, delay, lead = (np.array(column) for column in zip(*found, strict=True))
    values = np.arange(len(found), dtype=np.float32)[:, None] + np.zeros(7, np.float32)
    guidance = Guidance(station, init, init + delay, init + lead, values)
    cases = data.draw(st.lists(st.tuples(st.integers(0, 1), st.integers(-2, 20)), min_size=1, max_size=5))
    known = known_guidance(
        guidance,
        station=np.array([case[0] for case in cases]),
        init_hour=np.array([case[1] for case in cases]),
        leads=8,
    )
    assert known.shape == (len(cases), 8, 7)
    for case, (where, now) in enumerate(cases):
        for step in range(8):
            usable = [
                (r[1], index)
                for index, r in enumerate(found)
                if r[0] == where and r[1] + r[3] == now + step + 1 and r[1] + r[2] <= now
            ]
            if usable:
                assert known[case, step].tolist() == [max(usable)[1]] * 7
            else:
                assert np.isnan(known[case, step]).all()


def with_guidance(dataset, *, every=6, delay=3, leads=60):
    """Runs of a model that tells the init hour in its temperature and the valid hour in its dew point."""
    first, last = int(dataset.hour.min()), int(dataset.hour.max())
    init = np.arange(first, last, every)
    grid = np.stack(np.meshgrid(np.arange(len(dataset.stations)), init, np.arange(leads + 1), indexing="ij"))
    station, start, lead = grid.reshape(3, -1)
    values = np.tile(TYPICAL, (len(station), 1))
    values[:, 0], values[:, 1] = (start - first) / 10, (start + lead - first) / 10 - 60
    return replace(dataset, guidance=Guidance(station, start, start + delay, start + lead, values))


def test_windows_carry_what_was_known_of_each_lead():
    dataset = with_guidance(make_dataset(200))
    windows = make_windows(dataset, CONTRACT, stride=5, split="train")
    assert windows.inputs["guidance"].shape == (len(windows), 48, len(GUIDANCE_VARIABLES))
    assert windows.inputs["guidance"].dtype == windows.inputs["guidance_mask"].dtype == np.float32
    now = windows.init_hour - START
    newest = (now - 3) // 6 * 6  # the newest run that was available
    np.testing.assert_allclose(windows.inputs["guidance"][:, 0, 0] * 10, newest, atol=1e-3)
    valid = now[:, None] + np.arange(1, 49)
    np.testing.assert_allclose((windows.inputs["guidance"][..., 1] + 60) * 10, valid, atol=1e-3)
    assert (windows.inputs["guidance_mask"] == 1).all()
    assert {name: array.shape[1:] for name, array in windows.inputs.items()} == {
        spec.name: spec.shape[1:] for spec in CONTRACT.inputs
    }


def test_a_short_run_leaves_the_later_leads_masked():
    dataset = with_guidance(make_dataset(150), every=24, leads=30)
    windows = make_windows(dataset, CONTRACT, stride=7, split="train")
    mask, values = windows.inputs["guidance_mask"], windows.inputs["guidance"]
    assert 0 < mask[:, :, 0].mean() < 1
    assert mask[:, 0].all()
    assert (values[mask == 0] == 0).all()
    assert (np.diff(mask[:, :, 0], axis=1) <= 0).all()


def test_a_contract_without_guidance_gets_the_windows_it_always_got():
    plain = make_dataset(150)
    first = make_windows(plain, reference_contract(), stride=7, split="train")
    second = make_windows(with_guidance(plain), reference_contract(), stride=7, split="train")
    assert first.inputs.keys() == second.inputs.keys()
    for name, array in first.inputs.items():
        np.testing.assert_array_equal(array, second.inputs[name])
    with pytest.raises(ValueError, match="the dataset has none"):
        make_windows(plain, CONTRACT, stride=7, split="train")


def test_impossible_guidance_is_dropped_and_counted():
    dataset = with_guidance(make_dataset(100), every=24)
    values = dataset.guidance.values
    values[:, 0], values[:, 1] = 10, 5
    values[3] = [99, 5, 1013, 1, 1, 0, 0.5]  # temperature
    values[4] = [10, 11.5, 1013, 1, 1, 0, 0.5]  # a dew point far above it
    values[5] = [10, 10.9, 1013, 1, 1, 0, 0.5]  # interpolation
    values[6] = [10, 5, 1013, 120, 1, -0.2, 1.2]  # wind together, amount, cover
    cleaned, report = quality_control(dataset)
    assert np.flatnonzero(np.isnan(cleaned.guidance.values[3])).tolist() == [0]
    assert np.flatnonzero(np.isnan(cleaned.guidance.values[4])).tolist() == [1]
    assert np.isfinite(cleaned.guidance.values[5]).all()
    assert np.flatnonzero(np.isnan(cleaned.guidance.values[6])).tolist() == [3, 4, 5, 6]
    assert np.isfinite(dataset.guidance.values).all()
    assert report.totals()["guidance_limits"] == 6
    assert report.dropped["a", "guidance_wind_v", "guidance_limits"] == 1
    assert report.reported["a", "guidance_temperature"] == len(dataset.guidance)
    assert "guidance_limits" in report.table()
    assert "guidance_limits" not in quality_control(make_dataset(100))[1].totals()


def test_a_share_of_the_cases_loses_its_guidance_wholly_or_from_a_lead_on():
    ones = np.ones((4000, 48, 7), np.float32)
    inputs = {"guidance": ones * 3, "guidance_mask": ones, "site": np.zeros((4000, 3))}
    hidden = hide_guidance(inputs, np.random.default_rng(1), share=0.4)
    kept = hidden["guidance_mask"][:, :, 0].sum(axis=1)
    assert (np.diff(hidden["guidance_mask"], axis=1) <= 0).all()
    np.testing.assert_array_equal(hidden["guidance"], hidden["guidance_mask"] * 3)
    assert (kept == 48).mean() == pytest.approx(0.6, abs=0.03)
    assert (kept == 0).mean() == pytest.approx(0.2, abs=0.03)
    assert inputs["guidance_mask"].all()
    assert hide_guidance({"site": ones}, None, share=0.4).keys() == {"site"}
    assert not without_guidance(inputs)["guidance"].any()
    assert not without_guidance(inputs)["guidance_mask"].any()
