"""The server's settings with one more view, that does nothing: what the benchmark measures against."""

from weatherapp.config.settings import *  # noqa: F403

ROOT_URLCONF = "bench.urls"
