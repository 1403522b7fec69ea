"""Other processes make what the comparison comes to later; it finds finished stages in the workspace.

Training keeps one core busy. The comparison begins with its first recipe, helpers begin with the last. Where
both make one stage, the first to finish gives it its name, and nothing but the other's work is lost.
"""

import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from packager.comparison.side import ComparisonPipeline
from packager.recipes import Profile, Recipe
from packager.stages import Progress, no_progress

# Each holds the training data and TensorFlow: one and a half GB.
MOST_WORKERS = 4
# For a helper that was asked to end: it ends the converter that it started, too.
GRACE_SECONDS = 10.0


@dataclass(frozen=True)
class Place:
    """What makes a pipeline, here or in another process.

    Attributes:
        work: folder of finished stages.
        profile: teacher, full training.
        dataset_file: hourly observations; the reference dataset when not given.
        models: models from elsewhere, as a `Pipeline` takes them.
    """

    work: Path
    profile: Profile
    dataset_file: Path | None = None
    models: dict[str, Any] = field(default_factory=dict)

    def pipeline(self, progress: Progress = no_progress) -> ComparisonPipeline:
        """A pipeline there."""
        return ComparisonPipeline(
            self.work, self.profile, dataset_file=self.dataset_file, progress=progress, **self.models
        )


def default_workers() -> int:
    """One for each core that this process may use, up to `MOST_WORKERS`."""
    return min(len(os.sched_getaffinity(0)), MOST_WORKERS)


@contextmanager
def helpers(place: Place, recipes: Sequence[Recipe], workers: int) -> Iterator[None]:
    """Let `workers` - 1 processes make recipes, the last ones first, until the block ends.

    Args:
        place: where their stages go; the teacher is there already, or each would train it.
        recipes: all of the comparison.
        workers: this process counts as one.
    """
    backwards, count = list(reversed(recipes)), workers - 1
    spawn = multiprocessing.get_context("spawn")
    shares = [share for first in range(count) if (share := backwards[first::count])]
    processes = [
        spawn.Process(target=make_recipes, args=(place, share, os.getpid()), daemon=True) for share in shares
    ]
    for process in processes:
        process.start()
    try:
        yield
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.join(GRACE_SECONDS)
            process.kill()
            process.join()


def make_recipes(place: Place, recipes: Sequence[Recipe], parent: int) -> None:
    """Make recipes while the process that asked for it lives; what fails, fails there too and is told."""
    from packager.quiet import load_tensorflow

    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    load_tensorflow()
    pipeline = place.pipeline()
    for recipe in recipes:
        if os.getppid() != parent:
            return
        # Stock tools raise whatever they like.
        with suppress(Exception):
            pipeline.report(recipe)
