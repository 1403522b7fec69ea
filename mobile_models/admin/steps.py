"""Buttons for the steps that a row's state and a person's permissions allow, as `transitions` has them."""

from collections.abc import Callable, Mapping
from typing import Any, cast

from django.contrib.admin.checks import ModelAdminChecks
from django.contrib.auth.models import User
from django.db.models import Model
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from unfold.decorators import action
from unfold.enums import ActionVariant

from mobile_models import transitions
from mobile_models.admin_base import OperatedAdmin, finish
from mobile_models.errors import DeliveryError, ParameterInvalid
from mobile_models.forms import RemarkDialog
from mobile_models.transitions import Action

Given = Mapping[str, Any]


class SteppedAdmin(OperatedAdmin):
    """Rows that have states. The buttons are the steps that are allowed now; the services check again."""

    expected_errors = (DeliveryError,)
    # Unfold's own look for the permissions in the database, which has none before the first `migrate`.
    checks_class = ModelAdminChecks

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """The buttons of a page."""
        row = self.get_object(request, str(object_id))
        names = {step.name for step in transitions.allowed(row, cast("User", request.user))} if row else set()
        prefix = f"{self.opts.app_label}_{self.opts.model_name}_"
        return [
            button
            for button in self._get_base_actions_detail()
            if button.action_name.removeprefix(prefix) in names or self.shows(request, row, button)
        ]

    def shows(self, request: HttpRequest, row: Model | None, button: Any) -> bool:
        """Whether a button that is no transition is there."""
        return False


def step(
    taken: Action,
    run: Callable[..., Any],
    *,
    icon: str,
    said: str,
    done: str,
    form: type[Form] = RemarkDialog,
    variant: ActionVariant = ActionVariant.DEFAULT,
) -> Any:
    """A button with its dialog.

    Args:
        taken: the transition; its permission guards the dialog, too.
        run: takes the row, who asks and what the dialog gave.
        icon: of Material Symbols.
        said: what the step means, in the dialog.
        done: what is said afterwards; `{row}` is the row.
        form: the dialog's fields.
        variant: the button's colour.
    """
    dialog = {
        "title": taken.label,
        "description": said,
        "form_class": form,
        "form_submit_text": taken.label,
        "grave": taken.grave,
    }

    def perform(self: SteppedAdmin, request: HttpRequest, asked: Form, object_id: str) -> HttpResponse:
        row = self.row_or_404(request, object_id)
        given = {name: value for name, value in asked.cleaned_data.items() if not name.startswith("_")}
        try:
            return finish(
                request,
                lambda: run(row, by=request.user, **given),
                done,
                self.expected_errors,
                row=row,
                within_dialog=(ParameterInvalid,),
            )
        except ParameterInvalid as error:
            asked.add_error(None, str(error))
            context = {"dialog": dialog, "form": asked, "form_submit_text": taken.label}
            return render(request, "unfold/helpers/dialog.html", context)

    perform.__name__ = taken.name
    return action(
        description=taken.label,
        url_path=taken.name.replace("_", "-"),
        icon=icon,
        permissions=[taken.permission],
        variant=variant,
        dialog=dialog,
    )(perform)
