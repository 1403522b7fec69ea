"""The Parquet file's columns: names, types, units per step."""

from typing import Any

import numpy as np
import pyarrow as pa

from packager.contract import GUIDANCE_VARIABLES
from packager.dataset.errors import DatasetColumnsWrong, DatasetInconsistent, DatasetTypesWrong
from packager.dataset.records import VARIABLES
from weatherapp.core.arrays import FloatArray, IntArray

# Physical value = stored integer × scale.
SCALES: dict[str, float] = {
    "temperature": 0.1,
    "dew_point": 0.1,
    "pressure_msl": 0.1,
    "wind_u": 0.1,
    "wind_v": 0.1,
    "precipitation": 0.1,
    "cloud_cover": 0.01,
    "cloud_base": 1.0,
    "visibility": 10.0,
}
UNITS: dict[str, str] = {
    "temperature": "degC",
    "dew_point": "degC",
    "pressure_msl": "hPa",
    "wind_u": "m s-1",
    "wind_v": "m s-1",
    "precipitation": "mm",
    "cloud_cover": "1",
    "cloud_base": "m",
    "visibility": "m",
}
SCHEMA = pa.schema(
    [
        ("station", pa.int16()),
        ("hour", pa.int32()),
        ("segment", pa.int32()),
        *((name, pa.int16()) for name in VARIABLES),
        ("precipitation_type", pa.int8()),
        ("precipitation_type_from", pa.int8()),
    ]
)
# Guidance is scaled as observations are: every channel of it is one of theirs.
GUIDANCE_SCHEMA = pa.schema(
    [
        ("station", pa.int16()),
        ("init_hour", pa.int32()),
        ("available_hour", pa.int32()),
        ("valid_hour", pa.int32()),
        *((name, pa.int16()) for name in GUIDANCE_VARIABLES),
    ]
)
METADATA_KEY = b"skyfold"


def check_columns(name: str, schema: Any, expected: Any) -> None:
    """Refuse a table with other columns or types than a schema.

    Raises:
        DatasetColumnsWrong, DatasetTypesWrong: names what is expected and what is there.
    """
    if sorted(expected.names) != sorted(schema.names):
        missing = ", ".join(column for column in expected.names if column not in schema.names) or "none"
        extra = ", ".join(column for column in schema.names if column not in expected.names) or "none"
        raise DatasetColumnsWrong(
            f"{name} has the columns {', '.join(schema.names) or 'none'}; expected "
            f"{', '.join(expected.names)}. Missing: {missing}. Not known: {extra}."
        )
    wrong = [
        f"{field.name} is {schema.field(field.name).type}, expected {field.type}"
        for field in expected
        if schema.field(field.name).type != field.type
    ]
    if wrong:
        raise DatasetTypesWrong(f"{name}: {'; '.join(wrong)}. Cast the columns and write the file again.")


def to_arrow(field: Any, column: FloatArray | IntArray) -> Any:
    """A column as whole numbers of a field's type, null where NaN.

    Raises:
        DatasetInconsistent: a value that the type cannot hold.
    """
    missing = np.isnan(column)
    limits = np.iinfo(field.type.to_pandas_dtype())
    outside = ~missing & ((column < limits.min) | (column > limits.max))
    if outside.any():
        raise DatasetInconsistent(
            f"Column {field.name} has the value {column[outside][0]}, beyond {field.type}."
        )
    whole = np.where(missing, 0, column).astype(field.type.to_pandas_dtype())
    return pa.array(whole, type=field.type, mask=missing)
