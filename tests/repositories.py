"""Repositories of signed metadata for tests, in milliseconds."""

from pathlib import Path
from typing import Any

from mobile_models.signing import services


def make_repository(tmp_path: Path, settings: Any) -> bytes:
    """A development repository whose keys lie below `tmp_path`; gives the root that an app embeds."""
    settings.KEYS_DIR = tmp_path / "keys"
    settings.TUF_ONLINE_PASSPHRASE_FILE = settings.KEYS_DIR / "online.passphrase"
    settings.TUF_ONLINE_KEY = []
    services.init_development()
    return services.trusted_root()
