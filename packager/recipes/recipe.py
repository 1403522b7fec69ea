"""A recipe as typed values, read from YAML and refused with a clear sentence when it is wrong."""

import difflib
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import yaml
from referencing import Registry, Resource

from packager.contract import canonical_json
from packager.errors import RecipeInvalid, UnknownRecipe
from packager.recipes.order import check_steps
from packager.recipes.targeting import empty_range
from packager.recipes.tiers import TIERS_FILE, Gates, tier_gates

HERE = Path(__file__).parent
NAMED = HERE / "named"
# Which options belong to which format.
EXPORT_OPTIONS = {
    "tflite": {"quantization", "batch", "torch"},
    "coreml": {"weights", "target", "torch"},
    "onnx": {"quantization"},
    "micro": {"quantization"},
}
# What each format can hold; the first is what an export says nothing about.
STORED_AS = {
    "tflite": ("quantization", ("fp32", "fp16", "w8", "dynamic", "w8a8", "w8a16", "w4", "mixed")),
    "coreml": (
        "weights",
        ("fp16", "fp32", "int8", "pal8", "pal6", "pal4", "pal2", "sparse", "sparse_pal4", "int4"),
    ),
    "onnx": ("quantization", ("fp32", "w8a8")),
    "micro": ("quantization", ("w8a8",)),
}


@dataclass(frozen=True, slots=True)
class Export:
    """The file format and what is done to the numbers in it."""

    format: str
    options: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Step:
    """One compression step: its name in `packager.compress.steps.STEPS`, and its options."""

    name: str
    options: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a variant is made: `source` model, `student` sizes, `distil` options, steps, export and gates.

    `targeting` says which devices may be offered it; empty is all that can run it.
    """

    name: str
    summary: str
    source: str
    export: Export
    gates: Gates
    required: bool = True
    quickstart: bool = False
    tier: str | None = None
    steps: tuple[Step, ...] = ()
    student: Mapping[str, Any] = field(default_factory=dict)
    distil: Mapping[str, Any] = field(default_factory=dict)
    targeting: Mapping[str, Any] = field(default_factory=dict)
    document: Mapping[str, Any] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical document."""
        return hashlib.sha256(canonical_json(self.document)).hexdigest()

    @property
    def for_phones(self) -> bool:
        """Whether phones download it."""
        return self.source != "teacher"

    @property
    def deliverable(self) -> bool:
        """Whether a server can make it alone and has a catalog that lists it."""
        return self.source != "torch" and self.export.format in ("tflite", "coreml")


def recipe_names() -> list[str]:
    """Names of the recipes that come with the project."""
    return sorted(path.stem for path in NAMED.glob("*.yaml"))


def deliverable_names() -> list[str]:
    """Names of the recipes whose bundles a server registers."""
    return [name for name in recipe_names() if get_recipe(name).deliverable]


def quickstart_recipes() -> list[Recipe]:
    """The recipes of the first release, in the order of their names."""
    return [recipe for recipe in map(get_recipe, recipe_names()) if recipe.quickstart]


def find_recipe(name: str, *, tiers: Path = TIERS_FILE) -> Recipe:
    """A recipe as people give it: a name, or the path of a file that ends in `.yaml`.

    Raises:
        UnknownRecipe: as `get_recipe`.
        RecipeInvalid: as `read_recipe`.
    """
    return read_recipe(Path(name), tiers=tiers) if name.endswith(".yaml") else get_recipe(name, tiers=tiers)


def get_recipe(name: str, *, tiers: Path = TIERS_FILE) -> Recipe:
    """A named recipe, with the limits of its tier from `tiers`.

    Raises:
        UnknownRecipe: names the nearest one, and lists those that exist.
    """
    known = recipe_names()
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        meant = f" Did you mean {close[0]!r}?" if close else ""
        raise UnknownRecipe(
            f"Recipe {name!r} is not known; choose one of {', '.join(known)}, or give the path of a .yaml "
            f"file.{meant}"
        )
    return read_recipe(NAMED / f"{name}.yaml", tiers=tiers)


def read_recipe(path: Path, *, tiers: Path = TIERS_FILE) -> Recipe:
    """A recipe from a file.

    Raises:
        RecipeInvalid: unreadable, not YAML, or not a recipe.
    """
    try:
        document = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise RecipeInvalid(f"{path.name} is not a readable YAML file: {error}") from error
    recipe = parse_recipe(document, tiers=tiers)
    if recipe.name != path.stem:
        raise RecipeInvalid(
            f"{path.name} names its recipe {recipe.name!r}; name it {path.stem!r} or rename the file."
        )
    return recipe


def parse_recipe(document: Any, *, tiers: Path = TIERS_FILE) -> Recipe:
    """A recipe from plain values.

    Raises:
        RecipeInvalid: names the key, what was given and what is allowed.
    """
    _check_schema(document)
    name, export = document["name"], dict(document["export"])
    target = export.pop("format")
    _check_export(name, target, export)
    steps = tuple(Step(*next(iter(step.items()))) for step in document.get("steps", ()))
    check_steps(name, document["source"], [step.name for step in steps], target, export)
    gates = tier_gates(name, document.get("tier"), document.get("gates", {}), tiers)
    targeting = document.get("targeting", {})
    if empty := empty_range(targeting):
        raise RecipeInvalid(f"Recipe {name}: {empty}")
    if "batch" in export:
        export["batch"] = None if export["batch"] == "any" else 1
    return Recipe(
        name=name,
        summary=document["summary"],
        source=document["source"],
        export=Export(target, export),
        gates=gates,
        required=document.get("required", True),
        quickstart=document.get("quickstart", False),
        tier=document.get("tier"),
        steps=steps,
        student=document.get("student", {}),
        distil=document.get("distil", {}),
        targeting=targeting,
        document=document,
    )


@cache
def _validator() -> jsonschema.Draft202012Validator:
    # Targeting is written down once, in the manifest's schema.
    manifest = Resource.from_contents(json.loads((HERE.parent / "manifest.schema.json").read_text()))
    registry: Registry[Any] = Registry().with_resource("../manifest.schema.json", manifest)
    schema = json.loads((HERE / "schema.json").read_text())
    return jsonschema.Draft202012Validator(schema, registry=registry)


def _check_schema(document: Any) -> None:
    error = jsonschema.exceptions.best_match(_validator().iter_errors(document))
    if error is None:
        return
    where = ".".join(str(part) for part in error.absolute_path) or "recipe"
    raise RecipeInvalid(
        f"Recipe: {where}: {error.message}.{_nearest(error)} See packager/recipes/schema.json."
    )


def _nearest(error: jsonschema.ValidationError) -> str:
    """For an unknown key, the known one that looks most like it, and all known ones."""
    if error.validator != "additionalProperties" or not isinstance(error.schema, Mapping):
        return ""
    known: list[str] = sorted(error.schema["properties"])
    given: Any = error.instance
    unknown = sorted(set(given) - set(known))
    close = difflib.get_close_matches(str(unknown[0]), known, n=1, cutoff=0.5)
    meant = f" Did you mean {close[0]!r}?" if close else ""
    return f"{meant} Allowed here: {', '.join(known)}."


def _check_export(name: str, target: str, export: Mapping[str, Any]) -> None:
    foreign = sorted(set(export) - EXPORT_OPTIONS[target])
    if foreign:
        raise RecipeInvalid(
            f"Recipe {name}: export option {', '.join(foreign)} does not belong to format "
            f"{target}, which takes {', '.join(sorted(EXPORT_OPTIONS[target]))}."
        )
    option, known = STORED_AS[target]
    if export.get(option, known[0]) not in known:
        raise RecipeInvalid(
            f"Recipe {name}: format {target} cannot hold {option} {export[option]!r}; "
            f"choose one of {', '.join(known)}."
        )
