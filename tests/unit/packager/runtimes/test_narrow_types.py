"""Numbers of one to six bits, in the weight file and inside the program, as coremltools writes them."""

import gc
import logging
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest

from packager.errors import ArtifactRefused
from packager.export.mlpackage import block_of, rename_outputs, write_package
from packager.runtimes.milprogram import read_program
from tests.small_programs import by_coremltools

RANDOM = np.random.default_rng(3)
# Fewer than ten numbers stand in the program itself.
SHAPES = [(2, 3), (6, 8)]


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    path = tmp_path_factory.mktemp("narrow") / "model.mlpackage"
    with warnings.catch_warnings():
        # coremltools warns about the versions of its neighbours, and leaves folders to the garbage collector.
        warnings.simplefilter("ignore")
        logging.getLogger("coremltools").setLevel(logging.ERROR)
        write(path)
        gc.collect()
    return path


def write(path):
    import coremltools as ct
    from coremltools.converters.mil import Builder as mb  # noqa: N813

    @mb.program(input_specs=[mb.TensorSpec(shape=(1,))], opset_version=ct.target.iOS18)
    def program(x):
        return tuple(mb.add(x=x, y=weight) for weight in weights(mb))

    converted = ct.convert(
        program,
        convert_to="mlprogram",
        minimum_deployment_target=ct.target.iOS18,
        compute_precision=ct.precision.FLOAT32,
        skip_model_load=True,
    )
    specification = converted.get_spec()
    rename_outputs(specification, {name: name for name in block_of(specification).outputs})
    write_package(specification, Path(converted.weights_dir) / "weight.bin", path)


def weights(mb):
    for shape in SHAPES:
        for bits in (1, 2, 3, 4, 6, 8):
            yield mb.constexpr_lut_to_dense(
                indices=narrow(RANDOM.integers(0, 1 << bits, shape), f"uint{bits}"),
                lut=RANDOM.normal(size=(2, 1, 1 << bits, 1)).astype(np.float32),
            )
        yield mb.constexpr_lut_to_dense(
            indices=narrow(RANDOM.integers(0, 4, shape), "uint2"),
            lut=RANDOM.normal(size=(1, 1, 4, 3)).astype(np.float32),
            vector_axis=np.int32(1),
        )
        for kind, low, high in (("int4", -8, 8), ("uint4", 0, 16)):
            yield mb.constexpr_blockwise_shift_scale(
                data=narrow(RANDOM.integers(low, high, shape), kind),
                scale=RANDOM.uniform(0.1, 1, (2, 1)).astype(np.float32),
                offset=narrow(RANDOM.integers(low, high, (2, 1)), kind),
            )
        mask = RANDOM.random(shape) > 0.4
        yield mb.constexpr_sparse_to_dense(
            nonzero_data=RANDOM.normal(size=int(mask.sum())).astype(np.float32), mask=narrow(mask, "uint1")
        )


def narrow(values, kind):
    from coremltools.converters.mil.mil import types

    return values.astype(types.nptype_from_builtin(types.string_to_builtin(kind)))


def test_every_width_is_read_as_coremltools_reads_it(package):
    theirs, ours = by_coremltools(package), read_program(package).constants
    assert len(theirs) == 10 * len(SHAPES)
    for name, values in theirs.items():
        np.testing.assert_allclose(ours[name], values, rtol=1e-6, err_msg=name)
        assert len(np.unique(values)) > 1


def test_a_weight_file_that_ends_early_is_refused(package, tmp_path):
    copy = shutil.copytree(package, tmp_path / "model.mlpackage")
    blob = copy / "Data/com.apple.CoreML/weights/weight.bin"
    blob.write_bytes(blob.read_bytes()[:-70])
    with pytest.raises(ArtifactRefused, match="is damaged"):
        read_program(copy)
