"""What must hold of the choice for every catalog and device; and the phone's port decides as the server."""

import copy

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import phone.choice
from mobile_models.catalog import schema
from mobile_models.conditions import parse_conditions
from mobile_models.device import Device
from mobile_models.rollout import EVERYONE
from mobile_models.targeting import Installed, decide
from phone.catalog_shape import check_shape
from tests.catalogs import buckets, catalogs, device_words, installed_words
from tests.targeting_tables import scenarios, seen

# No deadline: a machine may be busy.
examples = settings(deadline=None)


def asked(catalog, words, bucket, running, module=None):
    device = (module.Device if module else Device)(platform=catalog["platform"], **words)
    installed = (module.Installed if module else Installed)(**running) if running else None
    return (module.decide if module else decide)(catalog, device, bucket=bucket, installed=installed)


def installed_after(decision, running):
    """What a device runs once it did as it was told."""
    if decision.action == "nothing":
        return running
    sha256 = decision.bundle["sha256"] if decision.bundle else running["sha256"]
    return {"release": decision.release, "release_counter": decision.release_counter, "sha256": sha256}


@examples
@given(catalogs())
def test_random_catalogs_are_ones_that_both_sides_read(catalog):
    jsonschema.Draft202012Validator(schema()).validate(catalog)
    check_shape(catalog)


@settings(max_examples=300, deadline=None)
@given(catalogs(), device_words, buckets, installed_words)
def test_the_phone_decides_as_the_server(catalog, words, bucket, running):
    served = asked(catalog, words, bucket, running)
    ported = asked(catalog, words, bucket, running, phone.choice)
    assert seen(ported) == seen(served)
    assert ported.bundle == served.bundle


@pytest.mark.parametrize(
    "scenario", [one for one in scenarios() if one.bucket is not None], ids=lambda scenario: scenario.name
)
def test_the_phone_decides_as_the_tables_say(scenario):
    words = {name: value for name, value in scenario.device.items() if name != "platform"}
    assert seen(asked(scenario.catalog, words, scenario.bucket, scenario.installed, phone.choice)) == (
        scenario.expect
    )


@examples
@given(catalogs(), device_words, buckets, installed_words, st.randoms(use_true_random=False))
def test_the_order_in_a_catalog_does_not_matter(catalog, words, bucket, running, random):
    shuffled = copy.deepcopy(catalog)
    for rows in (shuffled["releases"], *(release["bundles"] for release in shuffled["releases"])):
        random.shuffle(rows)
    for release in shuffled["releases"]:
        release["bundles"] = [
            dict(random.sample(list(bundle.items()), len(bundle))) for bundle in release["bundles"]
        ]
    one, other = asked(catalog, words, bucket, running), asked(shuffled, words, bucket, running)
    assert (one.action, one.release_counter, one.arm) == (other.action, other.release_counter, other.arm)
    assert (one.bundle and one.bundle["sha256"]) == (other.bundle and other.bundle["sha256"])


@examples
@given(catalogs(), device_words, buckets, installed_words, st.data())
def test_a_wider_share_takes_no_release_from_a_device(catalog, words, bucket, running, data):
    before = asked(catalog, words, bucket, running)
    wider = copy.deepcopy(catalog)
    for release in wider["releases"]:
        share = release["rollout"]
        share["basis_points"] = data.draw(st.integers(share["basis_points"], EVERYONE))
    after = asked(wider, words, bucket, installed_after(before, running))
    assert (after.release_counter or 0) >= (before.release_counter or 0)
    if before.action != "nothing":
        assert after.action != "nothing"


@examples
@given(catalogs(), device_words, buckets, installed_words, st.data())
def test_no_change_of_a_rollout_takes_a_device_back(catalog, words, bucket, running, data):
    told = asked(catalog, words, bucket, running)
    changed = copy.deepcopy(catalog)
    changed["releases"] = [release for release in changed["releases"] if data.draw(st.booleans())]
    for release in changed["releases"]:
        release["state"] = data.draw(st.sampled_from(["active", "paused"]))
        release["rollout"]["basis_points"] = data.draw(st.integers(1, EVERYONE))
    now = installed_after(told, running)
    after = asked(changed, words, bucket, now)
    if told.action == "nothing":
        return
    assert after.action != "nothing"
    assert after.release_counter >= told.release_counter
    if after.release_counter == told.release_counter and told.bundle:
        assert after.bundle is None or after.bundle["sha256"] == now["sha256"]


@examples
@given(catalogs(), device_words, buckets, installed_words)
def test_what_is_taken_is_on_offer_runs_and_is_not_revoked(catalog, words, bucket, running):
    decision = asked(catalog, words, bucket, running)
    if decision.action != "install":
        return
    (release,) = [
        entry for entry in catalog["releases"] if entry["release_counter"] == decision.release_counter
    ]
    assert decision.bundle in release["bundles"]
    assert decision.bundle["sha256"] not in catalog["revoked"]
    assert release["state"] == "active"
    assert parse_conditions(release["conditions"]).met_by(Device(platform=catalog["platform"], **words))
    assert set(decision.bundle["accelerators"]) <= words["accelerators"]
    assert not decision.bundle["regions"] or words.get("region") in decision.bundle["regions"]
    assert decision.bundle["format"] == "tflite" or catalog["platform"] == "ios"
    assert running is None or decision.release_counter >= running["release_counter"]


@examples
@given(catalogs(), device_words, buckets, installed_words)
def test_doing_as_told_is_the_end_of_it(catalog, words, bucket, running):
    first = asked(catalog, words, bucket, running)
    second = asked(catalog, words, bucket, installed_after(first, running))
    assert second.action == ("nothing" if first.action == "nothing" else "keep")
    assert second.release_counter == first.release_counter
