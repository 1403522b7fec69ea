"""A small lead decoder with random weights, inputs like weather, and its artifacts, each converted once."""

import atexit
import gc
import shutil
import tempfile
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from packager.contract import reference_contract
from packager.types import Tensors

CONTRACT = reference_contract()
FOLDER = Path(tempfile.mkdtemp(prefix="skyfold-students-"))
atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)

TYPICAL = {  # mean, spread, lowest, highest
    "temperature": (10, 10, -90, 60),
    "dew_point": (5, 10, -100, 40),
    "pressure_msl": (1015, 8, 850, 1090),
    "wind_u": (0, 4, -110, 110),
    "wind_v": (0, 4, -110, 110),
    "precipitation": (-0.3, 0.5, 0, 310),
    "cloud_cover": (0.5, 0.5, 0, 1),
    "cloud_base": (5000, 6000, 0, 20000),
    "visibility": (15000, 5000, 0, 160000),
}


def weather(cases: int, seed: int = 1) -> Tensors:
    """Smooth random histories with a tenth missing, random sites and clocks."""
    random = np.random.default_rng(seed)
    names = CONTRACT.input("history").channel_names
    mean, spread, low, high = np.array([TYPICAL[name] for name in names]).T
    shape = (cases, CONTRACT.history_hours, len(names))
    drift = 0.2 * np.cumsum(random.normal(size=shape), axis=1) + random.normal(size=(cases, 1, len(names)))
    mask = (random.random(shape) > 0.1).astype(np.float32)
    angle = random.uniform(0, 2 * np.pi, (cases, 2))
    site = random.uniform([25, -150, 0], [65, -70, 2000], (cases, 3))
    clock = np.stack([f(angle[:, i]) for i in (0, 1) for f in (np.sin, np.cos)], axis=-1)
    history = np.clip(mean + spread * drift, low, high) * mask
    tensors = {"history": history, "history_mask": mask, "site": site, "clock": clock}
    return {name: value.astype(np.float32) for name, value in tensors.items()}


@cache
def small_student() -> Any:
    """A lead decoder of a few thousand weights, large enough everywhere that every output moves."""
    from packager.student import build

    model = build(description())
    random = np.random.default_rng(3)
    model.set_weights(
        [
            (weight + 0.1 * random.normal(size=weight.shape)).astype(np.float32)
            if weight.ndim > 1
            else weight
            for weight in model.get_weights()
        ]
    )
    return model


@cache
def description() -> dict[str, Any]:
    """What rebuilds the student."""
    from packager.student import describe
    from packager.student.lead_decoder import LeadDecoderConfig
    from packager.student.normalisation import measure_normalisation

    config = LeadDecoderConfig(channels=16, context=32, per_lead=4, hidden=(32, 32))
    return describe("lead_decoder", CONTRACT, measure_normalisation(weather(300, seed=9), CONTRACT), [config])


@cache
def student_folder() -> Path:
    """The student, saved."""
    from packager.student import save_student

    save_student(small_student(), description(), FOLDER / "student")
    return FOLDER / "student"


@cache
def expected(cases: int) -> Tensors:
    """What Keras makes of `weather(cases)`."""
    outputs = small_student()(weather(cases), training=False)
    return {name: value.numpy() for name, value in outputs.items()}


@cache
def tflite(quantization: str, batch: int | None = 1) -> tuple[Path, dict[str, Any]]:
    """The student as TFLite, and what its exporter said."""
    from packager.export.tflite import export_tflite

    path = FOLDER / f"{quantization}-{batch}.tflite"
    calibration = weather(100, seed=5) if quantization in {"w8a8", "w8a16"} else None
    facts = export_tflite(
        small_student(), CONTRACT, path, quantization=quantization, calibration=calibration, batch=batch
    )
    return path, facts


@cache
def onnx(quantization: str) -> tuple[Path, dict[str, Any]]:
    """The student as ONNX, and what its exporter said."""
    from packager.export.onnx import export_onnx

    path = FOLDER / f"{quantization}.onnx"
    calibration = weather(100, seed=5) if quantization == "w8a8" else None
    return path, export_onnx(
        small_student(), CONTRACT, path, quantization=quantization, calibration=calibration
    )


@cache
def micro() -> tuple[Path, dict[str, Any]]:
    """The student as source for TFLite Micro, and what its exporter said."""
    from packager.export.micro import export_micro

    path = FOLDER / "model.micro"
    return path, export_micro(small_student(), CONTRACT, path, calibration=weather(100, seed=5))


@cache
def mlpackage(weights: str) -> tuple[Path, dict[str, Any]]:
    """The student as a Core ML package, and what its exporter said."""
    from packager.export.coreml import export_coreml

    path = FOLDER / f"{weights}.mlpackage"
    with warnings.catch_warnings():
        # coremltools leaves its temporary folders to the garbage collector.
        warnings.simplefilter("ignore", ResourceWarning)
        facts = export_coreml(small_student(), CONTRACT, path, weights=weights)
        gc.collect()
    return path, facts


def largest_difference(first: Tensors, second: Tensors) -> dict[str, float]:
    """Per output."""
    return {name: float(np.abs(first[name] - second[name]).max()) for name in first}


def bytes_of(artifact: Path) -> dict[str, bytes]:
    """Every file of an artifact by its path inside it."""
    if artifact.is_file():
        return {"": artifact.read_bytes()}
    return {
        str(path.relative_to(artifact)): path.read_bytes()
        for path in sorted(artifact.rglob("*"))
        if path.is_file()
    }
