"""Server models that somebody else's program made: one adapter per format, one check for all.

A model file is code: whoever loads it runs what its author wrote. Each is therefore loaded in a process of
its own (`isolated`), which protects the job from a crash, not the machine from malice.
"""

from importlib import import_module
from pathlib import Path

from packager.errors import TeacherRefused
from packager.teacher.foreign.interface import ForeignModel

# By format, the module below this package and its class.
FORMATS = {
    "keras": ("keras3", "Keras3Model"),
    "tf_keras": ("tfkeras", "TfKerasModel"),
    "saved_model": ("saved_model", "SavedModel"),
    "onnx": ("onnx_model", "OnnxModel"),
    "pt2": ("exported_program", "ExportedProgram"),
    "torchscript": ("torchscript", "TorchScriptModel"),
}
TORCH_FORMATS = ("pt2", "torchscript")
TENSORFLOW_FORMATS = ("keras", "tf_keras", "saved_model")


def open_model(path: Path, format: str, *, signature: str) -> ForeignModel:  # noqa: A002 - the format's word
    """Load a model in this process.

    Args:
        path: file or folder.
        format: one of `FORMATS`.
        signature: which signature, where the format has several.

    Raises:
        TeacherRefused: its own library cannot load it.
    """
    module, name = FORMATS[format]
    adapter = getattr(import_module(f"{__name__}.{module}"), name)
    try:
        model: ForeignModel = adapter(path, signature)
    except TeacherRefused:
        raise
    except Exception as error:
        raise TeacherRefused(
            f"{path.name} cannot be loaded as {format}: {type(error).__name__}: {error}. Save it again with "
            "the "
            "library's current version, without custom layers and without stored Python code."
        ) from error
    return model


__all__ = ["FORMATS", "TENSORFLOW_FORMATS", "TORCH_FORMATS", "open_model"]
