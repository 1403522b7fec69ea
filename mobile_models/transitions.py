"""Which step is allowed from which state, and for whom.

Services, their errors and the admin read these tables: one per kind of row, with a line per step that a
person takes. What follows from a step (a release becomes live or superseded, a rollout complete) has no line:
nobody asks for it.
"""

from dataclasses import dataclass

from django.conf import settings
from django.contrib.auth.models import User

from mobile_models import selectors
from mobile_models.errors import NotPermitted, ParameterInvalid, TransitionNotAllowed
from mobile_models.models import Bundle, Release, Rollout

Row = Bundle | Release | Rollout
_R, _O, _B = Release.State, Rollout.State, Bundle.State
OFFERED = selectors.OFFERED
OPEN = (_O.SCHEDULED, *OFFERED)
CAN_BE_ROLLED_OUT = (_R.APPROVED, _R.LIVE, _R.SUPERSEDED)


@dataclass(frozen=True, slots=True)
class Action:
    """A step: the name of its service and of its permission, and the states that it is taken from."""

    name: str
    label: str
    states: tuple[str, ...]
    needs_reason: bool = False
    grave: bool = False

    @property
    def permission(self) -> str:
        """What `User.has_perm` is asked."""
        return f"mobile_models.{self.name}"


REGISTER = Action("register_bundle", "Register", ())
DRAFT = Action("create_release", "Draft a release", ())

REVERIFY = Action("reverify_bundle", "Verify again", tuple(_B))
REVOKE = Action("revoke_bundle", "Revoke", tuple(_B), needs_reason=True, grave=True)

SUBMIT = Action("submit_release", "Submit for review", (_R.DRAFT,))
RETURN = Action("return_release", "Return to draft", (_R.IN_REVIEW,), needs_reason=True)
APPROVE = Action("approve_release", "Approve", (_R.IN_REVIEW,))
START = Action("start_rollout", "Start rollout", CAN_BE_ROLLED_OUT)
WITHDRAW = Action(
    "withdraw_release",
    "Withdraw",
    tuple(state for state in _R if state != _R.WITHDRAWN),
    needs_reason=True,
    grave=True,
)

WIDEN = Action("widen_rollout", "Widen", (_O.ACTIVE,))
PAUSE = Action("pause_rollout", "Pause", (_O.ACTIVE,))
RESUME = Action("resume_rollout", "Resume", (_O.PAUSED,))
HALT = Action("halt_rollout", "Halt", OPEN, needs_reason=True, grave=True)
ROLL_BACK = Action("roll_back", "Roll back", (*OFFERED, _O.HALTED), needs_reason=True, grave=True)

BUNDLE = (REVERIFY, REVOKE)
RELEASE = (SUBMIT, RETURN, APPROVE, START, WITHDRAW)
ROLLOUT = (WIDEN, PAUSE, RESUME, HALT, ROLL_BACK)


def actions_of(row: Row) -> tuple[Action, ...]:
    """Every step that rows of this kind know."""
    if isinstance(row, Bundle):
        return BUNDLE
    return RELEASE if isinstance(row, Release) else ROLLOUT


def possible(row: Row) -> list[Action]:
    """The steps that the row's state allows, whoever asks."""
    if isinstance(row, Bundle) and hasattr(row, "revocation"):
        return []
    return [action for action in actions_of(row) if row.state in action.states]


def allowed(row: Row, user: User) -> list[Action]:
    """The steps that the row's state allows and this person may take: just the buttons to show."""
    return [
        action
        for action in possible(row)
        if user.has_perm(action.permission) and not barred(action, row, user)
    ]


def barred(action: Action, row: Row, by: User | None) -> str:
    """Why two-person approval keeps somebody from approving; empty when it does not."""
    if action != APPROVE or not isinstance(row, Release) or not settings.TWO_PERSON_APPROVAL:
        return ""
    if by is None:
        return "Approval needs a second person (TWO_PERSON_APPROVAL), not the system. Approve in the admin."
    if by.pk in (row.made_by_id, row.submitted_by_id):
        return (
            f"{by} made or submitted release {row.version}; approval needs a second person "
            "(TWO_PERSON_APPROVAL). Ask another approver."
        )
    return ""


def check(action: Action, row: Row, by: User | None, reason: str = "") -> None:
    """Refuse a step that is not allowed.

    Raises:
        NotPermitted: the person lacks the permission, or must leave this to another person.
        TransitionNotAllowed: the row's state does not allow it; names the steps that it allows.
        ParameterInvalid: the step needs a reason and none was given.
    """
    check_permission(action, by)
    if action not in possible(row):
        raise TransitionNotAllowed(_not_allowed(action, row))
    if refusal := barred(action, row, by):
        raise NotPermitted(refusal)
    if action.needs_reason and not reason.strip():
        raise ParameterInvalid(
            f"reason: none was given; {action.name} needs one, which is kept in the audit log. Say why."
        )


def check_permission(action: Action, by: User | None) -> None:
    """Refuse a person without the permission; None is the system, which has all of them.

    Raises:
        NotPermitted: the person lacks it.
    """
    if by is not None and not by.has_perm(action.permission):
        raise NotPermitted(
            f"{by} may not {action.name}; that takes the permission {action.permission}. "
            "Ask somebody who has it, or an administrator for it."
        )


def _not_allowed(action: Action, row: Row) -> str:
    kind = type(row).__name__
    revoked = isinstance(row, Bundle) and hasattr(row, "revocation")
    state = "revoked" if revoked else _in_words(row.state)
    names = ", ".join(step.name for step in possible(row)) or "nothing, this is its last state"
    wanted = " or ".join(_in_words(state) for state in action.states)
    return f"{kind} {row} is {state}; {action.name} needs {wanted}. Allowed now: {names}."


def _in_words(state: str) -> str:
    return state.replace("_", " ")
