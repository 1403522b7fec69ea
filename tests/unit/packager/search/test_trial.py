"""What a trial does in which order, and what it is judged by, on students that are not trained."""

import pytest

from packager.pipeline import Pipeline
from packager.recipes import Profile
from packager.search.limits import Limits
from packager.search.trial import Hopeless, TrialBuilder, trial_profile
from packager.workspace import Stage
from tests.small_dataset import write_small_dataset
from tests.students import student_folder, tflite

PROFILE = Profile("tiny", stride=24, members=1, teacher_epochs=1, student_epochs=6, scored_cases=40)
DOCUMENT = {
    "name": "tflite_trial0",
    "summary": "A trial of a test.",
    "source": "student",
    "student": {"channels": 16, "context": 32, "per_lead": 4, "linear": 32, "hidden": [32, 32]},
    "distil": {"epochs": 6},
    "steps": [{"finetune": {"epochs": 1}}],
    "export": {"format": "tflite", "quantization": "fp32"},
}


@pytest.fixture(scope="module")
def dataset_file(tmp_path_factory):
    return write_small_dataset(tmp_path_factory.mktemp("dataset") / "small.parquet")


@pytest.fixture
def asked(monkeypatch):
    """Stages that are given, and which ones were asked for."""
    calls = []

    def given(name, facts=None):
        def stage(self, recipe=None):
            calls.append((name, recipe))
            return Stage(name, "0" * 64, student_folder(), facts or {}, 1.0, cached=True)

        monkeypatch.setattr(Pipeline, name, stage)

    given("teacher")
    given("student")
    given("compressed")
    given("evaluation", {"microseconds_per_inference": 12.0})
    given("bundle_stage", {"bytes_on_wire": 30_000})

    def variant(self, recipe):
        calls.append(("variant", recipe))
        return Stage("variant", "0" * 64, tflite("fp32")[0].parent, {}, 1.0, cached=True)

    monkeypatch.setattr(Pipeline, "variant", variant)
    return calls


def builder(tmp_path, dataset_file, max_bytes=1_000_000):
    return TrialBuilder(tmp_path, PROFILE, Limits(max_bytes, 1.0), dataset_file=dataset_file)


def test_a_trial_looks_at_a_short_training_first_and_judges_the_artifact(
    tmp_path, dataset_file, asked, monkeypatch
):
    made = builder(tmp_path, dataset_file)
    monkeypatch.setattr("packager.search.trial.artifact_name", lambda recipe: tflite("fp32")[0].name)
    seen = {}
    figures = made.build(DOCUMENT, seen.__setitem__)
    names = [name for name, _ in asked if name not in ("teacher", "evaluation")]
    assert names == ["student", "compressed", "variant", "bundle_stage"]
    short = next(recipe for name, recipe in asked if name == "student")
    assert (short.distil["epochs"], short.steps) == (2, ())
    # Teacher and student are one model here: nothing is lost but rounding.
    assert seen == {"short": 0.0, "steps": 0.0}
    assert abs(figures.skill_loss_percent) < 0.01
    assert (figures.wire_bytes, figures.microseconds) == (30_000, 12.0)
    assert figures.multiplications > figures.parameters > 1000


def test_a_student_that_cannot_be_small_enough_is_never_trained(tmp_path, dataset_file, asked):
    with pytest.raises(
        Hopeless, match=r"Its weights alone take \d+ bytes or more; the limit is 500"
    ) as hopeless:
        builder(tmp_path, dataset_file, max_bytes=500).build(DOCUMENT, lambda *_: None)
    assert hopeless.value.wire_bytes > 500
    assert not [name for name, _ in asked if name in ("student", "compressed")]


def test_a_trial_that_is_given_up_is_not_trained_on(tmp_path, dataset_file, asked):
    def rung(name, loss):
        raise Hopeless("Far away.")

    with pytest.raises(Hopeless):
        builder(tmp_path, dataset_file).build(DOCUMENT, rung)
    assert "compressed" not in [name for name, _ in asked]


def test_trials_are_judged_on_days_that_no_gate_reads(tmp_path, dataset_file):
    pipeline = builder(tmp_path, dataset_file).pipeline
    judged, known = (
        set(zip(part.station.tolist(), part.init_hour.tolist(), strict=True))
        for part in (pipeline.judged, pipeline.windows("early_stopping"))
    )
    assert judged <= known
    assert 0 < len(judged) <= PROFILE.scored_cases


def test_a_trials_profile_keeps_the_teacher_and_trains_the_student_for_less():
    short = trial_profile(PROFILE, 2)
    assert (short.student_epochs, short.teacher_epochs, short.members, short.stride) == (2, 1, 1, 24)
