"""Which format a model from elsewhere has, by what is in it; its name only where the content does not say."""

import json
import zipfile
from pathlib import Path

from packager.errors import TeacherRefused

HDF5, TFLITE = b"\x89HDF\r\n\x1a\n", b"TFL3"
ALLOWED = (
    "a Keras 3 `.keras` file, a tf_keras `.keras` or `.h5` file, a SavedModel folder, an ONNX `.onnx` file, "
    "a "
    "torch.export `.pt2` file or a TorchScript `.pt` or `.ts` file"
)


def detect_format(path: Path) -> str:
    """One of the keys of `FORMATS` in `packager.teacher.foreign`.

    Raises:
        TeacherRefused: nothing is there, or it is none of the formats.
    """
    if path.is_dir():
        if (path / "saved_model.pb").is_file():
            return "saved_model"
        raise _refused(path, "is a folder without saved_model.pb")
    if not path.is_file():
        raise TeacherRefused(f"{path} does not exist. Give {ALLOWED}.")
    with path.open("rb") as file:
        head = file.read(8)
    if head == HDF5:
        return _of_keras_version(path, _h5_version(path))
    if zipfile.is_zipfile(path):
        return _in_archive(path)
    if head[4:] == TFLITE:
        raise _refused(path, "is a TFLite file, made for phones and not to learn from")
    if path.suffix == ".onnx":
        return "onnx"
    raise _refused(path, "is none of the known formats")


def _in_archive(path: Path) -> str:
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        if "config.json" in names and "metadata.json" in names:
            metadata = json.loads(archive.read("metadata.json"))
            return _of_keras_version(path, str(metadata.get("keras_version", "")))
    if any(name.endswith(("/archive_format", "serialized_exported_program.json")) for name in names):
        return "pt2"
    if any(name.endswith("/constants.pkl") for name in names):
        return "torchscript"
    if any(name.endswith("/data.pkl") for name in names):
        why = "holds pickled weights or a pickled module, without a program; use torch.export.save"
        raise _refused(path, why)
    raise _refused(path, "is a zip archive of something else")


def _h5_version(path: Path) -> str:
    import h5py

    with h5py.File(path, "r") as file:
        if "model_config" not in file.attrs:
            raise _refused(path, "holds weights without a model; save the whole model, not its weights")
        return str(file.attrs.get("keras_version", "2"))


def _of_keras_version(path: Path, version: str) -> str:
    if version.startswith("3"):
        return "keras"
    if version.startswith("2"):
        return "tf_keras"
    raise _refused(path, f"was saved by Keras {version or 'of no version'}, and 2 and 3 can be read")


def _refused(path: Path, why: str) -> TeacherRefused:
    return TeacherRefused(f"{path.name} {why}. Allowed is {ALLOWED}: save the model as one of these.")
