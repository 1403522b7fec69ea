"""The Celery application; the beat schedule names every task that runs by the clock."""

import os

from celery import Celery
from celery.schedules import crontab
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "weatherapp.config.settings")

app = Celery("skyfold")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

app.conf.beat_schedule = {
    "sweep-packaging-jobs": {"task": "packager.jobs.tasks.sweep_jobs", "schedule": 30.0},
    "forecast-cycle": {
        "task": "weatherapp.forecasts.tasks.run_cycle",
        "schedule": crontab(minute=str(settings.CYCLE_MINUTE)),
    },
}
