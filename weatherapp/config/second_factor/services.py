"""The second factor of people who use the admin: an authenticator's codes, and codes on paper."""

from base64 import b32encode
from dataclasses import dataclass
from io import BytesIO

import qrcode
from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.utils.safestring import SafeString, mark_safe
from django_otp.models import Device
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice
from qrcode.image.svg import SvgPathImage

RECOVERY_CODES = 10
AUTHENTICATOR, ON_PAPER = "authenticator", "recovery codes"


@dataclass(frozen=True)
class Status:
    """What a person has."""

    enrolled: bool
    codes_left: int
    required: bool


def is_enrolled(user: User) -> bool:
    """Whether a person has confirmed an authenticator. One query."""
    return bool(TOTPDevice.objects.filter(user=user, confirmed=True).exists())


def status(user: User) -> Status:
    """What a person's page shows."""
    left = StaticToken.objects.filter(device__user=user).count()
    return Status(enrolled=is_enrolled(user), codes_left=left, required=settings.ADMIN_TOTP_REQUIRED)


def pending_authenticator(user: User) -> TOTPDevice:
    """The authenticator that a person is setting up: one secret until it is confirmed."""
    device, _ = TOTPDevice.objects.get_or_create(user=user, confirmed=False, defaults={"name": AUTHENTICATOR})
    return device


def confirm_authenticator(user: User, code: str) -> TOTPDevice | None:
    """Take the new authenticator into use if it gives this code; it takes the place of the one before."""
    with transaction.atomic():
        device = TOTPDevice.objects.select_for_update().filter(user=user, confirmed=False).first()
        if device is None or not device.verify_token(code):
            return None
        TOTPDevice.objects.filter(user=user, confirmed=True).delete()
        TOTPDevice.objects.filter(pk=device.pk).update(confirmed=True)
        device.confirmed = True
    return device


def new_recovery_codes(user: User) -> list[str]:
    """Codes that each work once; those made before no longer do."""
    with transaction.atomic():
        StaticDevice.objects.filter(user=user).delete()
        device = StaticDevice.objects.create(user=user, name=ON_PAPER, confirmed=True)
        codes = [StaticToken.random_token() for _ in range(RECOVERY_CODES)]
        StaticToken.objects.bulk_create([StaticToken(device=device, token=code) for code in codes])
    return codes


def verified_device(user: User, code: str) -> Device | None:
    """The confirmed device that gave this code, if one did.

    Digits are the authenticator's; anything else is looked for among the recovery codes, so that a mistyped
    code of one does not slow the other down. Each wrong one doubles the wait for the next.
    """
    given = code.replace(" ", "").lower()
    kind = TOTPDevice if given.isdecimal() else StaticDevice
    with transaction.atomic():
        for device in kind.objects.select_for_update().filter(user=user, confirmed=True):
            if device.verify_token(given):
                return device
    return None


def turn_off(user: User) -> None:
    """Forget a person's authenticator and recovery codes."""
    with transaction.atomic():
        TOTPDevice.objects.filter(user=user).delete()
        StaticDevice.objects.filter(user=user).delete()


def secret(device: TOTPDevice) -> str:
    """The secret to type where no camera can scan it, in groups of four."""
    text = b32encode(device.bin_key).decode().rstrip("=")
    return " ".join(text[start : start + 4] for start in range(0, len(text), 4))


def qr_code(device: TOTPDevice) -> SafeString:
    """The secret as a drawing for an authenticator's camera."""
    drawn = BytesIO()
    qrcode.make(device.config_url, image_factory=SvgPathImage, border=2).save(drawn)
    svg = drawn.getvalue().decode()
    return mark_safe(svg[svg.index("<svg") :])  # noqa: S308 - made of squares only
