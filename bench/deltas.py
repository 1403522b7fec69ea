"""`python -m bench.deltas`: what the update of a retrained bundle costs a phone that has the one before it.

A release is trained without the first three days of every month, a tenth of the reference dataset. Then the
missing days arrive, and it is retrained in each mode. Every bundle is made, run, scored and gated by the
packager as any other; the patches are those that the server makes, against zstd 19 of the whole new bundle.
The first run trains a teacher: a quarter of an hour on two cores.
"""

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mobile_models.patches import apply_dcz, bsdiff, dictionary_compress
from packager.bundle import GOLDEN as GOLDEN_VECTORS
from packager.bundle import MANIFEST, Bundle, open_bundle
from packager.console import progress_bars
from packager.dataset.columns import METADATA_KEY, SCHEMA
from packager.dataset.reference import REFERENCE_FILE
from packager.errors import PackagerError
from packager.quiet import load_tensorflow
from packager.recipes import UPDATE_MODES, UpdateMode, get_profile, quickstart_recipes

ROOT = Path(__file__).resolve().parents[1]
WORK = Path(os.environ.get("SKYFOLD_VAR", ROOT / "var")) / "bench-deltas"
DAYS_LATE = 3
HEAD = ("variant", "wire", "patch", "of it", "goal", "", "dcz", "model", "golden", "manifest", "error")
ROW = "{:<12} {:>8} {:>7} {:>7} {:>5} {:<7} {:>7} {:>7} {:>7} {:>9} {:>8}"


def main() -> int:
    load_tensorflow()
    from packager.pipeline import Pipeline
    from packager.retrain import Retraining, find_base, recipes_of

    earlier = write_earlier(WORK / "earlier.parquet")
    profile = get_profile("demo")
    try:
        with progress_bars() as progress:
            first = Pipeline(WORK / "work", profile, dataset_file=earlier, progress=progress)
            phones = [recipe for recipe in quickstart_recipes() if recipe.for_phones]
            released = [first.bundle(recipe).folder / f"{recipe.name}.bundle" for recipe in phones]
            base = find_base(first.workspace, released)
            for mode in UPDATE_MODES.values():
                retraining = Retraining(WORK / "work", profile, progress=progress, base=base, mode=mode)
                updates = {recipe.name: retraining.update(recipe) for recipe in recipes_of(base)}
                print_mode(mode, base.bundles, updates)
    except PackagerError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    return 0


def write_earlier(path: Path) -> Path:
    """The reference dataset as it was before the first days of each month were reported."""
    table = pq.read_table(REFERENCE_FILE)
    hour, segment = table["hour"].to_numpy(), table["segment"].to_numpy()
    day = (hour // 24).astype("datetime64[D]")
    kept = (day - day.astype("datetime64[M]").astype("datetime64[D]")).astype(int) >= DAYS_LATE
    breaks = (np.diff(segment[kept]) != 0) | (np.diff(hour[kept]) != 1)
    segments = pa.array(np.concatenate([[0], np.cumsum(breaks)]), SCHEMA.field("segment").type)
    earlier = table.filter(pa.array(kept))
    earlier = earlier.set_column(SCHEMA.get_field_index("segment"), SCHEMA.field("segment"), segments)
    path.parent.mkdir(parents=True, exist_ok=True)
    described = earlier.replace_schema_metadata({METADATA_KEY: table.schema.metadata[METADATA_KEY]})
    pq.write_table(described, path, compression="zstd")
    return path


def print_mode(
    mode: UpdateMode, released: Mapping[str, Bundle], updates: Mapping[str, Mapping[str, Any]]
) -> None:
    print(f"\n{mode.name}: bytes of an update, and of its parts patched alone")
    print(ROW.format(*HEAD))
    for name, figures in updates.items():
        if not figures["bundled"]:
            print(f"{name:<12} refused: {figures['reason']}")
            continue
        new = open_bundle(Path(figures["path"]))
        reached = figures["patch_percent"] <= mode.goal_percent
        print(
            ROW.format(
                name,
                figures["bytes_on_wire"],
                figures["patch_bytes"],
                f"{figures['patch_percent']:.1f} %",
                f"{mode.goal_percent:.0f} %",
                "reached" if reached else "MISSED",
                _dictionary_bytes(released[name], new),
                *(_part(released[name], new, chosen) for chosen in PARTS),
                f"{figures['change_percent']:+.2f} %",
            )
        )


def _dictionary_bytes(old: Bundle, new: Bundle) -> int:
    before, after = old.path.read_bytes(), new.path.read_bytes()
    frame = dictionary_compress(before, after)
    assert apply_dcz(before, frame) == after
    return len(frame)


def _part(old: Bundle, new: Bundle, chosen: Callable[[str], bool]) -> int:
    return sum(
        len(bsdiff(old.members[name], content)) for name, content in new.members.items() if chosen(name)
    )


PARTS: tuple[Callable[[str], bool], ...] = (
    lambda name: name.startswith("model."),
    lambda name: name == GOLDEN_VECTORS,
    lambda name: name == MANIFEST,
)


if __name__ == "__main__":
    sys.exit(main())
