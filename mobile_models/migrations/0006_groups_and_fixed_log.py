"""Make the groups, and let the database itself refuse to change the audit log."""

from django.contrib.auth.management import create_permissions
from django.db import migrations

from mobile_models.groups import make_groups

TABLE = "mobile_models_auditentry"
SAYS = "the audit log only grows"
# Rows are removed by flushing only: SQLite does that row by row, PostgreSQL by TRUNCATE, which asks no row.
TRIGGERS = {
    "sqlite": [
        f"CREATE TRIGGER audit_log_is_fixed BEFORE UPDATE ON {TABLE} BEGIN SELECT RAISE(ABORT, '{SAYS}'); END"
    ],
    "postgresql": [
        f"CREATE FUNCTION refuse_audit_change() RETURNS trigger AS $$ BEGIN RAISE EXCEPTION '{SAYS}'; END $$ "
        "LANGUAGE plpgsql",
        f"CREATE TRIGGER audit_log_is_fixed BEFORE UPDATE OR DELETE ON {TABLE} "
        "FOR EACH ROW EXECUTE FUNCTION refuse_audit_change()",
    ],
}
UNDO = {
    "sqlite": ["DROP TRIGGER audit_log_is_fixed"],
    "postgresql": [f"DROP TRIGGER audit_log_is_fixed ON {TABLE}", "DROP FUNCTION refuse_audit_change()"],
}


def groups(apps, schema_editor):
    # Django makes permissions after the last migration; the groups need them now.
    for label in ("auth", "mobile_models"):
        config = apps.get_app_config(label)
        config.models_module = True
        create_permissions(config, verbosity=0, using=schema_editor.connection.alias, apps=apps)
        config.models_module = None
    using = schema_editor.connection.alias
    make_groups(
        apps.get_model("auth", "Permission").objects.using(using), apps.get_model("auth", "Group").objects.using(using)
    )


def fix(apps, schema_editor):
    for statement in TRIGGERS.get(schema_editor.connection.vendor, []):
        schema_editor.execute(statement)


def loosen(apps, schema_editor):
    for statement in UNDO.get(schema_editor.connection.vendor, []):
        schema_editor.execute(statement)


class Migration(migrations.Migration):

    dependencies = [
        ("mobile_models", "0005_steps"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [
        migrations.RunPython(groups, migrations.RunPython.noop),
        migrations.RunPython(fix, loosen),
    ]
