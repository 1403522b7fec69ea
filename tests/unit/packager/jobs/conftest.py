import sys
from types import ModuleType

import pytest

from mobile_models import verification
from packager import recipes
from packager.verify.artifact import verify_bundle
from tests.factories import build_bundle


@pytest.fixture(autouse=True)
def store(settings, tmp_path, monkeypatch):
    settings.BLOBS_DIR = tmp_path / "blobs"
    settings.WORK_DIR = tmp_path / "work"
    # The verifier's process is tested where it is started.
    monkeypatch.setattr(verification, "verify_archive", verify_bundle)
    return tmp_path


@pytest.fixture(autouse=True)
def names(monkeypatch):
    monkeypatch.setattr(recipes, "deliverable_names", lambda: ["coreml_fp16", "tflite_w8a8"], raising=False)


@pytest.fixture
def sent(monkeypatch):
    """What the queue was told: (task id, arguments)."""
    from packager.jobs.tasks import build_bundle as task

    messages = []
    monkeypatch.setattr(task, "apply_async", lambda args, task_id: messages.append((task_id, *args)))
    return messages


@pytest.fixture
def builder(settings, monkeypatch):
    """Puts a function in the place of the pipeline."""

    def install(function):
        module = ModuleType("builder_for_tests")
        module.build = function
        monkeypatch.setitem(sys.modules, module.__name__, module)
        settings.PACKAGING_BUILDER = f"{module.__name__}.build"

    return install


@pytest.fixture
def good_builder(builder):
    def build(recipe_name, *, work, progress):
        progress("train", 0.25, "epoch 1")
        progress("export", 0.75, "converting")
        return build_bundle(work / "made.zip", variant=recipe_name)

    builder(build)
