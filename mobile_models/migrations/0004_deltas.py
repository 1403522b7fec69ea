from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('mobile_models', '0003_reports'),
    ]

    operations = [
        migrations.AddField(
            model_name='delta',
            name='refused_because',
            field=models.TextField(blank=True, help_text='Why it was not made.'),
        ),
        migrations.AlterField(
            model_name='bundle',
            name='card_sha256',
            field=models.CharField(blank=True, db_index=True, max_length=64, verbose_name='model card'),
        ),
    ]
