"""Recipes: how each variant is made and what it must reach. The named ones are YAML files in `named/`."""

from packager.recipes.profiles import PROFILES, Profile, get_profile
from packager.recipes.recipe import Export, Gates, Recipe, get_recipe, parse_recipe, read_recipe, recipe_names

__all__ = [
    "PROFILES",
    "Export",
    "Gates",
    "Profile",
    "Recipe",
    "get_profile",
    "get_recipe",
    "parse_recipe",
    "read_recipe",
    "recipe_names",
]
