"""The example of docs/personal-logic.md runs as it stands, without Django."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[5]


def test_the_example_runs_and_says_what_it_promises():
    guide = (ROOT / "docs" / "personal-logic.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", guide, flags=re.DOTALL)
    check = "\nimport sys\nassert not {'django', 'packager', 'tensorflow'} & set(sys.modules)\n"
    ran = subprocess.run(
        [sys.executable, "-c", example + check], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    shift, chance, text = ran.stdout.strip().split(" ", 2)
    assert 1.5 < float(shift) <= 3
    assert float(chance) == 0.6
    assert text.startswith("Today: ")
    assert "feels like" in text
    assert "Chance of rain 60–" in text
    assert "Best time for cycling: today" in text
