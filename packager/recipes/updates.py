"""Kinds of retraining: how much of a released student may move, and what its update may then cost."""

from dataclasses import dataclass

from packager.errors import RecipeInvalid


@dataclass(frozen=True, slots=True)
class UpdateMode:
    """One kind of retraining.

    Attributes:
        name: as on the command line.
        moved_share: of the weights of the layers that may move, 0..1.
        layers: only layers whose names start so may move; all, when empty.
        epochs: of each of the two rounds: looking for the weights to move, and moving them.
        learning_rate: the highest.
        goal_percent: patch against the full bundle's bytes on the wire.
    """

    name: str
    moved_share: float
    goal_percent: float
    layers: str = ""
    epochs: int = 1
    learning_rate: float = 5e-4


UPDATE_MODES = {
    mode.name: mode
    for mode in (
        UpdateMode("routine", moved_share=0.25, goal_percent=30.0),
        UpdateMode("light", moved_share=0.08, goal_percent=12.0),
        UpdateMode("head", moved_share=0.2, goal_percent=2.0, layers="body_out_"),
    )
}


def get_update_mode(name: str) -> UpdateMode:
    """A kind of retraining by name.

    Raises:
        RecipeInvalid: lists the names that exist.
    """
    if name not in UPDATE_MODES:
        raise RecipeInvalid(f"Mode {name!r} is not known; choose one of {', '.join(UPDATE_MODES)}.")
    return UPDATE_MODES[name]
