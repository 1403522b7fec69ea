"""Weights that share values and move together change a Core ML package in its tables only."""

import numpy as np

from packager.export.refill_coreml import moved_entries, refill_package
from packager.runtimes.milprogram import read_program
from tests.unit.packager.export.test_refill import package, student_with

TABLE = np.array([-1, 0, 1, 0], np.float16)
CODES = np.array([2, 0, 0, 2, 1])


def test_entries_move_with_the_weights_that_share_them():
    moved = moved_entries(np.array([1.5, -1, -1, 1.5, 0.25], np.float16), CODES, TABLE)
    assert moved.tolist() == [-1, 0.25, 1.5, 0]
    assert moved.dtype == np.float16


def test_weights_that_parted_have_no_common_entry():
    assert moved_entries(np.array([1.5, -1, -1, 1.25, 0], np.float16), CODES, TABLE) is None


def shared(kernel, factor=1.0):
    """Sixteen values at most, those of one sign a little larger."""
    values = np.linspace(kernel.min(), kernel.max(), 16).astype(np.float32)
    nearest = values[np.abs(kernel[..., None] - values).argmin(-1)]
    return np.where(nearest > 0, nearest * np.float32(factor), nearest)


def test_a_package_changes_in_its_table_only(tmp_path):
    released = package(tmp_path / "released", student_with(shared), "pal4")[0]
    fresh = package(tmp_path / "fresh", student_with(lambda kernel: shared(kernel, 1.25)), "fp16")[0]
    refill_package(released, fresh, tmp_path / "new.mlpackage")
    old, new = (
        (path / "Data" / "com.apple.CoreML" / "weights" / "weight.bin").read_bytes()
        for path in (released, tmp_path / "new.mlpackage")
    )
    different = sum(before != after for before, after in zip(old, new, strict=True))
    assert 0 < different <= 2 * 16
    before, after, wanted = (
        dict(read_program(path).constants) for path in (released, tmp_path / "new.mlpackage", fresh)
    )
    (moved,) = [name for name, values in after.items() if not np.array_equal(values, before[name])]
    np.testing.assert_array_equal(after[moved], wanted[moved])
