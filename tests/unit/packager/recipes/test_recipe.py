"""Recipes: the named ones are good, and a wrong one is refused with what to write instead."""

import copy

import pytest
import yaml

from packager.errors import RecipeInvalid, UnknownRecipe
from packager.recipes import (
    PROFILES,
    deliverable_names,
    find_recipe,
    get_profile,
    get_recipe,
    parse_recipe,
    quickstart_recipes,
    read_recipe,
    recipe_names,
)
from packager.recipes.order import ORDER
from packager.recipes.recipe import EXPORT_OPTIONS
from packager.recipes.tiers import read_tiers

GOOD = {
    "name": "tflite_w8a8",
    "summary": "Static int8 for a test.",
    "source": "student",
    "export": {"format": "tflite", "quantization": "w8a8"},
    "gates": {"max_wire_kib": 200, "max_skill_loss_percent": 5.0},
}


def changed(**values):
    return copy.deepcopy(GOOD) | values


def test_the_recipes_of_the_first_release_are_there():
    names = [recipe.name for recipe in quickstart_recipes()]
    assert names == ["coreml_fp16", "coreml_pal4", "server_fp32", "tflite_fp16", "tflite_w8a8"]
    assert all(recipe.required for recipe in quickstart_recipes())


def test_there_is_a_recipe_for_every_step_alone_and_for_every_class_of_devices():
    recipes = [get_recipe(name) for name in recipe_names()]
    alone = {recipe.steps[0].name for recipe in recipes if len(recipe.steps) == 1}
    assert set(ORDER) <= alone
    assert {recipe.tier for recipe in recipes} == {None, *read_tiers()} - {"none"}


def test_a_server_makes_what_its_catalogs_list():
    assert {"phone_mid", "ios", "server_fp32"} <= set(deliverable_names())
    assert not {"onnx_fp32", "micro_w8a8", "torch_tflite"} & set(deliverable_names())


@pytest.mark.parametrize("name", recipe_names())
def test_every_named_recipe_parses_and_its_name_says_its_format(name):
    recipe = get_recipe(name)
    assert recipe.name == name
    begins = {"teacher": "server_", "torch": "torch_"}.get(recipe.source, recipe.export.format)
    assert name == recipe.tier or name.startswith(begins)
    assert recipe.for_phones == (recipe.source != "teacher")
    assert (recipe.gates.max_wire_kib is not None) == recipe.for_phones
    assert set(recipe.export.options) <= EXPORT_OPTIONS[recipe.export.format]


def test_a_recipe_is_typed_values():
    recipe = parse_recipe(changed(student={"channels": 16, "hidden": [32, 32]}, distil={"temperature": 3}))
    assert recipe.export.format == "tflite"
    assert recipe.export.options == {"quantization": "w8a8"}
    assert recipe.gates.max_wire_kib == 200
    assert recipe.student == {"channels": 16, "hidden": [32, 32]}
    assert recipe.distil == {"temperature": 3}


@pytest.mark.parametrize(("said", "batch"), [("any", None), ("one", 1)])
def test_a_batch_is_one_or_any(said, batch):
    export = {"format": "tflite", "quantization": "fp32", "batch": said}
    assert parse_recipe(changed(export=export)).export.options["batch"] == batch


def test_the_digest_follows_the_content_not_the_order_of_keys():
    same = parse_recipe(dict(reversed(GOOD.items())))
    assert same.digest == parse_recipe(GOOD).digest
    assert parse_recipe(changed(summary="Another summary.")).digest != same.digest


def test_a_name_that_does_not_exist_lists_those_that_do():
    with pytest.raises(
        UnknownRecipe, match=r"'tflite_w8a9' is not known; choose one of .*Did you mean 'tflite_w8a8'\?"
    ):
        get_recipe("tflite_w8a9")


@pytest.mark.parametrize("name", ["../secrets", "named/tflite_w8a8", "", "tflite_w8a8.yaml"])
def test_a_name_is_no_path(name):
    with pytest.raises(UnknownRecipe):
        get_recipe(name)


def test_people_may_give_the_path_of_a_file(tmp_path):
    path = tmp_path / "tflite_w8a8.yaml"
    path.write_text(yaml.safe_dump(GOOD))
    assert find_recipe(str(path)) == parse_recipe(GOOD)
    assert find_recipe("phone_mid") == get_recipe("phone_mid")
    with pytest.raises(RecipeInvalid, match=r"absent\.yaml is not a readable YAML file"):
        find_recipe(str(tmp_path / "absent.yaml"))


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (
            changed(exports=1),
            r"recipe: .*'exports' was unexpected.*Did you mean 'export'\? Allowed here: distil",
        ),
        (
            changed(export={"format": "tflite", "quantisation": "w8a8"}),
            r"export: .*Did you mean 'quantization'\? Allowed here: batch, format, quantization",
        ),
        (changed(gates={"max_skill_loss": 5}), r"Did you mean 'max_skill_loss_percent'\?|required"),
        (changed(zzz=1), r"'zzz' was unexpected\)?\. Allowed here: distil, export"),
        (
            changed(source="grandmother"),
            r"source: 'grandmother' is not one of \['student', 'teacher'",
        ),
        (changed(export={"format": "gguf"}), r"export\.format: 'gguf' is not one of \['tflite', 'coreml'"),
        (
            changed(export={"format": "tflite", "quantization": "w3"}),
            r"export\.quantization: 'w3' is not one of",
        ),
        (
            changed(export={"format": "onnx", "quantization": "w4"}),
            "format onnx cannot hold quantization 'w4'; choose one of fp32, w8a8",
        ),
        (
            changed(steps=[{"prune": {}}]),
            r"steps\.0: .*Did you mean 'prune_weights'\?",
        ),
        (
            changed(steps=[{"cluster": {"cluster": 16}}]),
            r"steps\.0\.cluster: .*Did you mean 'clusters'\?",
        ),
        (changed(steps=[{"cluster": {"clusters": 1}}]), r"clusters: 1 is less than the minimum of 2"),
        (changed(student={"channels": 4}), r"student\.channels: 4 is less than the minimum of 8"),
        (changed(student={"hidden": []}), r"student\.hidden"),
        (changed(distil={"hard_share": 1.5}), r"distil\.hard_share: 1\.5 is greater than the maximum of 1"),
        (
            changed(gates={"max_skill_loss_percent": "5"}),
            r"gates\.max_skill_loss_percent: '5' is not of type",
        ),
        (changed(name="TFLite W8"), "name: 'TFLite W8' does not match"),
        ({k: v for k, v in GOOD.items() if k != "export"}, "'export' is a required property"),
        (["a list"], "is not of type 'object'"),
        (None, "None is not of type 'object'"),
    ],
)
def test_a_wrong_key_or_value_is_named_with_what_is_allowed(document, message):
    with pytest.raises(RecipeInvalid, match=message):
        parse_recipe(document)


@pytest.mark.parametrize(
    ("export", "message"),
    [
        (
            {"format": "tflite", "weights": "pal4"},
            "export option weights does not belong to format tflite, which takes batch, quantization, torch",
        ),
        (
            {"format": "coreml", "quantization": "fp16", "batch": "any"},
            "export option batch, quantization does not belong to format coreml, which takes target",
        ),
    ],
)
def test_options_of_another_format_are_refused(export, message):
    with pytest.raises(RecipeInvalid, match=message):
        parse_recipe(changed(export=export))


@pytest.mark.parametrize(
    "gates", [{"max_skill_loss_percent": 9.0}, {"max_wire_kib": 300, "max_skill_loss_percent": 5.0}]
)
def test_laxer_limits_need_a_reason_and_stricter_ones_none(gates):
    with pytest.raises(RecipeInvalid, match=r"laxer than tier none allows\. Say why in gates\.reason"):
        parse_recipe(changed(gates=gates))
    reason = "It never leaves the lab."
    assert parse_recipe(changed(gates=gates | {"reason": reason})).gates.reason == reason
    assert parse_recipe(changed(gates={"max_wire_kib": 20})).gates.max_wire_kib == 20


def test_usual_gates_need_no_reason():
    assert parse_recipe(GOOD).gates.reason == ""


def test_a_file_is_read_and_must_be_named_as_its_recipe(tmp_path):
    path = tmp_path / "tflite_w8a8.yaml"
    path.write_text(yaml.safe_dump(GOOD))
    assert read_recipe(path) == parse_recipe(GOOD)
    with pytest.raises(
        RecipeInvalid, match=r"mine\.yaml names its recipe 'tflite_w8a8'; name it 'mine' or rename"
    ):
        read_recipe(path.rename(tmp_path / "mine.yaml"))


@pytest.mark.parametrize("content", [b"a: [", b"\xff\xfe\x00", b"!!python/object:os.system {}"])
def test_a_file_that_is_no_yaml_is_refused_by_name(tmp_path, content):
    path = tmp_path / "broken.yaml"
    path.write_bytes(content)
    with pytest.raises(RecipeInvalid, match=r"broken\.yaml is not a readable YAML file"):
        read_recipe(path)
    with pytest.raises(RecipeInvalid, match=r"gone\.yaml"):
        read_recipe(tmp_path / "gone.yaml")


def test_profiles_are_known_by_name():
    assert set(PROFILES) == {"demo", "full"}
    for name in PROFILES:
        assert get_profile(name).name == name
    assert get_profile("full").stride < get_profile("demo").stride
    with pytest.raises(RecipeInvalid, match="'quick' is not known; choose one of demo, full"):
        get_profile("quick")


EVERYTHING = {
    "app_range": {"min": "2.0", "max": "3"},
    "ram_min_mb": 4096,
    "accelerators": ["neural_engine"],
    "regions": ["DE", "US"],
    "perf_class": ["mid", "high"],
}


def test_a_recipe_says_which_devices_it_is_for():
    assert parse_recipe(changed(targeting=EVERYTHING)).targeting == EVERYTHING
    assert parse_recipe(GOOD).targeting == {}


@pytest.mark.parametrize(
    "app_range", [{"min": "2"}, {"max": "3.1"}, {"min": "3", "max": "3.0"}, {"min": "9", "max": "10"}]
)
def test_a_range_of_versions_holds_at_least_one(app_range):
    assert parse_recipe(changed(targeting={"app_range": app_range})).targeting["app_range"] == app_range


@pytest.mark.parametrize(
    ("targeting", "message"),
    [
        ({}, "targeting"),
        ({"ram_min": 1}, "Did you mean 'ram_min_mb'"),
        ({"ram_min_mb": -1}, "targeting.ram_min_mb: -1 is less than"),
        ({"ram_min_mb": True}, "targeting.ram_min_mb"),
        ({"regions": ["Germany"]}, "targeting.regions.0"),
        ({"regions": []}, "targeting.regions"),
        ({"perf_class": ["fast"]}, r"targeting.perf_class.0: 'fast' is not one of \['low', 'mid', 'high'\]"),
        ({"accelerators": ["gpu", "gpu"]}, "targeting.accelerators"),
        ({"app_range": {"min": "two"}}, "targeting.app_range.min"),
        ({"app_range": {"min": "10", "max": "9.9"}}, "from 10 to 9.9, which holds no version"),
    ],
)
def test_devices_that_cannot_be_are_refused(targeting, message):
    with pytest.raises(RecipeInvalid, match=message):
        parse_recipe(changed(targeting=targeting))
