"""`compare` knows its recipes before it does anything, and shows what it found."""

import argparse
import io

import pytest
from rich.console import Console

from packager.commands import compare
from packager.errors import RecipeInvalid, UnknownRecipe
from packager.recipes import get_recipe, recipe_names
from tests.unit.packager.comparison.small_rows import failed, own, peer


def parsed(*arguments):
    parser = argparse.ArgumentParser()
    compare.add_parser(parser.add_subparsers())
    return parser.parse_args(["compare", *map(str, arguments)])


def names(*arguments):
    return [recipe.name for recipe in compare.chosen_recipes(parsed(*arguments))]


def test_all_are_compared_that_need_no_model_from_elsewhere():
    converted = {name for name in recipe_names() if get_recipe(name).source == "torch"}
    assert names() == names("--recipes", "all") == [n for n in recipe_names() if n not in converted]
    assert names("--model", "small.pt2") == recipe_names()


def test_named_recipes_are_compared_once_in_their_order():
    assert names("--recipes", "tflite_w8a8", "coreml_pal4", "tflite_w8a8") == ["tflite_w8a8", "coreml_pal4"]


def test_an_unknown_recipe_is_refused_with_the_nearest_name_before_any_work(tmp_path):
    options = parsed("--recipes", "tflite_w8a9", "--work", tmp_path / "work", "--out", tmp_path / "out")
    with pytest.raises(UnknownRecipe, match=r"'tflite_w8a9' is not known; .* Did you mean 'tflite_w8a8'\?"):
        options.run(options)
    assert list(tmp_path.iterdir()) == []


def test_limits_come_from_the_file_that_is_given(tmp_path):
    mine = tmp_path / "mine.yaml"
    mine.write_text("none: {max_wire_kib: 7, max_skill_loss_percent: 0.25}\n")
    options = parsed("--recipes", "coreml_fp16", "--gates", mine)
    (recipe,) = compare.chosen_recipes(options)
    assert recipe.gates.limits() == {"max_wire_kib": 7, "max_skill_loss_percent": 0.25}
    assert recipe.digest == get_recipe("coreml_fp16").digest
    other = tmp_path / "other.yaml"
    other.write_text("none: {max_wire_kib: seven}\n")
    with pytest.raises(RecipeInvalid, match="max_wire_kib must be a number"):
        compare.chosen_recipes(parsed("--recipes", "coreml_fp16", "--gates", other))


def test_the_summary_is_sorted_by_bytes_and_marks_the_front():
    rows = [peer("stock_c", 120, 3.0), own("tflite_a", 40, 0.9), failed("tflite_d"), own("coreml_b", 30, 1.5)]
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(compare.summary_table(rows))
    lines = [line for line in console.export_text().splitlines() if any(row.recipe in line for row in rows)]
    assert [next(row.recipe for row in rows if row.recipe in line) for line in lines] == [
        "coreml_b", "tflite_a", "stock_c", "tflite_d"
    ]  # fmt: skip
    assert ["*" in line for line in lines] == [True, True, False, False]
    assert "SIGKILL" in lines[-1]
