"""Rows hold every figure or none, and are on disk whole."""

import csv

from packager.comparison.rows import COLUMNS, figures_of, front_of, write_csv
from tests.unit.packager.comparison.small_rows import failed, own, peer

WANTED = {
    "recipe",
    "format",
    "bytes",
    "bytes_on_wire",
    "skill_loss_percent",
    "skill_loss_low",
    "skill_loss_high",
    "worst_station",
    "worst_station_loss_percent",
    "worst_bucket",
    "worst_bucket_loss_percent",
    "wind_extreme_loss_percent",
    "wet_extreme_loss_percent",
    "frost_loss_percent",
    "max_difference_temperature",
    "microseconds",
    "peak_memory_kib",
    "parameters",
    "verdict",
    "reason",
    "seconds",
}
REPORT = {
    "bundled": True,
    "bytes": 2000,
    "bytes_on_wire": 1000,
    "skill_loss_percent": 1.25,
    "max_abs_difference": {"temperature": 0.5, "wind": 9.0},
    "microseconds_per_inference": 9.5,
    "peak_memory_kib": 4000,
    "loss": {
        "interval": [1.0, 1.5],
        "station": ["denver", 2.5],
        "bucket": ["1-6", 2.25],
        "extremes": {"wind": 3.0, "wet": None, "frost": -1.0},
    },
    "depth": {
        "unseen_station": {"buckets": {"1-6": {"loss_percent": 2.25}}},
        "unseen_period": {"loss_percent": 0.75},
    },
}


def test_every_column_that_was_asked_for_is_there():
    assert set(COLUMNS) >= WANTED
    assert COLUMNS[:2] == ("recipe", "format")


def test_a_report_becomes_figures():
    figures = figures_of(REPORT)
    assert (figures["bytes_on_wire"], figures["skill_loss_percent"]) == (1000, 1.25)
    assert (figures["skill_loss_low"], figures["skill_loss_high"]) == (1.0, 1.5)
    assert (figures["worst_station"], figures["worst_station_loss_percent"]) == ("denver", 2.5)
    assert (figures["worst_bucket"], figures["worst_bucket_loss_percent"]) == ("1-6", 2.25)
    assert figures["wind_extreme_loss_percent"] == 3.0
    assert figures["wet_extreme_loss_percent"] is None
    assert figures["frost_loss_percent"] == -1.0
    assert figures["unseen_period_loss_percent"] == 0.75
    assert figures["max_difference_temperature"] == 0.5
    assert figures["buckets"] == {"1-6": 2.25}


def test_a_report_of_nothing_has_no_figures():
    figures = figures_of({"bundled": False, "reason": "dead"})
    assert set(figures) == set(figures_of(REPORT))
    assert not any(value for value in figures.values())


def test_the_front_holds_what_nothing_beats_in_both():
    small, middle, large = own("a", 20, 2.0), own("b", 40, 1.0), own("c", 80, 0.5)
    beaten, equal = peer("d", 60, 1.5), own("e", 41, 1.0)
    rows = [large, beaten, failed("f"), middle, equal, small]
    assert [row.recipe for row in front_of(rows)] == ["a", "b", "c"]
    assert front_of([failed("f")]) == []


def test_the_table_has_a_line_per_row_and_nothing_where_nothing_was_measured(tmp_path):
    path = tmp_path / "results.csv"
    write_csv([own("a", 20, -0.5), failed("b", 'He said "no", twice.')], path)
    first, second = csv.DictReader(path.read_text().splitlines())
    assert tuple(first) == COLUMNS
    assert (first["recipe"], first["bytes_on_wire"], first["skill_loss_percent"]) == ("a", "20480", "-0.5")
    assert (second["bytes"], second["verdict"]) == ("", "failed")
    assert second["reason"] == 'He said "no", twice.'
    assert [entry.name for entry in tmp_path.iterdir()] == ["results.csv"]
