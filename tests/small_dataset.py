"""A dataset file of three stations cut from the reference dataset: enough for every split, and quick."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from packager.dataset.columns import METADATA_KEY, SCHEMA
from packager.dataset.reference import REFERENCE_FILE

# Greensboro reports everything; Oklahoma City is held out whole and has months with precipitation.
STATIONS = ("tmy3-723170", "tmy3-725300", "tmy3-723530")
HELD_OUT = "tmy3-723530"


def write_small_dataset(path: Path, stations: tuple[str, ...] = STATIONS) -> Path:
    """Write all rows of some stations as a dataset file of its own."""
    table = pq.read_table(REFERENCE_FILE)
    provenance = json.loads(table.schema.metadata[METADATA_KEY])
    known = [station["id"] for station in provenance["stations"]]
    chosen = sorted(known.index(station) for station in stations)
    table = table.filter(pa.array(np.isin(table["station"].to_numpy(), chosen)))
    renumbered = {
        "station": np.searchsorted(chosen, table["station"].to_numpy()),
        "segment": np.unique(table["segment"].to_numpy(), return_inverse=True)[1],
    }
    for name, values in renumbered.items():
        column = pa.array(values, SCHEMA.field(name).type)
        table = table.set_column(table.schema.get_field_index(name), SCHEMA.field(name), column)
    metadata = {METADATA_KEY: json.dumps({"stations": [provenance["stations"][index] for index in chosen]})}
    pq.write_table(table.replace_schema_metadata(metadata), path, compression="zstd")
    return path
