"""The roles of the repository: who signs what, under which paths, and for how long.

The online key signs what changes by the hour. What a bundle is, only offline keys say: `rollout` is trusted
for `catalog/*/*` alone, so whoever steals the online key cannot bring in a digest.
"""

from datetime import datetime, timedelta

from django.conf import settings
from django.utils.timezone import now

from mobile_models.device import PLATFORMS

ROOT, TARGETS, SNAPSHOT, TIMESTAMP = "root", "targets", "snapshot", "timestamp"
ROLLOUT = "rollout"
PLATFORM_ROLES = tuple(PLATFORMS)
OFFLINE = (ROOT, TARGETS, *PLATFORM_ROLES)
# In the order in which they are made: each names the one before.
ONLINE = (ROLLOUT, SNAPSHOT, TIMESTAMP)
ROLES = (ROOT, TARGETS, *PLATFORM_ROLES, *ONLINE)

# What stands in signed metadata beside what the specification names.
DEVELOPMENT = "x-skyfold-development"
HOLDERS = "x-skyfold-holders"
AUDIT = "x-skyfold-audit"

# What the holders of keys that guard nothing are called, and their files.
DEVELOPMENT_NAME = "development"

# The setting that says for how many days a role's metadata is good.
LIFETIME_SETTINGS = {
    ROOT: "TUF_ROOT_DAYS",
    TARGETS: "TUF_TARGETS_DAYS",
    **dict.fromkeys(PLATFORM_ROLES, "TUF_TARGETS_DAYS"),
    ROLLOUT: "TUF_ROLLOUT_DAYS",
    SNAPSHOT: "TUF_SNAPSHOT_DAYS",
    TIMESTAMP: "TUF_TIMESTAMP_DAYS",
}


def delegated_paths(role: str) -> list[str]:
    """The paths that `targets` delegates to a role."""
    return ["catalog/*/*"] if role == ROLLOUT else [f"bundles/{role}/*"]


def catalog_path(platform: str, channel: str) -> str:
    """The target that says what a channel offers to a platform."""
    return f"catalog/{platform}/{channel}.json"


def bundle_path(platform: str, sha256: str) -> str:
    """The target that is a bundle's archive."""
    return f"bundles/{platform}/{sha256}.zip"


def lifetime(role: str) -> timedelta:
    """How long a role's metadata is good after it was signed."""
    return timedelta(days=getattr(settings, LIFETIME_SETTINGS[role]))


def expiry(role: str) -> datetime:
    """When metadata of a role that is signed now runs out; metadata counts in whole seconds."""
    return (now() + lifetime(role)).replace(microsecond=0)
