"""What a study tries first: what the sensitivity of a plain student suggests, and the named recipes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from packager.recipes import get_recipe, parse_recipe, recipe_names
from packager.search.limits import Limits
from packager.search.space import EXPORTS, Values, recipe_document, values_of

MOST_SEEDS = 10


@dataclass(frozen=True, slots=True)
class Seed:
    """Values to try, where they are from, and options beside them by step."""

    values: Values
    origin: str
    extra: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def recipe_seeds(targets: Sequence[str], sizes: Mapping[str, Any]) -> list[Seed]:
    """The named recipes, as far as the search space has what they are made of.

    Args:
        targets: formats that are searched.
        sizes: of the student, where a recipe says nothing.
    """
    found = []
    for name in recipe_names():
        recipe = get_recipe(name)
        values = values_of(recipe, sizes) if recipe.export.format in targets else None
        if values is not None:
            found.append(Seed(values, f"recipe {name}"))
    return found


def first_seeds(seeds: Iterable[Seed], most: int = MOST_SEEDS) -> list[Seed]:
    """So many seeds, each combination of values once."""
    kept: list[Seed] = []
    for seed in seeds:
        if all((seed.values, seed.extra) != (other.values, other.extra) for other in kept):
            kept.append(seed)
    return kept[:most]


def plain_values(target: str, sizes: Mapping[str, Any]) -> Values:
    """Values of a student of the usual sizes without steps, exported as the first choice of a format."""
    option, stored = EXPORTS[target]
    document = {
        "name": f"{target}_plain",
        "summary": "A student without any step.",
        "source": "student",
        "export": {"format": target, option: stored[0]},
    }
    values = values_of(parse_recipe(document), sizes)
    assert values is not None, f"the space holds the plain export of {target}"  # noqa: S101
    return values


def plain_document(target: str, sizes: Mapping[str, Any], epochs: int) -> dict[str, Any]:
    """The recipe whose student is analysed."""
    return recipe_document(
        plain_values(target, sizes),
        name=f"{target}_plain",
        summary="A student without any step.",
        epochs=epochs,
    )


def sensitivity_seeds(
    targets: Sequence[str], sizes: Mapping[str, Any], sensitivity: Any, limits: Limits
) -> list[Seed]:
    """What each layer bears, at half the allowed loss and at all of it.

    Args:
        targets: formats that are searched.
        sizes: of the student that was analysed.
        sensitivity: with `sparsities` and `clusters`, each of a loss in percent, by layer.
        limits: the loss that is allowed.
    """
    seeds = []
    for target in targets:
        plain = plain_values(target, sizes)
        for share in (0.5, 1.0):
            loss = share * limits.max_skill_loss_percent
            origin = f"sensitivity at {loss:g} %"
            seeds += _sparse_seed(plain, sensitivity.sparsities(loss), origin)
            seeds += _clustered_seed(plain, sensitivity.clusters(loss), origin)
    return seeds


def _sparse_seed(plain: Values, by_layer: Mapping[str, float], origin: str) -> list[Seed]:
    layers = {name: round(float(value), 3) for name, value in by_layer.items() if value > 0}
    if not layers:
        return []
    middle = sorted(layers.values())[len(layers) // 2]
    values = plain | {"prune_weights": True, "sparsity": _on_grid(middle), "distil_share": 0.7}
    return [Seed(values, f"{origin}, zeros by layer", {"prune_weights": {"per_layer": layers}})]


def _clustered_seed(plain: Values, by_layer: Mapping[str, int], origin: str) -> list[Seed]:
    layers = {name: int(value) for name, value in by_layer.items() if value}
    if not layers:
        return []
    middle = sorted(layers.values())[len(layers) // 2]
    bits = min(max(middle.bit_length() - 1, 3), 6)
    values = plain | {"cluster": True, "cluster_bits": bits, "distil_share": 0.7}
    return [Seed(values, f"{origin}, shared values by layer", {"cluster": {"per_layer": layers}})]


def _on_grid(sparsity: float) -> float:
    return round(min(max(round(sparsity / 0.05) * 0.05, 0.3), 0.9), 4)
