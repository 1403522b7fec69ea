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
from packager.verify.golden import make_golden
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
ENGINE_MIN = {"tflite": {"litert": "2.0"}, "coreml": {"ios": "17.0"}}
TOOLCHAIN = {
    "tflite": ("tensorflow", "tf_keras", "litert-quantizer", "ai-edge-litert", "numpy"),
    "coreml": ("tensorflow", "tf_keras", "coremltools", "numpy"),
}
# The weights are learned from public-domain, CC0 and NREL data and released as the project is.
LICENCE = "Apache-2.0"
CODE_VERSION = "0.1.0"
# Of the teacher and the baselines a manifest holds the leads that do not overlap, and all together.
BUCKETS = ("1-6", "7-12", "13-24", "25-48", "1-48")
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
) -> dict[str, Any]:
    """Write the bundle of a variant.

    Args:
        path: the archive to write.
        recipe: how the variant was made.
        artifact: `.tflite` file or `.mlpackage` folder.
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

    Returns:
        `sha256`, `bytes` of the archive and `bytes_on_wire`, what a phone downloads.
    """
    format_ = recipe.export.format
    runtime = open_runtime(artifact, format_, contract=contract)
    golden = make_golden(
        runtime, windows, contract, tolerances=TOLERANCES, released=released.golden if released else None
    )
    manifest = {
        "manifest": 1,
        "name": contract.name.removeprefix("skyfold-"),
        "variant": recipe.name,
        "format": format_,
        "recipe": {"name": recipe.name, "digest": recipe.digest, "steps": _steps(recipe)},
        "contract": {"name": contract.name, "version": contract.version, "sha256": contract.digest},
        "artifact": artifact.name,
        "engine_min": ENGINE_MIN[format_],
        "sizes": {"artifact": _size(artifact)},
        "scores": _scores(evaluation, references),
        "provenance": {
            "dataset": _about_data(dataset, counts),
            "code": {"version": CODE_VERSION, "digest": source_digest("packager", "weatherapp/core")},
            "teacher": teacher,
            "toolchain": {name: version(name) for name in TOOLCHAIN[format_]},
            **({"base": {"sha256": released.sha256, "mode": mode}} if released else {}),
        },
        "licence": LICENCE,
        "quantization": dict(quantization),
        **({"targeting": dict(recipe.targeting)} if recipe.targeting else {}),
    }
    digest = write_bundle(path, artifact=artifact, manifest=manifest, golden=golden, contract=contract)
    return {"sha256": digest, "bytes": path.stat().st_size, "bytes_on_wire": wire_size(path)}


def _steps(recipe: Recipe) -> list[dict[str, Any]]:
    steps: list[dict[str, Any]] = []
    if recipe.source == "student":
        steps += [
            {"distil": dict(recipe.distil)},
            *({step.name: dict(step.options)} for step in recipe.steps),
        ]
    return [*steps, {"export": dict(recipe.document["export"])}]


def _scores(evaluation: Mapping[str, Any], references: Mapping[str, Any]) -> dict[str, Any]:
    """Figures for people and gates: four digits say more than a thousand cases can, and travel small."""
    beside = {
        name: {score: {b: values[b] for b in BUCKETS} for score, values in splits[GATE_SPLIT].items()}
        for name, splits in references.items()
    }
    rounded: dict[str, Any] = _rounded({**evaluation, "references": {GATE_SPLIT: beside}})
    return rounded


def _rounded(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _rounded(item) for key, item in value.items()}
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value


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
