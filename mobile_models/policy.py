"""When phones may download: a channel's words over the defaults. Pure."""

from collections.abc import Callable, Mapping
from typing import Any

from mobile_models.device import shown
from mobile_models.errors import ParameterInvalid

NETWORKS = ("unmetered", "any", "unmetered_then_any")
HOUR = 3600
DAY = 24 * HOUR
# Most phones see an unmetered network within three days. Fifty megabytes hold a bundle of the largest size as
# download, archive and unpacked. After two weeks without a check a model is old, and its user should know.
DEFAULTS: dict[str, Any] = {
    "network": "unmetered_then_any",
    "any_after_seconds": 72 * HOUR,
    "charging": False,
    "free_storage_mb": 50,
    "stale_after_seconds": 14 * DAY,
}


def parse_policy(value: object) -> dict[str, Any]:
    """A whole policy from what a channel says of it.

    Raises:
        ParameterInvalid: names the word, what was given and what is allowed.
    """
    if not isinstance(value, Mapping) or not set(value) <= set(DEFAULTS):
        raise ParameterInvalid(
            f"policy: {shown(str(value))} was given; allowed is an object with any of {', '.join(DEFAULTS)}."
        )
    policy = {**DEFAULTS, **value}
    if policy["network"] != "unmetered_then_any" and "any_after_seconds" not in value:
        policy["any_after_seconds"] = None
    for name, (fits, allowed) in RULES.items():
        if not fits(policy[name]):
            raise ParameterInvalid(
                f"policy.{name}: {shown(str(policy[name]))} was given; allowed is {allowed}."
            )
    if (policy["any_after_seconds"] is None) is (policy["network"] == "unmetered_then_any"):
        raise ParameterInvalid(
            f"policy.any_after_seconds: {policy['any_after_seconds']} was given with network "
            f"{policy['network']}; a number goes with unmetered_then_any, and null with the others."
        )
    return policy


def _whole(given: object, lowest: int, highest: int) -> bool:
    return isinstance(given, int) and not isinstance(given, bool) and lowest <= given <= highest


RULES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "network": (lambda given: isinstance(given, str) and given in NETWORKS, ", ".join(NETWORKS)),
    "any_after_seconds": (
        lambda given: given is None or _whole(given, 0, 90 * DAY),
        f"null or whole seconds up to {90 * DAY}",
    ),
    "charging": (lambda given: isinstance(given, bool), "true or false"),
    "free_storage_mb": (lambda given: _whole(given, 0, 100_000), "whole megabytes up to 100000"),
    "stale_after_seconds": (
        lambda given: _whole(given, HOUR, 365 * DAY),
        f"whole seconds from {HOUR} to {365 * DAY}",
    ),
}
