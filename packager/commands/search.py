"""`python -m packager search`: find an architecture and a recipe together, and write the best as a recipe."""

import argparse
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packager.commands.arguments import add_data_arguments, add_teacher_arguments, foreign_models
from packager.recipes import Profile, get_profile
from packager.search.errors import NothingFits, SearchInvalid
from packager.search.limits import KIB, TARGETS, Limits, check_minutes, check_targets, make_limits

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from packager.search.budget import Budget
    from packager.search.run import Plan, Run

EXAMPLES = """examples:
  python -m packager search --budget-minutes 60 --tier phone_mid
  python -m packager search --budget-minutes 480 --max-bytes 49152 --max-skill-loss 1.0 --target both
  python -m packager search --budget-minutes 480 --tier ios --target coreml --storage postgresql://host/skyfold
  python -m packager package var/search/winner.yaml
"""
STUDY_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,79}")


def add_parser(commands: Any) -> None:
    """Add the command to the parser of all commands."""
    help_text = "search architecture and recipe together; the winner is written as an ordinary recipe"
    parser: argparse.ArgumentParser = commands.add_parser(
        "search",
        help=help_text,
        description=help_text[0].upper()
        + help_text[1:]
        + ". The same command goes on where it was, and shares "
        "its study with as many others as are started with the same storage.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    _add_wishes(parser)
    _add_study(parser)
    _add_places(parser)


def _add_wishes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--budget-minutes", type=float, required=True, metavar="N",
        help="wall time of this command, the winner's full training included",
    )  # fmt: skip
    parser.add_argument("--max-bytes", type=int, metavar="B", help="of the bundle on the wire")
    parser.add_argument("--max-skill-loss", type=float, metavar="P", help="percent, against the teacher")
    parser.add_argument("--tier", help="gives the limits that are not given, and goes into the recipe")
    parser.add_argument(
        "--target", default="tflite", help=f"one of {', '.join(TARGETS)} (default: %(default)s)"
    )


def _add_study(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--study", metavar="NAME", help="name in the storage (default: from target, profile and trial epochs)"
    )
    parser.add_argument(
        "--storage", metavar="PLACE",
        help="file of a journal, or postgresql://user@host/name (default: journal.log beside --out)",
    )  # fmt: skip
    parser.add_argument(
        "--resume", action=argparse.BooleanOptionalAction, default=True,
        help="go on with a study that is there; --no-resume refuses it",
    )  # fmt: skip
    parser.add_argument(
        "--epochs", type=int, metavar="N",
        help="of all training of the winner (default: the profile's)",
    )  # fmt: skip
    parser.add_argument(
        "--trial-epochs", type=int, metavar="N",
        help="of all training of a trial (default: a third of the winner's)",
    )  # fmt: skip
    parser.add_argument(
        "--trials-only", action="store_true", help="add trials and build no winner: for every worker but one"
    )
    parser.add_argument("--seed", type=int, default=1, help="of the sampler (default: %(default)s)")


def _add_places(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--out", type=Path, default=Path("var/search/winner.yaml"),
        help="the winner's recipe; the page is index.html beside it (default: %(default)s)",
    )  # fmt: skip
    add_data_arguments(parser)
    add_teacher_arguments(parser)


def run(options: argparse.Namespace) -> None:
    """Search, and write the winners' recipes and the page.

    Raises:
        SearchInvalid: an argument is wrong.
        NothingFits: no winner for a format; the page is written all the same.
    """
    limits = make_limits(options.max_bytes, options.max_skill_loss, options.tier)
    minutes = check_minutes(options.budget_minutes)
    targets = check_targets(options.target)
    _check_rest(options)
    profile = _trained_for(get_profile(options.profile), options.epochs)
    from packager.console import progress_bars
    from packager.quiet import load_tensorflow
    from packager.search.budget import Budget
    from packager.search.run import Plan, Run
    from packager.search.winner import winner_names

    files = winner_names(options.out, targets)
    with progress_bars() as progress:
        plan = Plan(
            name=options.study or "",
            targets=targets,
            limits=limits,
            profile=profile,
            work=options.work,
            storage=options.storage or str(options.out.with_name("journal.log")),
            tier=options.tier,
            trial_epochs=options.trial_epochs,
            dataset_file=options.dataset,
            models=foreign_models(options),
            seed=options.seed,
            resume=options.resume,
            progress=progress,
        )
        plan = _named(plan, options.target)
        budget = Budget(60.0 * minutes, 0.0 if options.trials_only else plan.winner_scale)
        load_tensorflow()
        _search(Run(plan), budget, files, trials_only=options.trials_only)


def _named(plan: "Plan", target: str) -> "Plan":
    """The plan with a name for its study that says what is comparable in it."""
    from dataclasses import replace

    return plan if plan.name else replace(plan, name=f"{target}-{plan.profile.name}-{plan.epochs}")


def _trained_for(profile: Profile, epochs: int | None) -> Profile:
    from dataclasses import replace

    return profile if epochs is None else replace(profile, student_epochs=epochs)


def _check_rest(options: argparse.Namespace) -> None:
    for name in ("epochs", "trial_epochs"):
        epochs = getattr(options, name)
        if epochs is not None and epochs < 1:
            raise SearchInvalid(f"--{name.replace('_', '-')} {epochs}: give 1 epoch or more.")
    if options.study is not None and not STUDY_NAME.fullmatch(options.study):
        raise SearchInvalid(
            f"--study {options.study!r}: use letters, digits, dots, dashes and underscores, at most 80."
        )


def _search(search: "Run", budget: "Budget", files: Mapping[str, Path], *, trials_only: bool) -> None:
    from packager.console import console

    page = next(iter(files.values())).with_name("index.html")
    try:
        count = search.run_trials(budget, _teller(search.trial_limits))
        missing = [] if trials_only else _winners(search, budget, files)
    finally:
        if "search" in vars(search):
            search.write_page(page)
    console.print(_front(search))
    console.print(
        f"{count} trials in this command, {len(search.trials)} in study {search.plan.name}. Page: {page}"
    )
    for target, winner in search.winners.items():
        report = winner.report
        console.print(
            f"Winner for {target}: trial {winner.trial}, {report['bytes_on_wire']} bytes on the wire, "
            f"{report['skill_loss_percent']:.2f} % skill loss on stations that no training saw."
        )
        print(files[target])  # noqa: T201
    if missing:
        raise NothingFits(" ".join(missing))


def _winners(search: "Run", budget: "Budget", files: Mapping[str, Path]) -> list[str]:
    from packager.search.winner import write_recipe

    missing = search.find_winners(budget, {target: file.stem for target, file in files.items()})
    for target, winner in search.winners.items():
        write_recipe(winner.document, files[target])
    return missing


def _teller(limits: Limits) -> "Callable[[FrozenTrial], None]":
    from packager.console import console
    from packager.search.front import figures_of
    from packager.search.plots import describe

    def tell(trial: "FrozenTrial") -> None:
        figures = figures_of(trial)
        if figures:
            mark = "inside the limits" if limits.hold(*trial.values[:2]) else "outside"
            speed = "" if figures["microseconds"] is None else f", {figures['microseconds']:.0f} µs"
            said = (
                f"{figures['wire_bytes'] / KIB:.1f} KiB, {figures['skill_loss_percent']:.2f} %{speed}, {mark}"
            )
        else:
            said = f"{trial.state.name.lower()}: {trial.user_attrs.get('reason', '')}"
        console.print(f"trial {trial.number:<4} {said} · {describe(trial)}", soft_wrap=True)

    return tell


def _front(search: "Run") -> Any:
    from rich.table import Table

    from packager.search.front import figures_of, front
    from packager.search.plots import describe

    table = Table(title=f"Front of study {search.plan.name}", title_justify="left")
    for name in ("trial", "KiB on the wire", "skill loss %", "µs", "multiplications", "inside"):
        table.add_column(name, justify="right")
    table.add_column("recipe")
    for row in front(search.trials):
        figures = figures_of(row)
        speed = figures["microseconds"]
        table.add_row(
            str(row.number),
            f"{figures['wire_bytes'] / KIB:.1f}",
            f"{figures['skill_loss_percent']:.2f}",
            "–" if speed is None else f"{speed:.0f}",
            f"{figures['multiplications']:,}",
            "yes" if search.trial_limits.hold(*row.values[:2]) else "no",
            describe(row),
        )
    return table
