"""A phone killed before any of its file operations has a whole bundle afterwards, and updates next time."""

import json
import shutil
import subprocess
import sys

import pytest

# Each update runs in a child that dies before its nth operation on the phone's folder.
SCRIPT = """
import json, os, shutil, sys
import ai_edge_litert.interpreter
from pathlib import Path
from phone.state import State
from phone.transport import Server
from phone.trust import Trust
from phone.update import update

OPERATIONS = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir"}
address, start, folder, stride = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])

def trust():
    return Trust(folder / "trust", (folder / "root.json").read_bytes())

def attempt(die_before):
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    count = 0
    def hook(event, arguments):
        nonlocal count
        path = str(arguments[0]) if arguments else ""
        # What happens to the copy of the metadata happens to nothing that counts: one kill in it will do.
        inside = "trust.new/" in path and not path.endswith("/timestamp.json")
        if event in OPERATIONS and str(folder) in path and not inside:
            reading = event == "open" and arguments[1] == "r" or event == "open" and arguments[1] == "rb"
            count += not reading
            if count == die_before and not reading:
                os._exit(9)
    sys.addaudithook(hook)
    report = update(Server(address), State(folder), trust())
    os._exit({"installed": 0, "current": 1}.get(report.outcome, 2))

# A process is killed here, not the power cut.
os.fsync = lambda file: None

results = []
for step in range(1, 400, stride):
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(start, folder)
    died = attempt(step)
    state = State(folder)
    after = state.usable()[0] if state.record.current else None
    versions = trust().versions()
    again = attempt(-1)
    now = State(folder)
    files = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    result = {"died": died, "after": after, "again": again, "versions": versions}
    results.append({**result, "now": now.usable()[0], "files": files})
    if died != 9:
        break
print(json.dumps(results))
"""


def killed_everywhere(address, start, folder, stride):
    command = [sys.executable, "-c", SCRIPT, address, str(start), str(folder), str(stride)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("installed", [False, True])
def test_killed_before_any_file_operation(server, address, phone, bundles, tmp_path, installed):
    first = server.offer(bundles[0])
    if installed:
        assert phone.update().outcome == "installed"
    second = server.offer(bundles[1], counter=2)
    (phone.folder / "root.json").write_bytes(server.repository.first_root)

    # A phone that has nothing yet goes through the same operations: every third will do.
    results = killed_everywhere(address, phone.folder, tmp_path / "killed", 1 if installed else 3)

    assert [result["died"] for result in results[:-1]] == [9] * (len(results) - 1)
    assert results[-1]["died"] == 0
    assert len(results) > 8
    seen = {result["after"] for result in results}
    assert seen == {first if installed else None, second}
    # Trusted versions only grow, and no kill leaves one without the roots that it rests on.
    assert all(result["versions"]["root"] == 1 for result in results if result["versions"]["root"])
    for result in results:
        assert result["again"] in {0, 1}
        assert result["now"] == second
        kept = {f"bundles/{digest}.zip" for digest in ([first, second] if installed else [second])}
        assert kept <= set(result["files"])
    # An update that ends well leaves nothing over.
    assert {path for path in results[-1]["files"] if "new" in path or "partial" in path} == set()
    shutil.rmtree(tmp_path / "killed")
