import pytest
from django.contrib.auth.models import Group

from mobile_models.apps import restore_groups
from mobile_models.groups import STEPS
from tests.factories import make_user

pytestmark = pytest.mark.django_db


def codenames(name):
    return set(Group.objects.get(name=name).permissions.values_list("codename", flat=True))


def test_a_migration_made_the_groups():
    assert {"viewer", "releaser", "approver", "administrator"} <= set(
        Group.objects.values_list("name", flat=True)
    )
    for name, steps in STEPS.items():
        assert set(steps) <= codenames(name)
        assert {"view_release", "view_rollout", "view_bundle", "view_auditentry"} <= codenames(name)


def test_who_rolls_out_does_not_approve_and_who_approves_does_not_draft():
    assert not {"approve_release", "override_gate", "revoke_bundle", "roll_back"} & codenames("releaser")
    assert not {"create_release", "submit_release", "start_rollout", "override_gate"} & codenames("approver")
    assert {"override_gate", "revoke_bundle", "add_user", "change_user"} <= codenames("administrator")


def test_nobody_may_edit_rows_or_the_log_by_hand_but_an_administrator():
    for name in STEPS:
        assert not {"change_release", "delete_release", "add_rollout", "change_rollout"} & codenames(name)
    assert not make_user("eve", "administrator").has_perm("mobile_models.delete_auditentry")


def test_packaging_is_asked_for_by_who_registers_bundles():
    assert "add_packagingjob" in codenames("releaser")
    assert "add_packagingjob" not in codenames("approver")
    assert "view_packagingjob" in codenames("viewer")


def test_a_lost_group_comes_back_and_what_an_administrator_made_of_one_stays():
    Group.objects.get(name="viewer").delete()
    Group.objects.get(name="approver").permissions.clear()
    restore_groups()
    assert "view_release" in codenames("viewer")
    assert codenames("approver") == set()
