"""What can go wrong in the packager. The command line turns each into one sentence and exit code 2."""


class PackagerError(Exception):
    """Root of everything the packager raises on purpose."""


class ContractInvalid(PackagerError):
    """A contract document does not say what a contract must say."""


class RecipeInvalid(PackagerError):
    """A recipe has unknown keys, wrong values or steps in an impossible order."""


class UnknownRecipe(PackagerError):
    """No recipe has this name."""


class BundleInvalid(PackagerError):
    """An archive is not a bundle, is damaged, or does not hold what its manifest says."""


class ArtifactRefused(PackagerError):
    """An artifact cannot be run, or its outputs are not what the contract or the golden vectors say."""


class RuntimeUnavailable(PackagerError):
    """This machine lacks the package that runs a format; that says nothing about the artifact."""


class GateFailed(PackagerError):
    """A variant misses a limit of its recipe."""


class ConversionFailed(PackagerError):
    """A converter refused a model or its process died."""


class TrainingFailed(PackagerError):
    """Training diverged, or the data cannot train what was asked for."""


class TeacherRefused(PackagerError):
    """A model from elsewhere cannot be run, or does not take and give what the contract says."""
