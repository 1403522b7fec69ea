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
    # An entry per feed: one that hangs or fails holds up no other. A pass that waits in the queue until the
    # next is due is not worth making.
    **{
        f"feed-{name}": {
            "task": "weatherapp.observations.tasks.ingest_feed",
            "schedule": crontab(minute=settings.FEED_MINUTES),
            "args": (name,),
            "options": {"expires": 1800},
        }
        for name in settings.FEEDS
    },
    "forecast-cycle": {
        "task": "weatherapp.forecasts.tasks.run_cycle",
        "schedule": crontab(minute=str(settings.CYCLE_MINUTE)),
    },
    # Reports come late; a run that nothing changes costs one query.
    "forecast-renewal": {"task": "weatherapp.forecasts.tasks.renew_run", "schedule": crontab(minute="*/10")},
    # Away from the cycle, which should not wait behind it.
    "forecast-verification": {
        "task": "weatherapp.forecasts.tasks.verify_runs",
        "schedule": crontab(minute=str((settings.CYCLE_MINUTE + 25) % 60)),
    },
    # Rules are held against each run once; asking often costs two queries. What a busy worker has not taken
    # when the next message comes is dropped.
    "personal-rules": {
        "task": "weatherapp.personal.tasks.evaluate_rules",
        "schedule": 60.0,
        "options": {"expires": 60},
    },
    "personal-deliveries": {
        "task": "weatherapp.personal.tasks.sweep_deliveries",
        "schedule": 60.0,
        "options": {"expires": 60},
    },
    # Looks each minute, and weighs a rollout's reports once per window.
    "rollout-health": {
        "task": "mobile_models.tasks.evaluate_rollouts",
        "schedule": 60.0,
        "options": {"expires": 60},
    },
    "reports-forget": {
        "task": "mobile_models.tasks.forget_reports",
        "schedule": crontab(minute="51"),
    },
    # Begins what is scheduled, and takes the stages that are due.
    "rollout-stages": {
        "task": "mobile_models.tasks.advance_rollouts",
        "schedule": 60.0,
        "options": {"expires": 60},
    },
    "personal-forget": {
        "task": "weatherapp.personal.tasks.forget",
        "schedule": crontab(hour="3", minute="17"),
    },
    # What a step published already costs a comparison.
    "signed-metadata": {
        "task": "mobile_models.tasks.publish_catalogs",
        "schedule": 60.0,
        "options": {"expires": 60},
    },
    "signed-metadata-forget": {
        "task": "mobile_models.tasks.forget_metadata",
        "schedule": crontab(hour="3", minute="43"),
    },
    "observations-limits": {
        "task": "weatherapp.observations.tasks.keep_to_limits",
        "schedule": crontab(hour="2", minute="41"),
    },
    # What a busy worker has not taken when the next message comes is dropped.
    "delivery-deltas": {
        "task": "mobile_models.tasks.sweep_deltas",
        "schedule": 600.0,
        "options": {"expires": 600},
    },
}
