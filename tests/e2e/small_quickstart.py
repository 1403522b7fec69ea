"""Runs `manage.py quickstart` with hardly any training; everything else is real."""

import os
import sys

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "weatherapp.config.settings")
django.setup()

from django.core.management import execute_from_command_line  # noqa: E402

from packager import pipeline  # noqa: E402
from packager.recipes import profiles  # noqa: E402
from packager.recipes.profiles import Profile  # noqa: E402

SMALL = Profile(
    "demo",
    stride=24,
    members=2,
    teacher_epochs=1,
    student_epochs=1,
    scored_cases=40,
    teacher=(("channels", 8), ("context", 16), ("linear", 8), ("hidden", (32, 32))),
    student=(("channels", 8), ("context", 16), ("per_lead", 2), ("linear", 8), ("hidden", (32, 32))),
)

if __name__ == "__main__":
    profiles.PROFILES["demo"] = SMALL
    refused = os.environ.get("REFUSED_VARIANT")
    judge = pipeline.failed_gates

    def only_the_named_one(recipe, **figures):
        """So little training passes no gate: ask the gates of one recipe only."""
        return judge(recipe, wire_bytes=10**9, skill_loss_percent=0.0) if recipe.name == refused else []

    pipeline.failed_gates = only_the_named_one
    execute_from_command_line(["manage.py", *sys.argv[1:]])
