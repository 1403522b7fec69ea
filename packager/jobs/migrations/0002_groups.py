"""Let the groups of delivery see packaging jobs, and those who register bundles ask for them."""

from django.contrib.auth.management import create_permissions
from django.db import migrations

MAY = {
    "viewer": ["view_packagingjob"],
    "releaser": ["view_packagingjob", "add_packagingjob"],
    "approver": ["view_packagingjob"],
    "administrator": ["view_packagingjob", "add_packagingjob"],
}


def permit(apps, schema_editor):
    using = schema_editor.connection.alias
    config = apps.get_app_config("jobs")
    config.models_module = True
    create_permissions(config, verbosity=0, using=using, apps=apps)
    config.models_module = None
    permissions = apps.get_model("auth", "Permission").objects.using(using).filter(content_type__app_label="jobs")
    for group in apps.get_model("auth", "Group").objects.using(using).filter(name__in=MAY):
        group.permissions.add(*permissions.filter(codename__in=MAY[group.name]))


class Migration(migrations.Migration):

    dependencies = [
        ("jobs", "0001_initial"),
        ("mobile_models", "0006_groups_and_fixed_log"),
    ]

    operations = [migrations.RunPython(permit, migrations.RunPython.noop)]
