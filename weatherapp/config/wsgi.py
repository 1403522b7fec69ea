"""The WSGI entry point."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "weatherapp.config.settings")
application = get_wsgi_application()

# What follows needs the applications to be loaded.
from mobile_models.signing.checks import refuse_unsafe_start  # noqa: E402

refuse_unsafe_start()
