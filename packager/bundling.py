"""From an evaluated artifact to a bundle: manifest, golden vectors, archive."""

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from packager.bundle import Bundle, wire_size, write_bundle
from packager.contract import Contract
from packager.dataset import Dataset
from packager.dataset.records import TYPE_FROM_CODE, TYPE_FROM_WET_BULB
from packager.dataset.windows import Windows
from packager.recipes import Recipe
from packager.runtimes import open_runtime
from packager.verify.evaluate import GATE_SPLIT
from packager.verify.golden import LEADS, make_golden
from packager.workspace import source_digest

# How far a device may be from the builder's machine, in each output's units: float16 arithmetic, other int8
# kernels.
TOLERANCES = {
    "temperature": 0.5,
    "dew_point": 0.5,
    "pressure_msl": 0.5,
    "wind": 0.5,
    "wind_speed": 0.5,
    "cloud_cover": 0.05,
    "cloud_base": 0.05,
    "precipitation_type": 0.05,
    "precipitation": 0.5,
}
ENGINE_MIN = {
    "tflite": {"litert": "2.0"},
    "coreml": {"ios": "17.0"},
    "onnx": {"onnxruntime": "1.17"},
    # It has no releases: the day of the sources that an artifact was run with.
    "micro": {"tflite_micro": "2026.10.23"},
}
TOOLCHAIN = {
    "tflite": ("tensorflow", "tf_keras", "litert-quantizer", "ai-edge-litert", "numpy"),
    "coreml": ("tensorflow", "tf_keras", "coremltools", "numpy"),
    "onnx": ("tensorflow", "tf_keras", "tf2onnx", "onnx", "onnxruntime", "numpy"),
    "micro": ("tensorflow", "tf_keras", "litert-quantizer", "tflite-micro", "numpy"),
}
# The weights are learned from public-domain, CC0 and NREL data and released as the project is.
LICENCE = "Apache-2.0"
CODE_VERSION = "0.1.0"
# A bundle for a region answers the released questions at one lead: almost every weight works there too, and
# new answers are what costs most in its patch.
REGION_LEADS = (24,)
# A manifest holds scores over the leads that do not overlap, and over all together.
ALL_LEADS = "1-48"
# What an evaluation tells beside its scores and a gate does not ask for.
DETAILS = ("loss", "max_abs_difference")
BUCKETS = ("1-6", "7-12", "13-24", "25-48", ALL_LEADS)
DIGITS = 4


def make_bundle(
    path: Path,
    *,
    recipe: Recipe,
    artifact: Path,
    quantization: Mapping[str, Any],
    evaluation: Mapping[str, Any],
    references: Mapping[str, Any],
    windows: Windows,
    dataset: Dataset,
    counts: Mapping[str, int],
    contract: Contract,
    teacher: str,
    released: Bundle | None = None,
    mode: str = "",
    region: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Write the bundle of a variant.

    Args:
        path: the archive to write.
        recipe: how the variant was made.
        artifact: `.tflite` or `.onnx` file, `.mlpackage` or `.micro` folder.
        quantization: what the exporter said about the numbers.
        evaluation: what running it showed; goes into the manifest, its figures rounded.
        references: by source, split, score and lead bucket: what else was scored on the same cases.
        windows: held-out cases to choose golden vectors from.
        dataset: provenance.
        counts: windows of each split.
        contract: goes into the archive.
        teacher: digest of the teacher's stage.
        released: the bundle that this one was retrained from: its golden inputs are asked again.
        mode: how it was retrained.
        region: where it was fine-tuned to forecast better, as `packager.dataset.region` writes it.

    Returns:
        `sha256`, `bytes` of the archive and `bytes_on_wire`, what a phone downloads.
    """
    format_ = recipe.export.format
    golden = make_golden(
        open_runtime(artifact, format_, contract=contract),
        windows,
        contract,
        tolerances=TOLERANCES,
        released=released.golden if released else None,
        leads=REGION_LEADS if region else LEADS,
    )
    manifest = {
        "manifest": 1,
        "name": contract.name.removeprefix("skyfold-"),
        "variant": recipe.name,
        "format": format_,
        "recipe": {"name": recipe.name, "digest": recipe.digest, "steps": _steps(recipe)},
        "contract": {"name": contract.name, "version": contract.version, "sha256": contract.digest},
        "artifact": artifact.name,
        "engine_min": engine_min(format_, quantization),
        "sizes": {"artifact": _size(artifact), **_memory(quantization)},
        "scores": _scores(evaluation, references, gate_only=region is not None),
        "provenance": {
            "dataset": _about_data(dataset, counts),
            "code": {"version": CODE_VERSION, "digest": source_digest("packager", "weatherapp/core")},
            "teacher": teacher,
            "toolchain": _toolchain(format_, quantization),
            **({"base": _base(released, mode, region)} if released else {}),
        },
        "licence": LICENCE,
        "quantization": {key: value for key, value in quantization.items() if key != "toolchain"},
        **({"targeting": dict(recipe.targeting)} if recipe.targeting else {}),
    }
    digest = write_bundle(path, artifact=artifact, manifest=manifest, golden=golden, contract=contract)
    return {"sha256": digest, "bytes": path.stat().st_size, "bytes_on_wire": wire_size(path)}


def engine_min(format_: str, quantization: Mapping[str, Any]) -> dict[str, str]:
    """The oldest engine that runs an artifact: what its exporter aimed at, where it says so."""
    target = quantization.get("minimum_deployment_target")
    return {"ios": f"{target.removeprefix('iOS')}.0"} if target else ENGINE_MIN[format_]


def _toolchain(format_: str, quantization: Mapping[str, Any]) -> dict[str, str]:
    """Versions of what converted; what was converted where PyTorch is says them itself."""
    told: dict[str, str] | None = quantization.get("toolchain")
    return told or {name: version(name) for name in TOOLCHAIN[format_]}


def _memory(quantization: Mapping[str, Any]) -> dict[str, int]:
    """Bytes that a microcontroller needs: the model in flash and the arena in memory."""
    return {
        name: quantization[f"{name}_bytes"] for name in ("model", "arena") if f"{name}_bytes" in quantization
    }


def _base(released: Bundle, mode: str, region: Mapping[str, Any] | None) -> dict[str, Any]:
    """What a retrained bundle came from, and the region that it was fine-tuned for, where there is one."""
    return {"sha256": released.sha256, "mode": mode, **({"region": dict(region)} if region else {})}


def _steps(recipe: Recipe) -> list[dict[str, Any]]:
    steps: list[dict[str, Any]] = []
    if recipe.source == "student":
        steps += [
            {"distil": dict(recipe.distil)},
            *({step.name: dict(step.options)} for step in recipe.steps),
        ]
    return [*steps, {"export": dict(recipe.document["export"])}]


def _scores(
    evaluation: Mapping[str, Any], references: Mapping[str, Any], *, gate_only: bool
) -> dict[str, Any]:
    """Figures for people and gates, as short as they can be: they travel in every bundle and every patch.

    Of a bundle for a region only what the server's gate reads: its gain is measured elsewhere.
    """
    scores: Mapping[str, Any] = evaluation.get("scores", {})
    rest: dict[str, Any] = _rounded({k: v for k, v in evaluation.items() if k != "scores"}, DIGITS)
    if gate_only:
        scores = {split: _gate_scores(own) for split, own in scores.items() if split == GATE_SPLIT}
        rest = {key: value for key, value in rest.items() if key not in DETAILS}
    if "max_abs_difference" in rest:
        rest["max_abs_difference"] = _rounded(rest["max_abs_difference"], 2)
    own = {split: _by_bucket(values) for split, values in scores.items()}
    beside = {name: _by_bucket(splits[GATE_SPLIT]) for name, splits in references.items()}
    return rest | {"scores": own, "references": {GATE_SPLIT: beside}}


def _gate_scores(scores: Mapping[str, Any]) -> dict[str, Any]:
    """Without the errors of medians, which repeat the outputs' own scores."""
    return {name: values for name, values in scores.items() if not name.endswith("_mae")}


def _by_bucket(scores: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Scores by lead; the mean over all of them, which gates compare closely, with one digit more."""
    return {
        score: {
            b: _rounded(values[b], DIGITS if b == ALL_LEADS else DIGITS - 1) for b in BUCKETS if b in values
        }
        for score, values in scores.items()
    }


def _rounded(value: Any, digits: int) -> Any:
    if isinstance(value, Mapping):
        return {key: _rounded(item, digits) for key, item in value.items()}
    return float(f"{value:.{digits}g}") if isinstance(value, float) else value


def _about_data(dataset: Dataset, counts: Mapping[str, int]) -> dict[str, Any]:
    origin = dataset.precipitation_type_from
    return {
        "sha256": dataset.digest,
        "sources": _sources(dataset),
        "stations": len(dataset.stations),
        "hours": len(dataset),
        "windows": dict(counts),
        "precipitation_labels": {
            "weather_code": int((origin == TYPE_FROM_CODE).sum()),
            "wet_bulb": int((origin == TYPE_FROM_WET_BULB).sum()),
        },
    }


def _sources(dataset: Dataset) -> list[str]:
    return sorted({station.source for station in dataset.stations})


def _size(artifact: Path) -> int:
    files = [artifact] if artifact.is_file() else [p for p in artifact.rglob("*") if p.is_file()]
    return sum(file.stat().st_size for file in files)
