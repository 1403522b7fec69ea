"""What can be done to the repository of signed metadata. Each service owns its transaction."""

from mobile_models.signing.changes import renew, revoke, rotate, sign_waiting
from mobile_models.signing.founding import (
    Ring,
    development_signers,
    found_repository,
    init_development,
    init_repository,
    trusted_root,
)
from mobile_models.signing.pending import drop_all as cancel
from mobile_models.signing.publishing import publish, publish_soon
from mobile_models.signing.releases import require_signed, sign_release
from mobile_models.signing.store import is_initialised
from mobile_models.signing.upkeep import forget, refresh

__all__ = [
    "Ring",
    "cancel",
    "development_signers",
    "forget",
    "found_repository",
    "init_development",
    "init_repository",
    "is_initialised",
    "publish",
    "publish_soon",
    "refresh",
    "renew",
    "require_signed",
    "revoke",
    "rotate",
    "sign_release",
    "sign_waiting",
    "trusted_root",
]
