import re

import pytest

from packager.recipes import Profile, parse_recipe, read_recipe
from packager.search.errors import NothingFits, SearchInvalid
from packager.search.front import inside
from packager.search.limits import Limits
from packager.search.winner import find_winner, winner_document, winner_names, write_recipe
from tests.unit.packager.search.searching import LIMITS, make_search

FULL = Profile("tiny", stride=24, members=1, teacher_epochs=1, student_epochs=20, scored_cases=10)


class FullPipeline:
    """Accepts the recipes of some trials, and remembers what it was asked to build."""

    profile = FULL

    def __init__(self, *accepted):
        self.accepted, self.built = accepted, []

    def report(self, recipe):
        self.built.append(recipe)
        number = int(re.search(r"trial (\d+)", recipe.summary)[1])
        good = number in self.accepted
        return {"bundled": good, "reason": "" if good else "Skill loss in percent is 9.", "bytes_on_wire": 1}


@pytest.fixture
def trials(storage):
    search = make_search(storage)
    return [search.run_trial() for _ in range(30)]


def find(pipeline, trials, limits=LIMITS, *, wider=None, target="tflite", time=True):
    return find_winner(
        pipeline,
        trials,
        limits,
        wider or limits,
        target=target,
        name="winner",
        tier=None,
        has_time=lambda: time,
    )


def test_the_best_trial_inside_the_limits_is_trained_in_full(trials):
    best = inside(trials, LIMITS)[0]
    pipeline = FullPipeline(best.number)
    winner = find(pipeline, trials)
    assert winner.trial == best.number
    (recipe,) = pipeline.built
    short = best.user_attrs["recipe"]
    assert recipe.student == short["student"]
    assert recipe.distil["epochs"] > short["distil"]["epochs"]
    epochs = [recipe.distil["epochs"], *(step.options["epochs"] for step in recipe.steps)]
    assert sum(epochs) == pytest.approx(FULL.student_epochs, abs=len(epochs) / 2)


def test_where_the_best_does_not_hold_in_full_the_next_is_tried(trials):
    first, second = inside(trials, LIMITS)[:2]
    assert find(FullPipeline(second.number), trials).trial == second.number
    with pytest.raises(NothingFits, match=rf"trial {first.number}: Skill loss in percent is 9"):
        find(FullPipeline(second.number), trials, time=False)


def test_without_a_trial_inside_the_limits_the_nearest_is_named_and_nothing_is_trained(trials):
    pipeline = FullPipeline()
    with pytest.raises(
        NothingFits, match=r"No tflite trial keeps 100 bytes and 2 % .*; nearest is trial \d+"
    ):
        find(pipeline, trials, Limits(100, 2.0))
    assert pipeline.built == []
    with pytest.raises(NothingFits, match="No coreml trial was built to its end"):
        find(pipeline, trials, target="coreml")


def test_a_trial_inside_the_wider_limits_of_short_training_may_win_by_the_narrow_ones(trials):
    best = inside(trials, LIMITS)[0]
    narrow = Limits(LIMITS.max_bytes, best.values[1] / 2)
    winner = find(FullPipeline(best.number), trials, narrow, wider=LIMITS)
    assert winner.document["gates"]["max_skill_loss_percent"] == narrow.max_skill_loss_percent


def test_the_winner_is_an_ordinary_recipe_with_the_searchs_limits(trials, tmp_path):
    path = tmp_path / "found" / "winner.yaml"
    document = winner_document(inside(trials, LIMITS)[0], 20, LIMITS, name="winner", tier="phone_mid")
    written = write_recipe(document, path)
    assert read_recipe(path) == written == parse_recipe(document)
    assert written.gates.max_skill_loss_percent == 2.0
    assert written.gates.max_wire_kib == pytest.approx(40_000 / 1024, abs=1e-4)
    assert written.tier == "phone_mid"


def test_each_of_two_formats_has_a_file_of_its_own(tmp_path):
    out = tmp_path / "best.yaml"
    assert winner_names(out, ("coreml",)) == {"coreml": out}
    assert winner_names(out, ("tflite", "coreml")) == {
        "tflite": tmp_path / "best_tflite.yaml",
        "coreml": tmp_path / "best_coreml.yaml",
    }


@pytest.mark.parametrize("name", ["winner.txt", "Winner.yaml", "my-winner.yaml", "winner"])
def test_a_file_whose_name_is_no_recipes_is_refused(tmp_path, name):
    with pytest.raises(SearchInvalid, match="a recipe is called as its file"):
        winner_names(tmp_path / name, ("tflite",))
