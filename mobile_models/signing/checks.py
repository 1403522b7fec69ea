"""What production must not start with: keys that guard nothing, keys that others can read, no repository."""

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.exceptions import ImproperlyConfigured

from mobile_models.errors import KeyRefused
from mobile_models.signing import store
from mobile_models.signing.online import online_signer
from mobile_models.signing.roles import TIMESTAMP

NO_REPOSITORY = (
    "There is no repository of signed metadata, so no phone can take a model. Run `manage.py keys init "
    "--keys 3 --threshold 2`."
)
DEVELOPMENT_KEYS = (
    "The repository is signed with development keys, which lie beside it and guard nothing. Replace them "
    "with `manage.py keys rotate`, or begin with an empty database and `manage.py keys init`."
)


@register(Tags.security, deploy=True)
def check_repository(**_: Any) -> list[CheckMessage]:
    """For `manage.py check --deploy`."""
    return [Error(text, id=f"signing.{code}") for code, text in _problems()]


def refuse_unsafe_start() -> None:
    """Called where a web process starts: production without keys that guard something does not.

    Raises:
        ImproperlyConfigured: with everything that is wrong.
    """
    if not settings.PRODUCTION:
        return
    found = [text for _, text in _problems()]
    if found:
        raise ImproperlyConfigured(" ".join(found))


def _problems() -> Iterator[tuple[str, str]]:
    if not store.is_initialised():
        yield "E001", NO_REPOSITORY
        return
    charter = store.charter()
    if charter.development:
        yield "E002", DEVELOPMENT_KEYS
    try:
        online_signer(charter.roles[TIMESTAMP].keys)
    except KeyRefused as error:
        yield "E003", f"The online key cannot be used, so nothing can be published. {error}"
