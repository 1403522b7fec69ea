"""`python -m packager`: train, package, verify and inspect without Django."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from packager.commands import card, compare, search, sensitivity, transfer
from packager.commands.arguments import (
    add_data_arguments,
    add_model_arguments,
    add_teacher_arguments,
    foreign_models,
)
from packager.errors import PackagerError, RuntimeUnavailable
from packager.recipes import (
    UPDATE_MODES,
    find_recipe,
    get_profile,
    get_recipe,
    get_update_mode,
    recipe_names,
)
from packager.recipes.tiers import TIERS_FILE

EXIT_CANNOT_RUN, EXIT_REFUSED = 1, 2
EXAMPLES = """examples:
  python -m packager recipes
  python -m packager train --profile demo
  python -m packager package tflite_w8a8 coreml_pal4 --out bundles
  python -m packager compare --recipes tflite_w8a8 tflite_w8a8_pcqat coreml_pal4
  python -m packager search --budget-minutes 30 --max-bytes 45000 --max-skill-loss 1.0
  python -m packager sensitivity phone_mid
  python -m packager retrain --from bundles --mode light --dataset newer.parquet --out bundles-next
  python -m packager card tflite_w8a8
  python -m packager inspect bundles/tflite_w8a8.bundle
  python -m packager verify bundles/tflite_w8a8.bundle
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        0; or, after one sentence on standard error: 2 for a refusal, 1 where this machine cannot judge.
    """
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except RuntimeUnavailable as error:
        sys.stderr.write(f"packager: {error}\n")
        return EXIT_CANNOT_RUN
    except (PackagerError, OSError) as error:
        sys.stderr.write(f"packager: {error}\n")
        return EXIT_REFUSED
    except KeyboardInterrupt:
        sys.stderr.write(
            "packager: stopped; finished stages are kept and the same command goes on from there.\n"
        )
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m packager",
        description="Fold a server weather model into variants that fit a phone; check each by running it.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    _add_builders(commands)
    _add_readers(commands)
    for module in (card, compare, search, sensitivity, transfer):
        module.add_parser(commands)
    return parser


def _add_builders(commands: Any) -> None:
    """train, package and retrain."""
    train = _command(
        commands, "train", _train, "train the teacher and the student, with scores beside the baselines"
    )
    package = _command(
        commands, "package", _package, "build bundles with recipes; trains first what is not trained yet"
    )
    package.add_argument(
        "recipes",
        nargs="+",
        metavar="RECIPE",
        help="a name that `recipes` lists, or the path of a .yaml file",
    )
    package.add_argument(
        "--gates", type=Path, default=TIERS_FILE, metavar="FILE",
        help="limits by tier, in place of packager/recipes/tiers.yaml",
    )  # fmt: skip
    package.add_argument(
        "--out", type=Path, default=Path("var/bundles"), help="folder for the bundles (default: %(default)s)"
    )
    again = _command(
        commands, "retrain", _retrain, "train released bundles further, so that their update is a small patch"
    )
    again.add_argument(
        "--from", dest="released", nargs="+", type=Path, required=True, metavar="BUNDLE",
        help="released bundles, or a folder of them; --work must be where they were built",
    )  # fmt: skip
    again.add_argument(
        "--mode", default="routine", help=f"one of {', '.join(UPDATE_MODES)} (default: %(default)s)"
    )
    again.add_argument("--out", type=Path, required=True, help="folder for the retrained bundles")
    for command in (train, package, again):
        add_data_arguments(command)
    for command in (train, package):
        add_teacher_arguments(command)
    add_model_arguments(package)


def _add_readers(commands: Any) -> None:
    """verify, inspect and recipes: what trains nothing."""
    verify = _command(
        commands, "verify", _verify, "run a bundle's artifact against its golden vectors and manifest"
    )
    inspect = _command(commands, "inspect", _inspect, "show what a bundle is, without running it")
    for command in (verify, inspect):
        command.add_argument("bundle", type=Path, metavar="BUNDLE")
        command.add_argument("--json", action="store_true", help="print a JSON document")
    recipes = _command(commands, "recipes", _recipes, "list the recipes with their limits")
    recipes.add_argument("--json", action="store_true", help="print a JSON document")


def _command(commands: Any, name: str, run: Any, help_text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=help_text, description=help_text[0].upper() + help_text[1:] + "."
    )
    parser.set_defaults(run=run)
    return parser


def _pipeline(options: argparse.Namespace, progress: Any) -> Any:
    from packager.pipeline import Pipeline
    from packager.quiet import load_tensorflow

    load_tensorflow()
    return Pipeline(
        options.work,
        get_profile(options.profile),
        dataset_file=options.dataset,
        progress=progress,
        **foreign_models(options),
    )


def _train(options: argparse.Namespace) -> None:
    from packager.console import console, progress_bars, scores_table

    with progress_bars() as progress:
        pipeline = _pipeline(options, progress)
        baselines, teacher = pipeline.baselines(), pipeline.teacher()
        student = pipeline.student(get_recipe("tflite_fp16"))
    console.print(pipeline.quality.table())
    if untaught := pipeline.data().facts["outputs_without_targets"]:
        console.print(
            f"[bold red]No training window has a target for {', '.join(untaught)}: what the models say of it "
            "means nothing. Ingest a feed that reports it."
        )
    for split in ("unseen_station", "unseen_period"):
        rows = {name: scores[split]["values"] for name, scores in baselines.facts.items()}
        for stage in (teacher, student):
            rows[stage.name] = stage.facts["scores"][split]["values"]
            if "scores_without_guidance" in stage.facts:
                rows[f"{stage.name}, no guidance"] = stage.facts["scores_without_guidance"][split]["values"]
        console.print(scores_table(rows, pipeline.contract, split=split, bucket="1-24"))
    print(f"Teacher: {teacher.folder}\nStudent: {student.folder}")  # noqa: T201


def _package(options: argparse.Namespace) -> None:
    from packager.console import console, progress_bars, variants_table

    recipes = [find_recipe(name, tiers=options.gates) for name in options.recipes]
    rows = []
    with progress_bars() as progress:
        pipeline = _pipeline(options, progress)
        for recipe in recipes:
            rows.append(pipeline.report(recipe))
            progress(recipe.name, 1.0, "bundled" if rows[-1]["bundled"] else "refused")
    console.print(variants_table(rows))
    _write_bundles(rows, options.out)


def _retrain(options: argparse.Namespace) -> None:
    from packager.console import console, progress_bars, updates_table
    from packager.quiet import load_tensorflow
    from packager.retrain import Retraining, find_base, recipes_of
    from packager.workspace import Workspace

    mode, profile = get_update_mode(options.mode), get_profile(options.profile)
    base = find_base(Workspace(options.work), options.released)
    load_tensorflow()
    rows = []
    with progress_bars() as progress:
        retraining = Retraining(
            options.work, profile, dataset_file=options.dataset, progress=progress, base=base, mode=mode
        )
        for recipe in recipes_of(base):
            rows.append(retraining.update(recipe))
            progress(recipe.name, 1.0, "bundled" if rows[-1]["bundled"] else "refused")
    console.print(updates_table(rows, mode))
    _write_bundles(rows, options.out)


def _write_bundles(rows: list[dict[str, Any]], folder: Path) -> None:
    from packager.archive import write_atomically

    folder.mkdir(parents=True, exist_ok=True)
    for row in rows:
        if row["bundled"]:
            target = folder / f"{row['name']}.bundle"
            write_atomically(target, Path(row["path"]).read_bytes())
            print(target)  # noqa: T201
    refused = [f"{row['name']}: {row['reason']}" for row in rows if not row["bundled"]]
    if refused:
        raise PackagerError("Not bundled. " + " ".join(refused))


def _verify(options: argparse.Namespace) -> None:
    from packager.verify.artifact import verify_bundle

    report = verify_bundle(options.bundle)
    if options.json:
        print(json.dumps(report.as_json(), indent=2))  # noqa: T201
        return
    print(f"{options.bundle.name}: good. {report.variant}, {report.members} members, sha256 {report.sha256}")  # noqa: T201
    for precision, differences in report.max_abs_difference.items():
        worst = ", ".join(f"{name} {value:.3g}" for name, value in differences.items())
        print(f"  {report.golden_cases} golden cases replayed in {precision}; largest differences: {worst}")  # noqa: T201


def _inspect(options: argparse.Namespace) -> None:
    from packager.bundle import open_bundle, wire_size

    bundle = open_bundle(options.bundle)
    if options.json:
        print(json.dumps(bundle.manifest, indent=2, ensure_ascii=False))  # noqa: T201
        return
    manifest = bundle.manifest
    lines = {
        "name": f"{manifest['name']} {manifest['variant']} ({manifest['format']})",
        "sha256": bundle.sha256,
        "size": f"{bundle.size} bytes, {wire_size(options.bundle)} on the wire",
        "contract": f"{manifest['contract']['name']} version {manifest['contract']['version']}",
        "needs": ", ".join(f"{engine} {version}" for engine, version in manifest["engine_min"].items()),
        "skill loss": f"{manifest['scores'].get('skill_loss_percent', '?')} % against the teacher",
        "golden": f"{bundle.golden['cases']} cases",
        "dataset": manifest["provenance"]["dataset"]["sha256"],
        "licence": manifest["licence"],
    }
    for label, value in lines.items():
        print(f"{label:<11} {value}")  # noqa: T201
    for member, facts in manifest["files"].items():
        print(f"  {facts['size']:>9} {member}")  # noqa: T201


def _recipes(options: argparse.Namespace) -> None:
    recipes = [get_recipe(name) for name in recipe_names()]
    if options.json:
        print(json.dumps([dict(recipe.document) for recipe in recipes], indent=2))  # noqa: T201
        return
    for recipe in recipes:
        wire = f"{recipe.gates.max_wire_kib:.0f} KiB on the wire" if recipe.gates.max_wire_kib else "any size"
        print(f"{recipe.name:<27} {recipe.summary}")  # noqa: T201
        steps = ", ".join(step.name for step in recipe.steps)
        limits = f"{wire}, {recipe.gates.max_skill_loss_percent} % skill loss. {recipe.gates.reason}"
        print(f"{'':<27} {f'{steps}; ' if steps else ''}limits: {limits.strip()}")  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
