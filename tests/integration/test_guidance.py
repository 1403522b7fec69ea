"""Guidance all the way: dataset, training, artifacts; and what is left of a forecast without it."""

import numpy as np
import pytest

from packager.contract import contract_with_guidance
from packager.dataset.known import hide_guidance, without_guidance
from packager.pipeline import Pipeline
from packager.recipes import Profile
from packager.runtimes import open_runtime
from packager.stages import evenly
from packager.verify.golden import make_golden, replay_golden
from tests.factories import TOLERANCES
from tests.guided_dataset import write_guided_dataset
from tests.integration.test_pipeline import SIZES, recipe

PROFILE = Profile(
    "tiny",
    stride=12,
    members=1,
    teacher_epochs=5,
    student_epochs=5,
    scored_cases=48,
    teacher=SIZES,
    student=SIZES,
)
CONTRACT = contract_with_guidance()
MIDDLE = 3


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory):
    """A pipeline on a dataset that has guidance."""
    path = write_guided_dataset(tmp_path_factory.mktemp("dataset") / "guided.parquet")
    return Pipeline(tmp_path_factory.mktemp("work"), PROFILE, dataset_file=path)


def score(scores, name="temperature_mae", split="unseen_station"):
    return scores[split]["values"][name]["1-24"]


def test_a_dataset_that_has_guidance_makes_a_contract_that_has_it(pipeline):
    assert pipeline.contract == CONTRACT
    assert pipeline.windows("train").inputs["guidance_mask"][..., 0].mean() > 0.9


def test_the_baselines_know_the_guidance_too(pipeline):
    facts = pipeline.baselines().facts
    assert set(facts) == {"climatology", "persistence", "same_hour_yesterday", "ridge", "guidance"}
    assert score(facts["guidance"]) < 0.5 * score(facts["same_hour_yesterday"])
    assert score(facts["ridge"]) < 0.5 * score(facts["same_hour_yesterday"])


@pytest.mark.parametrize("stage", ["teacher", "student"])
def test_a_model_is_better_with_guidance_and_still_forecasts_without(pipeline, stage):
    facts = (pipeline.teacher() if stage == "teacher" else pipeline.student(recipe("tflite_w8a8"))).facts
    baselines = pipeline.baselines().facts
    for name in ("temperature_mae", "temperature", "wind_speed", "dew_point", "pressure_msl"):
        assert score(facts["scores"], name) < 0.6 * score(facts["scores_without_guidance"], name)
    # It learns the guidance's bias, and how far it can be trusted.
    assert score(facts["scores"], "temperature") < score(baselines["guidance"], "temperature")
    assert score(facts["scores_without_guidance"]) < score(baselines["persistence"])


@pytest.fixture(scope="module")
def artifacts(pipeline, tmp_path_factory):
    """Path, format and Keras model of an artifact of each kind, converted in this process."""
    from packager.export.coreml import export_coreml
    from packager.export.tflite import export_tflite
    from packager.student import load_student

    folder = tmp_path_factory.mktemp("artifacts")
    teacher = load_student(pipeline.teacher().folder)
    student = load_student(pipeline.student(recipe("tflite_w8a8")).folder)
    calibration = hide_guidance(
        evenly(pipeline.windows("train"), 200).inputs, np.random.default_rng(1), share=0.5
    )
    made = {
        "server": (folder / "server.tflite", "tflite", teacher),
        "w8a8": (folder / "phone.tflite", "tflite", student),
        "pal4": (folder / "phone.mlpackage", "coreml", student),
    }
    export_tflite(teacher, CONTRACT, made["server"][0], quantization="fp32", calibration=None, batch=None)
    export_tflite(student, CONTRACT, made["w8a8"][0], quantization="w8a8", calibration=calibration)
    export_coreml(student, CONTRACT, made["pal4"][0], weights="pal4")
    return made


# As far as int8 and a palette of 16 may take a median temperature from the float model's, on average.
KINDS = {"server": 1e-3, "w8a8": 0.3, "pal4": 0.6}


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # coremltools leaves its temporary folders
@pytest.mark.parametrize("kind", KINDS)
def test_every_artifact_takes_guidance_and_does_without_it(pipeline, artifacts, kind):
    path, format_, model = artifacts[kind]
    cases = evenly(pipeline.windows("unseen_station"), 24)
    runtime = open_runtime(path, format_, contract=CONTRACT)
    errors = {}
    for name, inputs in (("with", cases.inputs), ("without", without_guidance(cases.inputs))):
        outputs = runtime.run(inputs)
        assert all(np.isfinite(values).all() for values in outputs.values())
        wanted = model(inputs, training=False)["temperature"].numpy()
        assert np.abs(outputs["temperature"] - wanted).mean() < KINDS[kind]
        error = outputs["temperature"][..., MIDDLE] - cases.targets["temperature"]
        errors[name] = np.nanmean(np.abs(error))
    assert errors["with"] < 0.6 * errors["without"]


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_golden_vectors_carry_guidance(pipeline, artifacts):
    path, format_, _ = artifacts["w8a8"]
    runtime = open_runtime(path, format_, contract=CONTRACT)
    windows = pipeline.windows("unseen_station")
    hidden = {name: values.copy() for name, values in windows.inputs.items()}
    for name in ("guidance", "guidance_mask"):
        hidden[name][::2] = 0
    golden = make_golden(
        runtime, type(windows)(hidden, windows.targets, windows.station, windows.init_hour), CONTRACT,
        tolerances=TOLERANCES,
    )  # fmt: skip
    assert len(golden["inputs"]["guidance"]["temperature"]["differences"]) % 48 == 0
    assert replay_golden(runtime, golden, CONTRACT).cases == 16
