"""People: who may do what, and what to do for somebody who lost the second factor."""

from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from django.db.models import Exists, OuterRef, QuerySet
from django.forms import Form
from django.http import Http404, HttpRequest, HttpResponse
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice
from unfold.admin import ModelAdmin
from unfold.decorators import action, display
from unfold.enums import ActionVariant
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from mobile_models.admin_base import finish
from weatherapp.config.second_factor import services

# Secrets are nobody's to look at: each person has a page for the own second factor.
for secret in (TOTPDevice, StaticDevice):
    admin.site.unregister(secret)
for row in (User, Group):
    admin.site.unregister(row)


@admin.register(User)
class PersonAdmin(UserAdmin, ModelAdmin):
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "groups_said", "is_active", "second_factor", "last_login")
    filter_horizontal = ()
    list_filter = ("is_active", "groups")
    readonly_fields: ClassVar = ["second_factor", "last_login", "date_joined"]
    fieldsets: ClassVar = [
        (None, {"fields": ["username", "password", "second_factor"]}),
        ("Person", {"fields": ["first_name", "last_name", "email"]}),
        # What people may do comes from their groups alone, so that it can be told at a glance.
        ("May", {"fields": ["is_active", "is_staff", "is_superuser", "groups"]}),
        ("Times", {"fields": ["last_login", "date_joined"]}),
    ]
    actions_detail: ClassVar = ["reset_second_factor"]

    @display(description="Groups")
    def groups_said(self, person: User) -> str:
        names = ", ".join(group.name for group in person.groups.all())
        return "everything (superuser)" if person.is_superuser else names or "–"

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """A superuser is changed by superusers only: whoever may set their password is one."""
        if obj is not None and obj.is_superuser and not request.user.is_superuser:
            return False
        return bool(super().has_change_permission(request, obj))

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> list[str]:
        """Nobody makes a superuser who is none."""
        return [*self.readonly_fields, *([] if request.user.is_superuser else ["is_superuser"])]

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        people: QuerySet[User] = super().get_queryset(request)
        enrolled = TOTPDevice.objects.filter(user=OuterRef("pk"), confirmed=True)
        return people.annotate(enrolled=Exists(enrolled)).prefetch_related("groups")

    @display(description="Second factor", boolean=True)
    def second_factor(self, person: User) -> bool:
        return bool(getattr(person, "enrolled", False))

    def has_reset_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """As for changing the person: a superuser's second factor is reset by superusers only."""
        person = self.get_object(request, str(object_id)) if object_id else None
        return self.has_change_permission(request, person)

    @action(
        description="Reset second factor",
        url_path="reset-second-factor",
        icon="lock_reset",
        permissions=["reset"],
        variant=ActionVariant.DANGER,
        dialog={
            "title": "Reset this person's second factor",
            "description": "For somebody who lost authenticator and recovery codes. Be sure who asks.",
            "form_class": None,
            "form_submit_text": "Reset",
        },
    )
    def reset_second_factor(self, request: HttpRequest, form: Form, object_id: str) -> HttpResponse:
        person = self.get_object(request, object_id)
        if person is None:
            raise Http404(f"There is no person {object_id!r}.")
        return finish(request, lambda: services.turn_off(person), f"{person} needs the password alone now.")


@admin.register(Group)
class PeopleGroupAdmin(GroupAdmin, ModelAdmin):
    pass
