"""What the web process carries."""

import subprocess
import sys

HEAVY = ("tensorflow", "tf_keras", "coremltools", "torch", "sklearn", "pyarrow", "litert_quantizer")
PROGRAM = f"""
import sys
from weatherapp.config.wsgi import application
from django.test import Client
from django.urls import get_resolver
get_resolver().url_patterns
assert Client().get("/healthz", headers={{"host": "localhost"}}).status_code == 200
print([name for name in {HEAVY!r} if name in sys.modules])
"""


def test_the_web_process_imports_nothing_that_trains_or_converts(tmp_path):
    # Another process: this one may have imported anything.
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={"SKYFOLD_VAR": str(tmp_path), "DJANGO_SETTINGS_MODULE": "weatherapp.config.settings"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.strip() == "[]"
