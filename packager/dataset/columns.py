"""The Parquet file's columns: names, types, units per step."""

import pyarrow as pa

from packager.dataset.records import VARIABLES

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
METADATA_KEY = b"skyfold"
