import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from packager.dataset import Station, read_dataset
from packager.dataset.building import build_table, write_table
from packager.dataset.columns import METADATA_KEY
from packager.dataset.errors import (
    DatasetColumnsWrong,
    DatasetEmpty,
    DatasetInconsistent,
    DatasetTypesWrong,
    DatasetUnreadable,
)
from packager.dataset.sources import Series
from tests.unit.packager.dataset.small import make_dataset

PROVENANCE = {
    "stations": [
        {
            "id": "a",
            "name": "A",
            "latitude": 45,
            "longitude": 0,
            "elevation": 100,
            "source": "test",
            "kind": "actual",
        }
    ]
}


def series(hours=5, **changes):
    small = make_dataset(hours)
    parts = {
        "hour": small.hour,
        "chunk": np.zeros(hours, np.int64),
        "values": small.values.astype(np.float64),
        "weather": np.full(hours, np.nan),
    }
    return Series(**{**parts, **changes})


@pytest.fixture
def table():
    return build_table([series()], [100.0])


def write(table, path, provenance=PROVENANCE):
    write_table(table, provenance, path)
    return path


def test_what_is_written_is_read_to_the_rounding_of_a_column(table, tmp_path):
    dataset = read_dataset(write(table, tmp_path / "d.parquet"))
    assert dataset.stations == (Station("a", "A", 45.0, 0.0, 100.0, "test", "actual"),)
    assert dataset.hour.tolist() == series().hour.tolist()
    np.testing.assert_allclose(dataset.column("temperature"), series().values[:, 0], atol=0.0501)
    np.testing.assert_allclose(dataset.column("cloud_cover"), series().values[:, 6], atol=0.00501)


def test_missing_stays_missing(tmp_path):
    holes = series()
    holes.values[2, :] = np.nan
    dataset = read_dataset(write(build_table([holes], [100.0]), tmp_path / "d.parquet"))
    assert np.isnan(dataset.values[2]).all()
    assert np.isnan(dataset.precipitation_type[2])
    assert np.isfinite(dataset.values[[0, 1, 3, 4]]).all()


def test_the_same_rows_give_the_same_bytes(table, tmp_path):
    first, second = write(table, tmp_path / "1.parquet"), write(table, tmp_path / "2.parquet")
    assert first.read_bytes() == second.read_bytes()


def test_wrong_columns_are_named_with_expected_got_missing_and_extra(table, tmp_path):
    renamed = table.rename_columns(["temp" if name == "temperature" else name for name in table.schema.names])
    with pytest.raises(DatasetColumnsWrong) as caught:
        read_dataset(write(renamed, tmp_path / "d.parquet"))
    message = str(caught.value)
    assert "columns station, hour, segment, temp, dew_point" in message
    assert "expected station, hour, segment, temperature, dew_point" in message
    assert "Missing: temperature." in message
    assert "Not known: temp." in message


def test_wrong_types_are_named(table, tmp_path):
    at = table.schema.get_field_index("temperature")
    floats = table.set_column(at, "temperature", table.column(at).cast(pa.float64()))
    with pytest.raises(DatasetTypesWrong, match="temperature is double, expected int16"):
        read_dataset(write(floats, tmp_path / "d.parquet"))


@pytest.mark.parametrize("content", [b"", b"not parquet at all", b"PAR1" + bytes(20) + b"PAR1"])
def test_a_file_that_is_not_parquet_is_refused(content, tmp_path):
    path = tmp_path / "d.parquet"
    path.write_bytes(content)
    with pytest.raises(DatasetUnreadable, match=r"d\.parquet is not a readable Parquet file"):
        read_dataset(path)


def test_a_file_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(DatasetUnreadable, match=r"none\.parquet"):
        read_dataset(tmp_path / "none.parquet")


def test_no_rows_are_refused(table, tmp_path):
    with pytest.raises(DatasetEmpty, match="no rows"):
        read_dataset(write(table.slice(0, 0), tmp_path / "d.parquet"))


@pytest.mark.parametrize(
    "metadata", [None, {METADATA_KEY: b"{"}, {METADATA_KEY: b'{"stations": [{"id": "a"}]}'}]
)
def test_a_file_without_stations_is_refused(metadata, table, tmp_path):
    pq.write_table(table.replace_schema_metadata(metadata), tmp_path / "d.parquet")
    with pytest.raises(DatasetUnreadable, match="does not describe its stations"):
        read_dataset(tmp_path / "d.parquet")


def test_a_row_of_an_undescribed_station_is_refused(table, tmp_path):
    at = table.schema.get_field_index("station")
    other = table.set_column(at, "station", pa.array([1] * table.num_rows, pa.int16()))
    with pytest.raises(DatasetInconsistent, match="rows of station 1; it describes 1 stations"):
        read_dataset(write(other, tmp_path / "d.parquet"))


def test_a_hole_inside_a_segment_is_refused(table, tmp_path):
    holed = pa.concat_tables([table.slice(0, 2), table.slice(3)])
    with pytest.raises(DatasetInconsistent, match="row 2 does not follow row 1"):
        read_dataset(write(holed, tmp_path / "d.parquet"))


def test_a_segment_ends_at_a_gap_and_at_a_chunk():
    hour = np.array([0, 1, 3, 4, 5])
    chunk = np.array([0, 0, 0, 0, 1])
    table = build_table([series(hour=hour, chunk=chunk), series()], [100.0, 0.0])
    assert table.column("segment").to_pylist() == [0, 0, 1, 1, 2, 3, 3, 3, 3, 3]


def test_two_rows_of_one_hour_are_refused():
    with pytest.raises(DatasetInconsistent, match="two rows of one hour"):
        build_table([series(hour=np.array([0, 1, 1, 2, 3]))], [100.0])


def test_a_value_that_sixteen_bits_cannot_hold_is_refused():
    huge = series()
    huge.values[0, 0] = 4000.0
    with pytest.raises(DatasetInconsistent, match="temperature has the value 40000"):
        build_table([huge], [100.0])


def test_no_series_are_refused():
    with pytest.raises(DatasetEmpty):
        build_table([], [])


def test_metadata_is_canonical_json(table, tmp_path):
    metadata = pq.read_schema(write(table, tmp_path / "d.parquet")).metadata[METADATA_KEY]
    assert json.loads(metadata) == PROVENANCE
