"""`python -m bench.compare`: the ten-minute version of `python -m packager compare`.

A smaller teacher, few recipes, few peers, few cases: it shows that every part runs and where the points lie
to each other. The goals are those of the full comparison, which judges them; what is printed here says only
how far a few epochs come.
"""

import os
import sys
from pathlib import Path

from packager.commands.compare import summary_table
from packager.console import console, progress_bars
from packager.errors import PackagerError
from packager.quiet import load_tensorflow
from packager.recipes import Profile, get_recipe
from packager.recipes.profiles import STUDENT

ROOT = Path(__file__).resolve().parents[1]
FOLDER = Path(os.environ.get("SKYFOLD_VAR", ROOT / "var")) / "bench-compare"
PROFILE = Profile(
    "bench",
    stride=6,
    members=2,
    teacher_epochs=2,
    student_epochs=4,
    scored_cases=300,
    student=STUDENT,
)
RECIPES = ("tflite_fp16", "tflite_w8a8", "coreml_pal4", "coreml_int8", "server_fp32")
STOCK = (
    "stock_tflite_int8_member",
    "stock_litert_dynamic_student",
    "stock_coreml_kmeans4_member",
    "stock_coreml_kmeans4_student",
)


def main() -> int:
    load_tensorflow()
    from packager.comparison.ahead import Place, default_workers, helpers
    from packager.comparison.peers import PEERS
    from packager.comparison.run import Comparison

    try:
        recipes = [get_recipe(name) for name in RECIPES] + [PEERS[name].recipe for name in STOCK]
        with progress_bars() as progress:
            place = Place(FOLDER / "work", PROFILE)
            pipeline = place.pipeline(progress)
            pipeline.teacher()
            comparison = Comparison(pipeline, FOLDER)
            with helpers(place, recipes, default_workers()):
                comparison.run(recipes, progress)
    except PackagerError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    console.print(summary_table(comparison.rows))
    print("Recipes and stock peers, a short run:")
    for goal in comparison.goals():
        print(f"  {goal}")
    print(FOLDER / "index.html")
    return 0


if __name__ == "__main__":
    sys.exit(main())
