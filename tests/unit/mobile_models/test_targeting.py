import jsonschema
import pytest

from mobile_models import rollout
from mobile_models.catalog import schema
from mobile_models.device import Device
from mobile_models.targeting import Installed, decide, is_lean, platforms_of, precision_of
from tests.targeting_tables import buckets, scenarios, seen

TABLES = scenarios()


@pytest.mark.parametrize("scenario", TABLES, ids=lambda scenario: scenario.name)
def test_the_tables(scenario):
    installed = Installed(**scenario.installed) if scenario.installed else None
    device = Device(**scenario.device)
    decision = decide(scenario.catalog, device, bucket=scenario.bucket, installed=installed)
    assert seen(decision) == scenario.expect
    assert decision.reason[0].isupper()
    assert decision.reason.endswith(".")


def test_the_tables_hold_catalogs_that_the_schema_allows():
    check = jsonschema.Draft202012Validator(schema())
    for scenario in TABLES:
        check.validate(scenario.catalog)


def test_every_row_of_the_tables_has_a_name_of_its_own():
    assert len({scenario.name for scenario in TABLES}) == len(TABLES) > 90


@pytest.mark.parametrize("row", buckets(), ids=lambda row: f"{row['secret'][:4]} {row['salt']}")
def test_the_buckets_of_the_tables(row):
    assert rollout.bucket(bytes.fromhex(row["secret"]), row["salt"]) == row["bucket"]


def reason(name):
    (scenario,) = [scenario for scenario in TABLES if scenario.name.endswith(name)]
    installed = Installed(**scenario.installed) if scenario.installed else None
    return decide(
        scenario.catalog, Device(**scenario.device), bucket=scenario.bucket, installed=installed
    ).reason


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        (
            "a new device outside the share starts with A",
            [
                "Release B is offered to 1 % and the device is not among them",
                (
                    "release A is offered to everyone, and tflite_fp16 is the most precise variant in the "
                    "format that linux prefers"
                ),
            ],
        ),
        (
            "a device that says nothing of itself is not in the group",
            [
                "Release B is for devices that meet os_min, os_max; app_min, app_max; ram_min_mb",
                (
                    "release A is offered to everyone, and tflite_fp16 is the most precise variant in the "
                    "format that ios prefers"
                ),
            ],
        ),
        ("a device that runs B keeps it", ["Release B is paused and the device runs it"]),
        (
            "a device that runs the revoked bundle falls back by itself, not to a lower counter",
            [
                "The channel offers no newer release",
                "the installed bundle is revoked: go back to the last good one",
            ],
        ),
        (
            "an app that feeds none of them gets nothing",
            [
                "Release B has no bundle that runs on it, only tflite_fp16",
                "release A has no bundle that runs on it, only tflite_fp16",
            ],
        ),
        ("a new device has nothing to install", ["The channel offers no release for linux"]),
    ],
)
def test_a_reason_tells_what_was_passed_over_and_what_was_taken(name, parts):
    assert reason(name) == "; ".join(parts) + "."


@pytest.mark.parametrize(
    ("variant", "format_", "platforms"),
    [
        ("tflite_w8a8", "tflite", ["ios", "android", "linux"]),
        ("coreml_pal4", "coreml", ["ios"]),
        ("server_fp32", "tflite", ["server"]),
    ],
)
def test_the_platforms_of_a_variant(variant, format_, platforms):
    assert platforms_of(variant, format_) == platforms


@pytest.mark.parametrize(
    ("variant", "precision"),
    [("tflite_w8a8_qat", "w8a8"), ("coreml_pal4", "pal4"), ("tflite_new", None), ("point", None)],
)
def test_a_variants_name_decodes(variant, precision):
    assert precision_of(variant) == precision


def test_lean_is_what_was_measured_or_else_little_memory():
    assert is_lean(Device("ios", perf_class="low", ram_mb=16_000))
    assert is_lean(Device("ios", ram_mb=2000))
    assert not is_lean(Device("ios", perf_class="high", ram_mb=2000))
    assert not is_lean(Device("ios"))
