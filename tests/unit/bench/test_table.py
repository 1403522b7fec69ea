"""The table of the benchmark: plain numbers, and ratios to one row."""

import pytest

from bench.bench import NothingToMeasure, table

ROWS = {
    "fp16": {"bytes": 2048, "time": 8.0, "loss": 0.5},
    "int8": {"bytes": 1024, "time": 4.0, "loss": 1.25},
    "coreml": {"bytes": 512, "time": None, "loss": None},
}


def drawn(rows=ROWS, relative_to="fp16"):
    return table("Variants", rows, relative_to=relative_to, ratios={"time"}).splitlines()


def test_shows_ratios_to_one_row_and_other_columns_as_they_are():
    assert [line.split() for line in drawn()[2:]] == [
        ["fp16", "2,048", "1.00", "0.50"],
        ["int8", "1,024", "0.50", "1.25"],
        ["coreml", "512", "–", "–"],
    ]


def test_says_in_its_heading_what_a_ratio_is_relative_to():
    assert drawn(relative_to="int8")[1].split("  ")[-2].strip() == "time × int8"


def test_a_ratio_to_something_unmeasured_is_no_number():
    assert drawn(relative_to="coreml")[2].split() == ["fp16", "2,048", "–", "0.50"]


def test_aligns_its_columns():
    lines = drawn()[1:3]
    assert lines[0].index("bytes") + len("bytes") == lines[1].index("2,048") + len("2,048")


def test_refuses_to_draw_ratios_to_a_row_that_is_missing():
    with pytest.raises(NothingToMeasure, match="no fp32 among fp16, int8, coreml"):
        drawn(relative_to="fp32")
