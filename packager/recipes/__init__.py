"""Recipes: how each variant is made and what it must reach. The named ones are YAML files in `named/`."""

from packager.recipes.profiles import PROFILES, Profile, get_profile
from packager.recipes.recipe import (
    Export,
    Recipe,
    Step,
    deliverable_names,
    find_recipe,
    get_recipe,
    parse_recipe,
    quickstart_recipes,
    read_recipe,
    recipe_names,
)
from packager.recipes.tiers import Gates
from packager.recipes.updates import (
    TRANSFER_MODES,
    UPDATE_MODES,
    UpdateMode,
    get_transfer_mode,
    get_update_mode,
)

__all__ = [
    "PROFILES",
    "TRANSFER_MODES",
    "UPDATE_MODES",
    "Export",
    "Gates",
    "Profile",
    "Recipe",
    "Step",
    "UpdateMode",
    "deliverable_names",
    "find_recipe",
    "get_profile",
    "get_recipe",
    "get_transfer_mode",
    "get_update_mode",
    "parse_recipe",
    "quickstart_recipes",
    "read_recipe",
    "recipe_names",
]
