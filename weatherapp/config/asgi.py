"""The ASGI entry point."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "weatherapp.config.settings")
application = get_asgi_application()

# What follows needs the applications to be loaded.
from mobile_models.signing.checks import refuse_unsafe_start  # noqa: E402

refuse_unsafe_start()
