"""A builder that computes its figures from the recipe, so that hundreds of trials cost nothing."""

from packager.search.limits import Limits
from packager.search.study import Purpose, Search, open_study
from packager.search.trial import Figures

LIMITS = Limits(max_bytes=40_000, max_skill_loss_percent=2.0)
PURPOSE = Purpose(("tflite",), "tiny", 4, "teacher-key")
SIZES = {"channels": 32, "context": 64, "per_lead": 6, "linear": 16, "hidden": (96, 48)}


class Figured:
    """Larger students lose less; every step saves bytes and costs skill."""

    def __init__(self):
        self.built = []

    def build(self, document, rung):
        self.built.append(document)
        sizes = document["student"]
        parameters = sizes["channels"] * 100 + sizes["context"] * 200 + sum(sizes["hidden"]) * 50
        bits = {"fp16": 16, "w8": 8, "w8a8": 8, "mixed": 6, "w4": 4}[document["export"]["quantization"]]
        loss = round(20_000 / parameters + 4 / bits + 0.3 * len(document["steps"]), 4)
        rung("short", loss + 2)
        rung("steps", loss)
        return Figures(
            wire_bytes=int(parameters * bits / 8 * 0.9 ** len(document["steps"])) + 9000,
            skill_loss_percent=loss,
            microseconds=parameters / 1000,
            multiplications=parameters * 48,
            parameters=parameters,
        )


class Broken:
    """Raises the same at every trial."""

    def __init__(self, error):
        self.error = error

    def build(self, document, rung):
        raise self.error


def make_search(storage, builder=None, *, name="study", purpose=PURPOSE, limits=LIMITS, **options):
    study = open_study(storage, name, purpose, **options)
    return Search(study, builder or Figured(), purpose, limits, trial_epochs=purpose.epochs)
