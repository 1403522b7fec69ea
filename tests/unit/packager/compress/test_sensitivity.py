"""What each layer bears, measured one layer and one level at a time, and spent where it saves most."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from packager.compress.layers import compressible, kernel_of, rounded
from packager.compress.sensitivity import (
    CLUSTERED,
    PRUNED,
    ROUNDED,
    Row,
    Sensitivity,
    analyse,
    bytes_saved,
    compressed_kernel,
    most_compressed,
)
from packager.errors import TrainingFailed
from packager.student import load_student, read_description, save_student
from tests.compression import material, student_of, windows
from tests.students import bytes_of, student_folder

LEVELS = {"sparsities": (0.5, 1.0), "clusters": (16,), "bits": (16, 2)}
KERNEL = np.random.default_rng(4).normal(size=(3, 1, 6, 5)).astype(np.float32)


@cache
def table():
    return analyse(student_folder(), material(), cases=32, **LEVELS)


def rows(layer):
    return {(row.kind, row.level): row for row in table().rows if row.layer == layer}


def test_every_layer_of_the_body_has_a_row_for_every_level():
    names = [layer.name for layer in compressible(load_student(student_folder()))]
    assert table().layers == names
    assert len(table().rows) == 5 * len(names)
    assert table().cases == 32
    assert [row.level for row in table().of(PRUNED)[:2]] == [0.5, 1.0]


def test_more_compression_of_a_layer_that_matters_loses_more():
    layer = rows("body_out")
    assert layer[PRUNED, 1.0].loss_percent > layer[PRUNED, 0.5].loss_percent > 0
    assert layer[ROUNDED, 2].loss_percent > abs(layer[ROUNDED, 16].loss_percent)
    assert abs(layer[ROUNDED, 16].loss_percent) < 0.05


def test_a_layer_that_nothing_depends_on_loses_nothing(tmp_path):
    model, description = load_student(student_of((16, 16))), read_description(student_of((16, 16)))
    heads = [layer for layer in compressible(model) if layer.name.startswith("body_out")]
    for layer in heads:
        kernel_of(layer).assign(np.zeros_like(kernel_of(layer).numpy()))
    save_student(model, description, tmp_path)
    found = analyse(tmp_path, material(), cases=16, sparsities=(0.9,), clusters=(), bits=())
    assert {row.loss_percent for row in found.rows} == {0.0}


def test_the_same_student_gives_the_same_table_and_stays_as_it_is():
    before = bytes_of(student_folder())
    again = analyse(student_folder(), material(), cases=32, **LEVELS)
    assert again == table()
    assert bytes_of(student_folder()) == before


def test_a_table_can_be_written_down():
    assert Sensitivity.from_dict(table().to_dict()) == table()


def test_without_targets_there_is_nothing_to_measure():
    none = windows(2, 64).take(slice(0, 0))
    empty = replace(material(), read_windows=lambda _split: none)
    with pytest.raises(TrainingFailed, match=r"loss on 0 early-stopping cases is nan; it must be finite\."):
        analyse(student_folder(), empty)


def test_the_smallest_weights_are_pruned():
    pruned = compressed_kernel(KERNEL, PRUNED, 0.5, 3)
    assert (pruned == 0).sum() == KERNEL.size // 2
    assert np.abs(KERNEL[pruned == 0]).max() <= np.abs(KERNEL[pruned != 0]).min()
    np.testing.assert_array_equal(pruned[pruned != 0], KERNEL[pruned != 0])


def test_clustered_weights_share_so_many_values():
    clustered = compressed_kernel(KERNEL, CLUSTERED, 8, 3)
    assert len(np.unique(clustered)) == 8
    assert np.abs(clustered - KERNEL).max() < np.ptp(KERNEL) / 8


def test_every_output_is_rounded_on_its_own_scale():
    kernel = KERNEL * np.array([1, 10, 100, 1000, 0], np.float32)
    four = rounded(kernel, 4, 3)
    for index in range(5):
        values = np.unique(np.abs(four[..., index]))
        assert len(values) <= 8
        assert (
            np.abs(four[..., index] - kernel[..., index]).max()
            <= np.abs(kernel[..., index]).max() / 14 + 1e-6
        )
    assert np.abs(rounded(kernel, 16, 3) - kernel).max() < 1


@pytest.mark.parametrize(
    ("kind", "level", "saved"),
    [
        (PRUNED, 0.5, 4 * 45 - 11),
        (PRUNED, 0.0, 0),
        (CLUSTERED, 16, 360 - 45 - 64),
        (ROUNDED, 8, 360 - 90 - 20),
        (ROUNDED, 16, 360 - 180),
    ],
)
def test_bytes_saved_count_what_a_form_needs_beside_the_weights(kind, level, saved):
    assert bytes_saved(KERNEL, kind, level, 3) == saved


def test_the_loss_is_spent_where_it_saves_most():
    table = [
        Row("wide", ROUNDED, 8, 0.1, 1000),
        Row("wide", ROUNDED, 4, 0.5, 1500),
        Row("narrow", ROUNDED, 8, 0.1, 10),
        Row("narrow", ROUNDED, 4, 0.2, 15),
        Row("lucky", ROUNDED, 4, -3.0, 1),
    ]
    found = Sensitivity(tuple(table), 1.0, 10)
    assert found.bits(0.0) == {"lucky": 4}
    assert found.bits(0.1) == {"lucky": 4, "wide": 8}
    assert found.bits(0.55) == {"lucky": 4, "wide": 4}
    assert found.bits(0.7) == {"lucky": 4, "wide": 4, "narrow": 4}
    assert found.sparsities(5.0) == {}
    assert found.clusters(5.0) == {}


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.floats(-1, 3), st.integers(1, 1000)), max_size=12),
    st.floats(0, 4),
)
def test_all_layers_together_never_lose_more_than_they_may(values, limit):
    table = [
        Row(layer, PRUNED, 0.1 * index, loss, saved) for index, (layer, loss, saved) in enumerate(values)
    ]
    chosen = most_compressed(table, limit)
    assert sum(max(0.0, row.loss_percent) for row in chosen.values()) <= limit + 1e-7
