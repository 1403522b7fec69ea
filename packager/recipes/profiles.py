"""Profiles: how much training a run of the whole job may cost."""

from dataclasses import dataclass
from typing import Any

from packager.errors import RecipeInvalid


@dataclass(frozen=True, slots=True)
class Profile:
    """How long the teacher and the students train, and on how many cases artifacts are scored.

    Attributes:
        name: as on the command line.
        stride: hours between training init times.
        members: lead decoders in the teacher.
        teacher_epochs: of each member.
        student_epochs: of distillation.
        scored_cases: held-out cases of each split on which every artifact is run.
        teacher: sizes of a member, where they differ from the default.
        student: sizes of the student, where a recipe says nothing.
    """

    name: str
    stride: int
    members: int
    teacher_epochs: int
    student_epochs: int
    scored_cases: int
    teacher: tuple[tuple[str, Any], ...] = ()
    student: tuple[tuple[str, Any], ...] = ()


STUDENT = (("channels", 32), ("context", 64), ("per_lead", 4), ("linear", 16), ("hidden", (64, 32)))

PROFILES = {
    profile.name: profile
    for profile in (
        Profile(
            "demo",
            stride=3,
            members=3,
            teacher_epochs=6,
            student_epochs=6,
            scored_cases=1000,
            student=STUDENT,
        ),
        Profile(
            "full",
            stride=1,
            members=5,
            teacher_epochs=8,
            student_epochs=40,
            scored_cases=4000,
            student=STUDENT,
        ),
    )
}


def get_profile(name: str) -> Profile:
    """A profile by name.

    Raises:
        RecipeInvalid: lists the names that exist.
    """
    if name not in PROFILES:
        raise RecipeInvalid(f"Profile {name!r} is not known; choose one of {', '.join(PROFILES)}.")
    return PROFILES[name]
