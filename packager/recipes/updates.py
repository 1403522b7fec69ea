"""Kinds of retraining and of transfer: how much of a student may move, and what its update may then cost."""

from dataclasses import dataclass

from packager.errors import RecipeInvalid


@dataclass(frozen=True, slots=True)
class UpdateMode:
    """One kind of retraining, or of transfer to a region.

    Attributes:
        name: as on the command line.
        moved_share: of the weights of the layers that may move, 0..1.
        layers: only layers whose names start so may move; all, when empty.
        epochs: of each of the two rounds: looking for the weights to move, and moving them.
        learning_rate: the highest.
        goal_percent: patch against the full bundle's bytes on the wire.
        parts: what of these layers may move: "weights" (biases and matrices), "biases", or "shared" (biases,
            and the values that the weights of clustered matrices share).
        hard_share: weight of what really happened; the rest is the teacher, who knows no region better.
    """

    name: str
    moved_share: float
    goal_percent: float
    layers: str = ""
    epochs: int = 1
    learning_rate: float = 5e-4
    parts: str = "weights"
    hard_share: float = 0.1


UPDATE_MODES = {
    mode.name: mode
    for mode in (
        UpdateMode("routine", moved_share=0.25, goal_percent=30.0),
        UpdateMode("light", moved_share=0.08, goal_percent=12.0),
        UpdateMode("head", moved_share=0.03, goal_percent=2.0, layers="body_out"),
    )
}

# A region has few cases, and they are what the teacher does not know: many epochs, mostly of what happened.
TRANSFER_MODES = {
    mode.name: mode
    for mode in (
        UpdateMode(
            "biases",
            moved_share=0.5,
            goal_percent=5.0,
            layers="body_out",
            epochs=6,
            learning_rate=5e-3,
            parts="biases",
            hard_share=0.8,
        ),
        UpdateMode(
            "codebook",
            moved_share=0.4,
            goal_percent=5.0,
            layers="body_",
            epochs=6,
            learning_rate=1e-3,
            parts="shared",
            hard_share=0.8,
        ),
        UpdateMode(
            "regional",
            moved_share=0.1,
            goal_percent=5.0,
            layers="body_out",
            epochs=6,
            learning_rate=2e-3,
            hard_share=0.8,
        ),
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


def get_transfer_mode(name: str) -> UpdateMode:
    """A kind of transfer by name.

    Raises:
        RecipeInvalid: lists the names that exist.
    """
    if name not in TRANSFER_MODES:
        raise RecipeInvalid(f"Mode {name!r} is not known; choose one of {', '.join(TRANSFER_MODES)}.")
    return TRANSFER_MODES[name]
