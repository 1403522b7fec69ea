"""Every form of weights, from a converted program to numbers: what is written is what every reader reads."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from packager.errors import ConversionFailed
from packager.export.coreml_facts import program_facts, read_specification
from packager.export.mlpackage import ALIGNMENT, WEIGHTS, group_by_type
from packager.export.refill_coreml import refill_package
from packager.export.weightforms import FORMS
from packager.runtimes.milevaluator import Evaluator
from packager.runtimes.milprogram import BLOB_HEADER, BLOB_SENTINEL, read_program
from tests.small_programs import by_coremltools, digest, inputs, matrices, stored
from tests.students import bytes_of

CASES = {
    ("int8", "ios17"): {"int8": 4},
    ("pal8", "ios16"): {"pal8": 4},
    # The last matrix gives the numbers of all outputs, and stays fine.
    ("pal6", "ios17"): {"pal6": 3, "pal8": 1},
    ("pal4", "ios17"): {"pal4": 3, "pal8": 1},
    ("pal2", "ios17"): {"pal2": 3, "pal8": 1},
    ("sparse", "ios17"): {"sparse": 4},
    ("sparse_pal4", "ios17"): {"pal4": 3, "pal8": 1},
    ("int8", "ios18"): {"int8": 4},
    ("pal4", "ios18"): {"pal4": 3, "pal8": 1},
    ("pal6", "ios18"): {"pal6": 3, "pal8": 1},
    ("sparse", "ios18"): {"sparse": 4},
    ("sparse_pal4", "ios18"): {"sparse_pal4": 3, "pal8": 1},
    ("int4", "ios18"): {"int4": 1, "int4 per 24": 1, "int4 per 32": 1, "pal8": 1},
}
# How far outputs may move from those of half-precision weights, as a share of their spread.
MOST = {"int8": 0.01, "pal8": 0.01, "pal6": 0.05, "pal4": 0.2, "pal2": 0.8, "sparse": 0.0, "int4": 0.2}


@pytest.mark.parametrize(("weights", "target"), CASES)
def test_the_file_says_how_each_matrix_is_stored(weights, target):
    facts = program_facts(read_specification(stored(weights, target)))
    assert facts["matrices"] == CASES[weights, target]


@pytest.mark.parametrize(("weights", "target"), CASES)
def test_weights_are_what_coremltools_decompresses(weights, target):
    ours = read_program(stored(weights, target)).constants
    theirs = by_coremltools(stored(weights, target))
    assert len(theirs) >= 4
    for name, values in theirs.items():
        np.testing.assert_array_equal(ours[name], values)


@pytest.mark.parametrize(("weights", "target"), CASES)
@pytest.mark.parametrize("rounding", [False, True])
def test_every_form_runs_in_both_precisions(weights, target, rounding):
    (wanted,) = run(stored("fp16"), rounding=rounding)
    (found,) = run(stored(weights, target), rounding=rounding)
    most = MOST[weights.removeprefix("sparse_")]
    assert np.abs(found - wanted).mean() <= most * wanted.std()
    assert len(np.unique(found)) > 0.9 * found.size


def run(package, *, rounding):
    return Evaluator(read_program(package), rounding=rounding).run(inputs()).values()


def test_the_same_weights_give_the_same_bytes_in_another_process():
    # Each form once, for the newest target that the cases have.
    kinds = list(dict(sorted(CASES)).items())
    code = (
        "import json; from tests.small_programs import digest;"
        f"print(json.dumps([digest(*kind) for kind in {kinds}]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONHASHSEED": "77", "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    assert json.loads(done.stdout.splitlines()[-1]) == [digest(*kind) for kind in kinds]


def test_equal_scalars_and_axes_are_written_once():
    specification = read_specification(stored("fp16"))
    (block,) = specification.mlProgram.functions["main"].block_specializations.values()
    values = [
        operation.attributes["val"].SerializeToString(deterministic=True)
        for operation in block.operations
        if operation.type == "const" and operation.outputs[0].type.tensorType.rank == 0
    ]
    assert len(values) == len(set(values)) > 1


@pytest.mark.parametrize("case", [("fp16", "ios17"), ("pal4", "ios17"), ("sparse_pal4", "ios18")])
def test_values_of_one_type_lie_side_by_side_and_stay_there(case):
    package = stored(*case)
    weights = (package / "Data" / WEIGHTS / "weight.bin").read_bytes()
    kinds, offset = [], ALIGNMENT
    while offset < len(weights):
        sentinel, kind, size, start = BLOB_HEADER.unpack_from(weights, offset)
        assert (sentinel, start) == (BLOB_SENTINEL, offset + ALIGNMENT)
        kinds.append(kind)
        offset = start + size + -size % ALIGNMENT
    assert kinds == sorted(kinds)
    assert len(set(kinds)) > (case[0] != "fp16")
    assert group_by_type(read_specification(package), weights) == weights


@pytest.mark.parametrize(("weights", "target"), [case for case in CASES if case != ("sparse_pal4", "ios18")])
def test_refilling_with_the_same_weights_is_the_released_file(tmp_path, weights, target):
    refill_package(stored(weights, target), stored("fp16", target), tmp_path / "next.mlpackage")
    assert bytes_of(tmp_path / "next.mlpackage") == bytes_of(stored(weights, target))


def test_a_refilled_file_has_the_new_weights_on_the_old_scales(tmp_path):
    refill_package(stored("int8", zeros=0.0), stored("fp16", zeros=0.0, seed=1), tmp_path / "next.mlpackage")
    theirs = by_coremltools(tmp_path / "next.mlpackage")
    wanted = {values.shape: values for values in matrices(0.0, seed=1)}
    for values in theirs.values():
        assert np.corrcoef(values.ravel(), wanted[values.shape].ravel())[0, 1] > 0.95


@pytest.mark.parametrize(
    ("released", "fresh", "message"),
    [
        (("sparse",), ("fp16", "ios17", 0.5, 1), r"are zero in the released package.*zeros kept"),
        (("sparse_pal4", "ios18"), ("fp16", "ios18"), r"constexpr_lut_to_sparse, which cannot be retrained"),
        (("pal4", "ios17"), ("fp16", "ios18"), "the released one is for another system"),
    ],
)
def test_what_cannot_be_refilled_is_refused(tmp_path, released, fresh, message):
    with pytest.raises(ConversionFailed, match=message):
        refill_package(stored(*released), stored(*fresh), tmp_path / "next.mlpackage")
    assert not (tmp_path / "next.mlpackage").exists()


# coremltools leaves its temporary folders to the garbage collector, and the error's frames keep them.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_sparse_weights_without_zeros_are_refused():
    with pytest.raises(ConversionFailed, match=r"enough zeros to leave out\. Add the step prune_weights"):
        stored("sparse", zeros=0.0)


def test_every_form_is_tried_here():
    assert {weights for weights, _ in CASES} == set(FORMS)
