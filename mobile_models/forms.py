"""Forms of the admin."""

from typing import Any, ClassVar

from django import forms
from unfold.forms import BaseDialogForm
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from mobile_models.models import DEFAULT_CHANNEL, Bundle, Channel, Release, Rollout
from mobile_models.rollout import EVERYONE


def share_field(label: str = "Share in basis points") -> forms.IntegerField:
    """A share of a channel."""
    return forms.IntegerField(
        label=label,
        min_value=1,
        max_value=EVERYONE,
        initial=EVERYONE,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text="100 is one per cent, 10000 is everyone.",
    )


class ReleaseForm(forms.ModelForm):
    """Draft a release; its version is given by the date."""

    bundles = forms.ModelMultipleChoiceField(
        queryset=Bundle.objects.filter(state=Bundle.State.VERIFIED),
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="One of each variant, and the server's own model.",
    )
    notes = forms.CharField(required=False, widget=UnfoldAdminTextareaWidget)

    class Meta:
        model = Release
        fields: ClassVar = ["bundles", "notes"]

    def _save_m2m(self) -> None:
        """The service has set the bundles."""


class RolloutForm(forms.ModelForm):
    """Start a rollout."""

    basis_points = share_field()

    class Meta:
        model = Rollout
        fields: ClassVar = ["release", "channel", "basis_points"]


class StartDialog(BaseDialogForm):
    """To whom a release is offered."""

    channel = forms.ModelChoiceField(queryset=Channel.objects.all(), widget=UnfoldAdminSelectWidget)
    basis_points = share_field()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["channel"].initial = Channel.objects.filter(name=DEFAULT_CHANNEL).first()


class WidenDialog(BaseDialogForm):
    """The new share."""

    basis_points = share_field()


class ReasonDialog(BaseDialogForm):
    """Why."""

    reason = forms.CharField(max_length=500, widget=UnfoldAdminTextInputWidget)
