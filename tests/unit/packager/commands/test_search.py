"""The command: what it refuses before any work, and what it leaves behind."""

from pathlib import Path

import pytest

from packager import quiet
from packager.__main__ import main
from packager.recipes import read_recipe
from packager.search.run import Run
from packager.search.storage import open_storage
from packager.search.study import load_trials
from packager.search.winner import Winner, winner_document
from tests.integration import figured_builder

LIMITS = ["--max-bytes", "40000", "--max-skill-loss", "2.0"]


@pytest.fixture
def figured(monkeypatch):
    """Trials that cost nothing."""
    monkeypatch.setattr(quiet, "load_tensorflow", lambda: None)
    monkeypatch.setattr(figured_builder, "TRIAL_SECONDS", 0.0)
    monkeypatch.setitem(Run.__init__.__kwdefaults__, "make_builder", figured_builder.FiguredBuilder)


def search(tmp_path, *arguments):
    places = ["--out", str(tmp_path / "winner.yaml"), "--work", str(tmp_path / "work")]
    return main(["search", *places, *arguments])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--budget-minutes", "-5", *LIMITS], "The budget is -5 minutes"),
        (["--budget-minutes", "0", *LIMITS], "The budget is 0 minutes"),
        (["--budget-minutes", "1", "--max-bytes", "0", "--max-skill-loss", "1"], "At most 0 bytes"),
        (["--budget-minutes", "1"], "No limit on bytes"),
        (["--budget-minutes", "1", *LIMITS, "--target", "onnx"], "choose one of tflite, coreml, both"),
        (["--budget-minutes", "1", *LIMITS, "--profile", "huge"], "Profile 'huge' is not known"),
        (["--budget-minutes", "1", "--tier", "toaster"], "Tier 'toaster' is not known"),
        (["--budget-minutes", "1", *LIMITS, "--trial-epochs", "0"], "--trial-epochs 0"),
        (["--budget-minutes", "1", *LIMITS, "--epochs", "-1"], "--epochs -1"),
        (["--budget-minutes", "1", *LIMITS, "--study", "../x"], "--study '../x'"),
        (["--budget-minutes", "1", *LIMITS, "--storage", "mysql://host/x"], "Storage mysql:// is not known"),
        (["--budget-minutes", "1", *LIMITS, "--out", "my-winner.yaml"], "a recipe is called as its file"),
    ],
)
def test_wrong_arguments_are_refused_before_any_work(tmp_path, figured, capsys, arguments, said):
    assert search(tmp_path, *arguments) == 2
    assert said in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_it_adds_trials_to_a_study_and_writes_the_page(tmp_path, figured, capsys):
    arguments = ["--budget-minutes", "0.0001", *LIMITS, "--trials-only"]
    assert search(tmp_path, *arguments) == 0
    assert search(tmp_path, *arguments) == 0
    trials = load_trials(open_storage(str(tmp_path / "journal.log")), "tflite-demo-2")
    done = [trial for trial in trials if trial.state.is_finished()]
    assert [trial.number for trial in done] == [0, 1]
    assert "<h1>Search tflite-demo-2</h1>" in (tmp_path / "index.html").read_text()
    assert not (tmp_path / "winner.yaml").exists()
    assert "Front of study tflite-demo-2" in capsys.readouterr().err


def test_a_teacher_from_elsewhere_and_longer_training_reach_the_trials(tmp_path, figured, monkeypatch):
    class Asked(figured_builder.FiguredBuilder):
        def __init__(self, work, profile, limits, **options):
            super().__init__(work, profile, limits, progress=options.pop("progress"))
            seen.update(options, epochs=profile.student_epochs)

    seen = {}
    monkeypatch.setitem(Run.__init__.__kwdefaults__, "make_builder", Asked)
    arguments = ["--budget-minutes", "0.0001", *LIMITS, "--trials-only", "--epochs", "30"]
    assert search(tmp_path, *arguments, "--teacher", "server.onnx") == 0
    assert (seen["teacher_file"], seen["epochs"]) == (Path("server.onnx"), 10)


def test_the_winner_is_written_as_a_recipe_and_named_on_standard_output(
    tmp_path, figured, capsys, monkeypatch
):
    def find(self, budget, names):
        trial = next(trial for trial in self.trials if trial.state.is_finished())
        document = winner_document(trial, 6, self.plan.limits, name=names["tflite"])
        self.winners["tflite"] = Winner(0, document, {"bytes_on_wire": 1000, "skill_loss_percent": 0.5})
        return []

    monkeypatch.setattr(Run, "find_winners", find)
    assert search(tmp_path, "--budget-minutes", "0.0001", *LIMITS) == 0
    captured = capsys.readouterr()
    assert captured.out == f"{tmp_path / 'winner.yaml'}\n"
    assert "1000 bytes on the wire, 0.50 % skill loss" in captured.err
    assert read_recipe(tmp_path / "winner.yaml").gates.max_skill_loss_percent == 2.0


def test_without_a_winner_it_says_why_and_writes_no_recipe(tmp_path, figured, capsys, monkeypatch):
    monkeypatch.setattr(Run, "find_winners", lambda *_: ["No tflite trial keeps 100 bytes."])
    assert search(tmp_path, "--budget-minutes", "0.0001", *LIMITS) == 2
    assert capsys.readouterr().err.endswith("packager: No tflite trial keeps 100 bytes.\n")
    assert (tmp_path / "index.html").exists()
    assert not (tmp_path / "winner.yaml").exists()


def test_a_study_that_is_there_is_refused_when_it_must_be_new(tmp_path, figured, capsys):
    arguments = ["--budget-minutes", "0.0001", *LIMITS, "--trials-only", "--no-resume"]
    assert search(tmp_path, *arguments) == 0
    assert search(tmp_path, *arguments) == 2
    assert "is there already" in capsys.readouterr().err
