"""The rows of delivery, by what they are about."""

from mobile_models.models.audit import AuditEntry
from mobile_models.models.bundles import Bundle, Delta, Revocation
from mobile_models.models.releases import Release
from mobile_models.models.reports import ReportBatch, ReportCount, RolloutHealth
from mobile_models.models.rollouts import CHANNEL_NAME, DEFAULT_CHANNEL, Channel, Rollout
from mobile_models.models.signing import Metadata, PendingMetadata, TargetDocument

__all__ = [
    "CHANNEL_NAME",
    "DEFAULT_CHANNEL",
    "AuditEntry",
    "Bundle",
    "Channel",
    "Delta",
    "Metadata",
    "PendingMetadata",
    "Release",
    "ReportBatch",
    "ReportCount",
    "Revocation",
    "Rollout",
    "RolloutHealth",
    "TargetDocument",
]
