"""Report tokens: signed, random, and about no device. They say only what a batch must agree with."""

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from secrets import token_urlsafe

from django.core import signing

from mobile_models.errors import ReportTokenRefused

LIFETIME = timedelta(hours=48)
LONGEST = 400
SALT = "mobile_models.reports"
HEADER = re.compile(r"Report ([\x21-\x7e]+)")


@dataclass(frozen=True, slots=True)
class Token:
    """A token that this server issued."""

    channel: str
    platform: str
    sha256: str
    expires: datetime


def issue(channel: str, platform: str) -> tuple[str, datetime]:
    """A fresh token and when it ends."""
    content = {"channel": channel, "platform": platform, "random": token_urlsafe(12)}
    return signing.dumps(content, salt=SALT), datetime.now(UTC) + LIFETIME


def read(authorization: str | None) -> Token:
    """The token of a request's `Authorization` header.

    Raises:
        ReportTokenRefused: there is none, it has ended, or this server did not issue it.
    """
    match = HEADER.fullmatch(authorization or "")
    if not match or len(match[1]) > LONGEST:
        raise ReportTokenRefused(
            "Authorization: allowed is `Report` with a token. Ask /v1/reports/token for one."
        )
    text = match[1]
    try:
        content = signing.loads(text, salt=SALT, max_age=LIFETIME)
    except signing.SignatureExpired as error:
        raise ReportTokenRefused(
            "Authorization: the token has ended; tokens are good for 48 hours. "
            "Ask /v1/reports/token for another."
        ) from error
    except signing.BadSignature as error:
        raise ReportTokenRefused(
            "Authorization: this server did not issue the token. Ask /v1/reports/token for one."
        ) from error
    digest = hashlib.sha256(text.encode()).hexdigest()
    return Token(content["channel"], content["platform"], digest, datetime.now(UTC) + LIFETIME)
