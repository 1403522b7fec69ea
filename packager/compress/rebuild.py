"""Make a student again with other sizes."""

from collections.abc import Mapping
from typing import Any

from packager.errors import RecipeInvalid
from packager.student.lead_decoder import LeadDecoderConfig


def config_of(description: Mapping[str, Any]) -> LeadDecoderConfig:
    """The sizes of a student.

    Raises:
        RecipeInvalid: the model is no single lead decoder.
    """
    if description["kind"] != "lead_decoder":
        raise RecipeInvalid(
            f"Steps that change the graph need one lead decoder; this model is of kind "
            f"{description['kind']}. Use a recipe whose source is student."
        )
    return LeadDecoderConfig.from_dict(description["members"][0])


def with_config(description: Mapping[str, Any], config: LeadDecoderConfig) -> dict[str, Any]:
    """The description of a student of other sizes; all else stays."""
    return dict(description) | {"members": [config.to_dict()]}
