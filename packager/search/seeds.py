"""What a study tries first: what the sensitivity of a plain student suggests, and the named recipes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from packager.recipes import get_recipe, parse_recipe, recipe_names
from packager.search.limits import Limits
from packager.search.space import (
    CLUSTER_BITS,
    EXPORTS,
    MIXED_LOSS,
    SPARSITY,
    Values,
    nearest,
    recipe_document,
    values_of,
)

MOST_SEEDS = 10
MOST_CLUSTERS, FOUR_BITS = 256, 4


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
    # Those of a tier first: they are what is to be beaten.
    for recipe in sorted(map(get_recipe, recipe_names()), key=lambda recipe: recipe.tier is None):
        values = values_of(recipe, sizes) if recipe.export.format in targets else None
        if values is not None:
            found.append(Seed(values, f"recipe {recipe.name}"))
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
        sensitivity: a `packager.compress.sensitivity.Sensitivity`.
        limits: the loss that is allowed.
    """
    seeds = []
    for target in targets:
        plain = plain_values(target, sizes)
        for share in (0.5, 1.0):
            loss = share * limits.max_skill_loss_percent
            origin = f"sensitivity at {loss:g} %"
            # What a layer does not bear, it is spared: the step would else do it to all layers alike.
            spared = dict.fromkeys(sensitivity.layers, 0.0)
            seeds += _sparse_seed(plain, sensitivity.sparsities(loss), spared, origin)
            seeds += _clustered_seed(plain, sensitivity.clusters(loss), list(spared), origin)
            seeds += _mixed_seed(plain, sensitivity.bits(loss), loss, origin)
    return seeds


def _sparse_seed(
    plain: Values, by_layer: Mapping[str, float], spared: Mapping[str, float], origin: str
) -> list[Seed]:
    if not by_layer:
        return []
    middle = sorted(by_layer.values())[len(by_layer) // 2]
    layers = dict(spared) | dict(by_layer)
    values = plain | {"prune_weights": True, "sparsity": nearest(middle, SPARSITY), "distil_share": 0.7}
    return [Seed(values, f"{origin}, zeros by layer", {"prune_weights": {"per_layer": layers}})]


def _clustered_seed(
    plain: Values, by_layer: Mapping[str, int], all_layers: Sequence[str], origin: str
) -> list[Seed]:
    if not by_layer:
        return []
    middle = sorted(by_layer.values())[len(by_layer) // 2]
    layers = dict.fromkeys(all_layers, MOST_CLUSTERS) | dict(by_layer)
    bits = min(max(middle.bit_length() - 1, CLUSTER_BITS[0]), CLUSTER_BITS[1])
    values = plain | {"cluster": True, "cluster_bits": bits, "distil_share": 0.7}
    return [Seed(values, f"{origin}, shared values by layer", {"cluster": {"per_layer": layers}})]


def _mixed_seed(plain: Values, by_layer: Mapping[str, int], loss: float, origin: str) -> list[Seed]:
    """Layers of four bits, where the export can hold them and a layer bears them."""
    if plain["format"] != "tflite" or all(bits > FOUR_BITS for bits in by_layer.values()):
        return []
    values = plain | {"quantization": "mixed", "mixed_precision": True, "distil_share": 0.7}
    return [Seed(values | {"mixed_loss": nearest(loss, MIXED_LOSS)}, f"{origin}, bits by layer")]
