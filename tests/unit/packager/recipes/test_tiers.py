"""Limits are configuration, by class of devices."""

import pytest

from packager.errors import RecipeInvalid
from packager.recipes.tiers import read_tiers, tier_gates


def test_a_recipe_has_the_limits_of_its_tier_and_may_be_stricter():
    usual, own = tier_gates("mine", "phone_mid", {}), tier_gates("mine", "phone_mid", {"max_wire_kib": 40})
    assert usual.max_wire_kib == read_tiers()["phone_mid"].max_wire_kib == 48
    assert (own.max_wire_kib, own.max_skill_loss_percent) == (40, usual.max_skill_loss_percent)


def test_a_laxer_limit_needs_a_reason():
    with pytest.raises(RecipeInvalid, match=r"max_wire_kib of 300 above 200 is laxer than tier none allows"):
        tier_gates("mine", None, {"max_wire_kib": 300})
    gates = tier_gates("mine", None, {"max_wire_kib": 300, "reason": "It is only for the lab."})
    assert gates.max_wire_kib == 300


def test_a_limit_that_a_tier_lacks_is_added_without_a_reason():
    assert tier_gates("mine", None, {"max_arena_kib": 64}).max_arena_kib == 64


def test_another_file_replaces_the_limits(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("none: {max_skill_loss_percent: 1}\n")
    assert tier_gates("mine", None, {}, file).limits() == {"max_skill_loss_percent": 1}
    with pytest.raises(RecipeInvalid, match=r"mine\.yaml has no limits for tier ios; it has none"):
        tier_gates("mine", "ios", {}, file)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("none: {max_bytes: 3}", "unknown limits max_bytes; allowed are max_skill_loss_percent"),
        ("none: {max_wire_kib: many}", "max_wire_kib must be a number, not 'many'"),
        ("- none", "must map each tier to its limits"),
        ("none: [", "is not a readable YAML file"),
    ],
)
def test_a_file_that_holds_no_limits_is_refused_by_what_is_wrong(tmp_path, text, told):
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(RecipeInvalid, match=told):
        read_tiers(file)
