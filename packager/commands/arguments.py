"""Arguments that several commands share."""

import argparse
from pathlib import Path
from typing import Any

from packager.recipes import PROFILES


def add_data_arguments(parser: argparse.ArgumentParser) -> None:
    """How much to train, on what, and where finished stages are."""
    parser.add_argument(
        "--profile", default="demo", help=f"one of {', '.join(PROFILES)} (default: %(default)s)"
    )
    parser.add_argument(
        "--dataset",
        type=Path,
        metavar="FILE",
        help="NAME.parquet of hourly observations, with the guidance of NAME.guidance.parquet where that "
        "lies beside it (default: the reference dataset)",
    )
    parser.add_argument(
        "--work",
        type=Path,
        default=Path("var/work"),
        metavar="FOLDER",
        help="folder of finished stages (default: %(default)s)",
    )


def add_teacher_arguments(parser: argparse.ArgumentParser) -> None:
    """Let a model from elsewhere stand in the place of our own teacher."""
    parser.add_argument(
        "--teacher", type=Path, metavar="FILE",
        help="teach with this model instead of training one: Keras .keras or .h5, a SavedModel folder, "
        ".onnx, torch.export .pt2, TorchScript .pt or .ts; it runs what its author wrote (docs/teachers.md)",
    )  # fmt: skip
    parser.add_argument(
        "--teacher-contract", type=Path, metavar="FILE",
        help="its side file, which maps its tensors (default: NAME.contract.json beside it)",
    )  # fmt: skip


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """A small model from elsewhere, for the recipes that convert it as it is."""
    parser.add_argument(
        "--model", type=Path, metavar="FILE", help="the .pt2 file that recipes named torch_* convert"
    )
    parser.add_argument(
        "--model-contract", type=Path, metavar="FILE",
        help="its side file (default: NAME.contract.json beside it)",
    )  # fmt: skip


def foreign_models(options: argparse.Namespace) -> dict[str, Any]:
    """The keyword arguments that a pipeline takes for these arguments, whichever of them a command has."""
    return {
        "teacher_file": getattr(options, "teacher", None),
        "teacher_contract": getattr(options, "teacher_contract", None),
        "model_file": getattr(options, "model", None),
        "model_contract": getattr(options, "model_contract", None),
    }
