"""The winner: the best trial inside the limits, trained in full, verified, and written as a recipe."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from optuna.trial import FrozenTrial

from packager.archive import write_atomically
from packager.pipeline import Pipeline
from packager.recipes import Recipe, parse_recipe
from packager.search.errors import NothingFits, SearchInvalid
from packager.search.front import inside, nearest
from packager.search.limits import KIB, Limits
from packager.search.ownership import EXTRA
from packager.search.space import Values, recipe_document

NAME = re.compile(r"[a-z][a-z0-9_]*")
REASON = "The limits that were given to the search which found this recipe."
# Two trainings of one recipe differ: where the best trial does not hold, the next ones may.
MOST_CANDIDATES = 3


@dataclass(frozen=True)
class Winner:
    """A recipe that keeps its limits when it is trained in full.

    Attributes:
        trial: number of the trial that found it.
        document: the recipe.
        report: as `Pipeline.report` gives it: figures on the held-out splits, and the bundle's path.
    """

    trial: int
    document: Mapping[str, Any]
    report: Mapping[str, Any]


def winner_names(out: Path, targets: Sequence[str]) -> dict[str, Path]:
    """By format, the file of its winner: `out` itself, or one beside it for each of two formats.

    Raises:
        SearchInvalid: the file's name cannot be a recipe's.
    """
    if out.suffix != ".yaml" or not NAME.fullmatch(out.stem):
        raise SearchInvalid(
            f"--out {out.name}: a recipe is called as its file; use small letters, digits and underscores, "
            "and the ending .yaml."
        )
    if len(targets) == 1:
        return {targets[0]: out}
    return {target: out.with_name(f"{out.stem}_{target}.yaml") for target in targets}


def find_winner(
    pipeline: Pipeline,
    trials: Sequence[FrozenTrial],
    limits: Limits,
    trial_limits: Limits,
    *,
    target: str,
    name: str,
    tier: str | None,
    has_time: Callable[[], bool],
) -> Winner:
    """Train the best trials of a format in full until one keeps the limits.

    Args:
        pipeline: of the whole profile.
        trials: of the study.
        limits: what it must keep, on stations that no training saw.
        trial_limits: what a trial must keep after its short training.
        target: format.
        name: of the recipe.
        tier: of the recipe; None for none.
        has_time: asked before the second candidate and every later one.

    Raises:
        NothingFits: no trial keeps the limits, or none of those that were trained in full; with figures.
    """
    own = [
        trial
        for trial in trials
        if trial.user_attrs.get("recipe", {}).get("export", {}).get("format") == target
    ]
    candidates = inside(own, trial_limits)
    if not candidates:
        raise NothingFits(_nothing_inside(own, trial_limits, target))
    missed: list[str] = []
    for trial in candidates[:MOST_CANDIDATES]:
        if missed and not has_time():
            break
        document = winner_document(trial, pipeline.profile.student_epochs, limits, name=name, tier=tier)
        report = pipeline.report(parse_recipe(document))
        if report["bundled"]:
            return Winner(trial.number, document, report)
        missed.append(f"trial {trial.number}: {report['reason']}")
    raise NothingFits(
        f"Trained in full, no {target} recipe keeps the limits: {' '.join(missed)} "
        "Search for longer, or allow more bytes or loss."
    )


def winner_document(
    trial: FrozenTrial, epochs: int, limits: Limits, *, name: str, tier: str | None = None
) -> dict[str, Any]:
    """The recipe of a trial with the training of a whole profile, and the search's limits as its gates."""
    document = recipe_document(
        chosen_values(trial),
        name=name,
        summary=f"Found by a search, in its trial {trial.number}.",
        epochs=epochs,
        extra=trial.user_attrs.get(EXTRA),
    )
    gates = {
        "max_wire_kib": round(limits.max_bytes / KIB, 4),
        "max_skill_loss_percent": limits.max_skill_loss_percent,
        "reason": REASON,
    }
    return document | {"gates": gates} | ({"tier": tier} if tier else {})


def chosen_values(trial: FrozenTrial) -> Values:
    """The values of a trial; those that its export left no choice of, too."""
    values: Values = trial.user_attrs["values"]
    return values


def write_recipe(document: Mapping[str, Any], path: Path) -> Recipe:
    """Write a recipe as a file that `packager package` takes; gives it as read back."""
    text = yaml.safe_dump(dict(document), sort_keys=False, allow_unicode=True, width=110)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, text.encode())
    return parse_recipe(yaml.safe_load(text))


def _nothing_inside(own: Sequence[FrozenTrial], limits: Limits, target: str) -> str:
    wanted = f"{limits.max_bytes} bytes and {limits.max_skill_loss_percent:g} % skill loss"
    closest = nearest(own, limits)
    if closest is None:
        return f"No {target} trial was built to its end within {wanted}. Search for longer, or allow more."
    wire, loss = closest.values[:2]
    return (
        f"No {target} trial keeps {wanted}; nearest is trial {closest.number} with {wire:.0f} bytes and "
        f"{loss:.2f} %. Search for longer, or allow more bytes or loss."
    )
