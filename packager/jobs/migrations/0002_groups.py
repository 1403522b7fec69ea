"""Let the groups of delivery see packaging jobs, and those who register bundles ask for them."""

from django.contrib.auth.management import create_permissions
from django.db import migrations

from packager.jobs.groups import permit


def let_groups(apps, schema_editor):
    using = schema_editor.connection.alias
    config = apps.get_app_config("jobs")
    config.models_module = True
    create_permissions(config, verbosity=0, using=using, apps=apps)
    config.models_module = None
    permit(
        apps.get_model("auth", "Permission").objects.using(using),
        apps.get_model("auth", "Group").objects.using(using),
    )


class Migration(migrations.Migration):

    dependencies = [
        ("jobs", "0001_initial"),
        ("mobile_models", "0006_groups_and_fixed_log"),
    ]

    operations = [migrations.RunPython(let_groups, migrations.RunPython.noop)]
