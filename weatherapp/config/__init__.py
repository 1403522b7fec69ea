"""Settings, URLs and processes.

The Celery application is loaded with Django, so that `delay` finds its broker.
"""

from weatherapp.config.celery import app as celery_app

__all__ = ["celery_app"]
