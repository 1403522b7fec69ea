"""The rows of delivery, by what they are about."""

from mobile_models.models.audit import AuditEntry
from mobile_models.models.bundles import Bundle, Delta, Revocation
from mobile_models.models.releases import Release
from mobile_models.models.reports import (
    Arm,
    HealthCount,
    ReportBatch,
    ReportCount,
    ReportToken,
    RolloutHealth,
    TokenClaim,
)
from mobile_models.models.rollouts import CHANNEL_NAME, DEFAULT_CHANNEL, Channel, Rollout
from mobile_models.models.signing import Metadata, PendingMetadata, TargetDocument

__all__ = [
    "CHANNEL_NAME",
    "DEFAULT_CHANNEL",
    "Arm",
    "AuditEntry",
    "Bundle",
    "Channel",
    "Delta",
    "HealthCount",
    "Metadata",
    "PendingMetadata",
    "Release",
    "ReportBatch",
    "ReportCount",
    "ReportToken",
    "Revocation",
    "Rollout",
    "RolloutHealth",
    "TargetDocument",
    "TokenClaim",
]
