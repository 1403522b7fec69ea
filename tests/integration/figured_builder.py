"""In the place of `packager.search.trial.TrialBuilder`: figures computed from the recipe, nothing trained."""

import time

from packager.compress.sensitivity import Sensitivity
from tests.unit.packager.search.searching import Figured

TRIAL_SECONDS = 0.2


class FiguredBuilder(Figured):
    """Takes what the real one takes."""

    def __init__(self, work, profile, limits, *, dataset_file=None, progress=None, **models):
        super().__init__()
        self.progress = progress

    def prepare(self):
        return "teacher-key"

    def sensitivity(self, document):
        return Sensitivity((), 1.0, 1)

    def plain_loss(self, document):
        return 0.0

    def build(self, document, rung):
        self.progress("student", 0.5, f"training {document['name']}")
        time.sleep(TRIAL_SECONDS)
        return super().build(document, rung)
