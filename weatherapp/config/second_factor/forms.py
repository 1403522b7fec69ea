"""The form that asks for a code."""

from typing import Any

from django import forms
from django.contrib.auth.models import User
from django_otp.models import Device
from unfold.widgets import UnfoldAdminTextInputWidget

from weatherapp.config.second_factor import services

WRONG = (
    "This code is wrong, was used before, or came too soon after a wrong one. Wait for the next code, then "
    "try again."
)


class CodeForm(forms.Form):
    """A code of the authenticator, or one of the recovery codes."""

    code = forms.CharField(
        max_length=20,
        widget=UnfoldAdminTextInputWidget(
            attrs={"autocomplete": "one-time-code", "autofocus": True, "spellcheck": "false"}
        ),
    )

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user
        self.device: Device | None = None

    def clean_code(self) -> str:
        """Remember the device that gave the code."""
        code = str(self.cleaned_data["code"])
        self.device = self.look(code)
        if self.device is None:
            raise forms.ValidationError(WRONG)
        return code

    def look(self, code: str) -> Device | None:
        """The confirmed device that gave it."""
        return services.verified_device(self.user, code)


class FirstCodeForm(CodeForm):
    """The first code of an authenticator that is being set up."""

    def look(self, code: str) -> Device | None:
        """The new authenticator, which the code confirms."""
        return services.confirm_authenticator(self.user, code.replace(" ", ""))
