"""A builder that works in steps, so that its worker can be killed between them."""

import os
import time

from tests.factories import build_bundle

STEPS = 6
SECONDS = 0.5


def build_variant(recipe_name, *, work, progress):
    """Do the steps that no earlier attempt finished, then write a valid bundle."""
    for step in range(STEPS):
        done = work / f"{recipe_name}-step-{step}"
        progress(f"step {step}", step / STEPS, f"process {os.getpid()}")
        if done.exists():
            continue
        time.sleep(SECONDS)
        done.write_text(str(os.getpid()))
    return build_bundle(work / f"{recipe_name}.zip", variant=recipe_name)
