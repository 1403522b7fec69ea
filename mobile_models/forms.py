"""Forms of the admin."""

from typing import Any, ClassVar

from django import forms
from unfold.forms import BaseDialogForm
from unfold.widgets import (
    INPUT_CLASSES,
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from mobile_models import plan
from mobile_models.conditions import parse_conditions
from mobile_models.device import PERF_CLASSES, PLATFORMS
from mobile_models.errors import DeliveryError
from mobile_models.models import DEFAULT_CHANNEL, Bundle, Channel, Release
from mobile_models.rollout import EVERYONE

REASON_LETTERS = 500


def reason_field(*, required: bool) -> forms.CharField:
    """Why; it is kept in the audit log."""
    return forms.CharField(
        label="Reason" if required else "Remark",
        max_length=REASON_LETTERS,
        required=required,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        help_text="Kept in the audit log." if required else "Optional; kept in the audit log.",
    )


def several(choices: tuple[str, ...], label: str) -> forms.MultipleChoiceField:
    """Some of the words, or none for all."""
    return forms.MultipleChoiceField(
        choices=[(word, word) for word in choices],
        required=False,
        label=label,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
    )


def short(label: str, help_text: str = "") -> forms.CharField:
    """A short text that may be left empty."""
    return forms.CharField(
        label=label, required=False, max_length=200, help_text=help_text, widget=UnfoldAdminTextInputWidget
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


class RemarkDialog(BaseDialogForm):
    """A step that needs no reason, and may have one."""

    reason = reason_field(required=False)


class ReasonDialog(BaseDialogForm):
    """A step that needs a reason."""

    reason = reason_field(required=True)


class ApproveDialog(RemarkDialog):
    """Approve; whoever may override the gate can say why."""

    override_reason = forms.CharField(
        label="Override the failed gate because",
        required=False,
        max_length=REASON_LETTERS,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        help_text="Only where the gate failed: it is approved all the same, and this is recorded.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.request.user.has_perm("mobile_models.override_gate"):
            del self.fields["override_reason"]


class StartDialog(RemarkDialog):
    """To whom a release is offered, in which stages, from when."""

    channel = forms.ModelChoiceField(queryset=Channel.objects.all(), widget=UnfoldAdminSelectWidget)
    plan = forms.CharField(
        initial=plan.EXAMPLE,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 4, "spellcheck": "false"}),
        help_text="A line per stage. The first says “now”; the others wait, with “if healthy” for the "
        "health test, too. 100 % takes the place of what everyone has.",
    )
    starts_at = forms.DateTimeField(
        label="Starts at (UTC)",
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local", "class": " ".join(INPUT_CLASSES)}),
        help_text="Empty for at once.",
    )
    roll_back_on_halt = forms.BooleanField(
        label="Roll back when the health test halts it",
        required=False,
        initial=True,
        widget=UnfoldBooleanSwitchWidget,
    )
    platforms = several(tuple(PLATFORMS), "Platforms")
    perf_classes = several(tuple(PERF_CLASSES), "Performance classes")
    os_min = short("System from")
    os_max = short("System up to")
    app_min = short("App from")
    app_max = short("App up to")
    ram_min_mb = forms.IntegerField(
        label="Memory from (MB)", required=False, min_value=1, widget=UnfoldAdminIntegerFieldWidget
    )
    regions = short("Regions", "Two-letter codes, separated by commas.")

    field_order: ClassVar = ["channel", "plan", "starts_at", "roll_back_on_halt", "reason"]
    CONDITIONS = (
        "platforms", "perf_classes", "os_min", "os_max", "app_min", "app_max", "ram_min_mb", "regions",
    )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["channel"].initial = Channel.objects.filter(name=DEFAULT_CHANNEL).first()
        self.fields["starts_at"].input_formats = ["%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"]

    @property
    def folded(self) -> list[Any]:
        """The fields that the dialog folds away: most rollouts are for all devices."""
        return [self[name] for name in self.CONDITIONS]

    @property
    def unfolded(self) -> list[Any]:
        """The others."""
        return [field for field in self if field.name not in self.CONDITIONS]

    @property
    def folded_errors(self) -> bool:
        """Whether to unfold them: something in them is wrong."""
        return any(name in self.errors for name in self.CONDITIONS)

    def clean_regions(self) -> list[str]:
        """Codes as a list."""
        return [code.strip() for code in self.cleaned_data["regions"].split(",") if code.strip()]

    def clean(self) -> dict[str, Any]:
        """The share, the stages and the conditions as the service takes them."""
        given: dict[str, Any] = super().clean() or self.cleaned_data
        try:
            share, stages = plan.parse_plan(given.pop("plan", ""))
            wanted = {name: given.pop(name) for name in self.CONDITIONS if name in given}
            conditions = parse_conditions(wanted).document()
        except DeliveryError as error:
            self.add_error("plan" if str(error).startswith("plan") else None, str(error))
            return given
        return {**given, "basis_points": share, "stages": stages, "conditions": conditions}


class WidenDialog(RemarkDialog):
    """The new share."""

    percent = forms.DecimalField(
        label="Share in %",
        min_value=0.01,
        max_value=EVERYONE / 100,
        decimal_places=2,
        widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "decimal"}),
        help_text="More than now. Every device that has the release keeps its place.",
    )
    field_order: ClassVar = ["percent", "reason"]

    def clean(self) -> dict[str, Any]:
        """The share in basis points."""
        given: dict[str, Any] = super().clean() or self.cleaned_data
        if "percent" in given:
            given["basis_points"] = int(given.pop("percent") * 100)
        return given


class HaltDialog(ReasonDialog):
    """Halt, and perhaps go back to what was there before."""

    roll_back = forms.BooleanField(
        label="Roll back to the release before",
        required=False,
        widget=UnfoldBooleanSwitchWidget,
        help_text="Devices that have it get the older release under a new counter. Otherwise they keep it.",
    )
