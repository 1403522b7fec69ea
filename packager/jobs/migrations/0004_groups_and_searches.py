"""Let the groups that see or ask for packaging jobs see or ask for searches."""

from django.contrib.auth.management import create_permissions
from django.db import migrations

from packager.jobs.groups import permit_searches


def let_groups(apps, schema_editor):
    using = schema_editor.connection.alias
    config = apps.get_app_config("jobs")
    config.models_module = True
    create_permissions(config, verbosity=0, using=using, apps=apps)
    config.models_module = None
    permit_searches(
        apps.get_model("auth", "Permission").objects.using(using),
        apps.get_model("auth", "Group").objects.using(using),
    )


class Migration(migrations.Migration):

    dependencies = [("jobs", "0003_searches")]

    operations = [migrations.RunPython(let_groups, migrations.RunPython.noop)]
