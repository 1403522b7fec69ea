"""What earlier steps did to a student that later ones and the exporters must keep.

It stands in the student's description under `state`: plain values, by layer.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class State:
    """What is special about a student's weights.

    Attributes:
        sparse: layers whose zeros were chosen; they must stay zero.
        clusters: by layer, how many values its weights share; equal weights must stay equal.
        precision: by layer, the bits that its weights are to be stored in (4, 8 or 16).
        rounded: layers that learned with simulated int8 rounding.
        steps: what was done so far, in order: name, options, facts.
    """

    sparse: tuple[str, ...] = ()
    clusters: Mapping[str, int] = field(default_factory=dict)
    precision: Mapping[str, int] = field(default_factory=dict)
    rounded: tuple[str, ...] = ()
    steps: tuple[Mapping[str, Any], ...] = ()


def read_state(description: Mapping[str, Any]) -> State:
    """The state in a student's description; empty where no step was done."""
    values = dict(description.get("state", {}))
    for name in ("sparse", "rounded", "steps"):
        values[name] = tuple(values.get(name, ()))
    return State(**values)


def with_state(description: Mapping[str, Any], state: State) -> dict[str, Any]:
    """The description with another state."""
    plain = {k: list(v) if isinstance(v, tuple) else dict(v) for k, v in asdict(state).items()}
    return dict(description) | {"state": plain}
