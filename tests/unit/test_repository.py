"""What holds for the whole repository: pins, commands in guides, containers, words that must not be there."""

import re
import subprocess
import sys
from argparse import PARSER
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest
import yaml
from django.core.management import get_commands, load_command_class

ROOT = Path(__file__).resolve().parents[2]
PINNED = ("requirements.txt", "requirements-web.txt", "requirements-dev.txt")
GUIDES = ("README.md", "docs/production.md", "docs/api.md", "docs/dataset.md", "docs/adr/README.md")
NOT_OURS = {".git", "var", "node_modules", "staticfiles", "htmlcov", "__pycache__", "build", "dist"}
# Written so that these lines do not contain what they look for.
MACHINE_PATH = re.compile(r"""(?:^|[\s"'`=:(,])/(?:wor[k]|roo[t]|tm[p]|hom[e]|User[s])/""")
REGISTRY = re.compile(
    r"pypi\.or[g]|pythonhosted\.or[g]|--(?:extra-)?index-ur[l]\b|--find-link[s]\b|--trusted-hos[t]\b"
)
UNFINISHED = re.compile(r"\bTOD[O]\b|\bFIXM[E]\b|\bNotImplementedErro[r]\b")


@cache
def tracked_files():
    """The repository's files: as git knows them, or by walking in an unpacked archive."""
    if (ROOT / ".git").exists():
        command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        paths = [ROOT / name for name in listed.split("\0") if name]
    else:
        paths = [p for p in ROOT.rglob("*") if not set(p.relative_to(ROOT).parts) & NOT_OURS]
        paths = [p for p in paths if not any(part.startswith(".venv") for part in p.relative_to(ROOT).parts)]
    return [path for path in paths if path.is_file()]


@cache
def texts():
    found = {}
    for path in tracked_files():
        content = path.read_bytes()
        if b"\0" not in content:
            found[path.relative_to(ROOT).as_posix()] = content.decode()
    return found


def lines_with(pattern, suffixes=None):
    return [
        f"{name}:{number}: {line.strip()[:120]}"
        for name, text in texts().items()
        if suffixes is None or Path(name).suffix in suffixes
        for number, line in enumerate(text.splitlines(), start=1)
        if pattern.search(line)
    ]


# A tilde stands for the slash, again so that these lines do not contain what they test for.
@pytest.mark.parametrize("line", ["open('~root~x')", "cd ~work~main", "~tmp~a", "- ~home~me~skyfold"])
def test_the_search_for_machine_paths_finds_them(line):
    assert MACHINE_PATH.search(line.replace("~", "/"))


@pytest.mark.parametrize("line", ["docs/work/a", "{SKYFOLD_VAR}/work/", "see /workspace/x", "var/tmp/x"])
def test_the_search_for_machine_paths_leaves_other_paths_alone(line):
    assert not MACHINE_PATH.search(line)


def test_no_line_holds_a_path_of_one_machine():
    assert len(texts()) > 100
    assert lines_with(MACHINE_PATH) == []


def test_no_line_names_a_package_registry():
    assert lines_with(REGISTRY) == []


def test_no_program_says_that_it_is_unfinished():
    assert lines_with(UNFINISHED, {".py", ".yaml", ".toml", ".html"}) == []


def canonical(name):
    return re.sub(r"[-_.]+", "-", name).lower()


@cache
def pins(file):
    """Name → version; a line that is neither a pin nor a comment fails."""
    found = {}
    for line in (ROOT / file).read_text().splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            name, exact, wanted = line.partition("==")
            assert exact, f"{file}: {line!r} is no pin"
            assert re.fullmatch(r"[0-9][0-9A-Za-z.+!]*", wanted), f"{file}: {line!r} is no single version"
            found[canonical(name)] = wanted
    return found


def wanted_by(file):
    lines = (ROOT / file).read_text().splitlines()
    names = [re.match(r"[A-Za-z0-9_.-]+", line) for line in lines if not line.startswith(("#", "-"))]
    return {canonical(match[0]) for match in names if match}


@pytest.mark.parametrize("file", PINNED)
def test_every_package_that_is_asked_for_is_pinned(file):
    assert wanted_by(file.replace(".txt", ".in")) <= set(pins(file))
    assert len(pins(file)) > 30


@pytest.mark.parametrize("file", PINNED[1:])
def test_the_smaller_sets_have_the_versions_of_the_large_one(file):
    common = pins(file).keys() & pins(PINNED[0]).keys()
    assert common
    assert {name: pins(file)[name] for name in common} == {name: pins(PINNED[0])[name] for name in common}


def test_the_web_image_gets_no_training_framework():
    heavy = {"tensorflow", "tf-keras", "keras", "coremltools", "torch", "scikit-learn", "litert-quantizer"}
    assert not heavy & pins("requirements-web.txt").keys()
    assert heavy & pins("requirements.txt").keys()


@pytest.mark.parametrize("file", PINNED)
def test_what_is_tested_is_what_is_pinned(file):
    different = {}
    for name, wanted in pins(file).items():
        try:
            installed = version(name).partition("+")[0]
        except PackageNotFoundError:
            installed = "missing"
        if installed != wanted:
            different[name] = f"{installed}, pinned {wanted}"
    assert different == {}


@cache
def commands(guide):
    """The command lines of a guide: lines of its fenced blocks, and code in its text."""
    text = texts()[guide]
    blocks = re.findall(r"^```(?:sh|console)?\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    inline = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE))
    return [line for block in blocks for line in block.splitlines()] + inline


def mentioned(pattern):
    return sorted(
        {
            match[0]
            for guide in GUIDES
            for line in commands(guide)
            for match in [re.search(pattern, line)]
            if match
        }
    )


def test_every_make_target_of_the_guides_exists():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    asked = {command.split()[1] for command in mentioned(r"^make [a-z-]+")}
    assert {"demo", "test", "check", "bench"} <= asked
    assert asked <= targets


def test_every_management_command_of_the_guides_exists_with_its_options():
    asked = mentioned(r"manage\.py [a-z]+.*")
    assert any("quickstart" in command for command in asked)
    for command in asked:
        _, name, *arguments = command.split()
        assert name in get_commands(), command
        app = get_commands()[name]
        found = app if not isinstance(app, str) else load_command_class(app, name)
        parser = found.create_parser("manage.py", name)
        choices = [action.choices or {} for action in parser._actions if action.nargs == PARSER]
        actions = [parser, *(chosen[arguments[0]] for chosen in choices)]
        known = {option for one in actions for action in one._actions for option in action.option_strings}
        assert {argument.split("=")[0] for argument in arguments if argument.startswith("--")} <= known, (
            command
        )


@pytest.mark.parametrize(("module", "least"), [("packager", 5), ("phone", 1)])
def test_every_command_line_of_the_guides_is_accepted_by_its_program(module, least):
    asked = mentioned(rf"^python -m {module} (?!\{{).*")
    assert len(asked) >= least
    for command in asked:
        arguments = command.split()[3:]
        words = arguments[:1] if module == "packager" else []
        command_help = [sys.executable, "-m", module, *words, "--help"]
        shown = subprocess.run(command_help, cwd=ROOT, capture_output=True, text=True, check=False)
        assert shown.returncode == 0, f"{command}: {shown.stderr}"
        flags = {argument.split("=")[0] for argument in arguments if argument.startswith("--")}
        assert flags <= set(re.findall(r"--[a-z-]+", shown.stdout)), command


@pytest.mark.parametrize("guide", GUIDES)
def test_every_link_of_a_guide_leads_somewhere(guide):
    folder = (ROOT / guide).parent
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", texts()[guide])
    broken = [link for link in links if "://" not in link and not (folder / link).exists()]
    assert broken == []


def test_every_decision_is_numbered_and_listed_with_its_title():
    pages = sorted(path for path in (ROOT / "docs/adr").glob("*.md") if path.name != "README.md")
    index = texts()["docs/adr/README.md"]
    for number, page in enumerate(pages, start=1):
        heading = page.read_text().splitlines()[0]
        assert page.name.startswith(f"{number:04d}-"), page.name
        assert heading.startswith(f"# {number:04d} · "), page.name
        title = heading.partition(" · ")[2]
        assert f"| [{number:04d}]({page.name}) | {title} |" in index


@cache
def settings_variables():
    """The variables that the table in the settings' docstring names."""
    text = texts()["weatherapp/config/settings.py"]
    return set(re.findall(r"^\| `([A-Z_]+)` \|", text, re.MULTILINE)) | set(
        re.findall(r"""env\.\w+\(\s*"([A-Z_]+)\"""", text)
    )


def test_compose_sets_only_variables_that_the_settings_read():
    services = yaml.safe_load(texts()["compose.yaml"])["services"]
    for name in ("web", "worker", "beat", "migrate"):
        given = set(services[name]["environment"])
        assert {"SECRET_KEY", "DATABASE_URL", "CELERY_BROKER_URL", "ALLOWED_HOSTS"} <= given
        assert given <= settings_variables()


def test_compose_keeps_every_service_that_answers_under_a_health_check():
    document = yaml.safe_load(texts()["compose.yaml"])
    dockerfile = texts()["Dockerfile"]
    for name, service in document["services"].items():
        one_shot_or_clock = name in {"migrate", "beat"}
        own = "healthcheck" in service and not service["healthcheck"].get("disable")
        from_image = name == "web" and "HEALTHCHECK" in dockerfile
        assert own or from_image or one_shot_or_clock, name
        mounted = [volume.split(":")[0] for volume in service.get("volumes", [])]
        assert set(mounted) <= set(document["volumes"]), name


def test_compose_gives_the_online_key_to_those_who_publish_and_to_nobody_else():
    services = yaml.safe_load(texts()["compose.yaml"])["services"]
    folders = {"/var/lib/skyfold-keys", "/var/lib/skyfold-passphrase"}
    for name in ("web", "worker", "beat", "migrate"):
        mounted = {volume.split(":")[1] for volume in services[name]["volumes"]}
        assert mounted & folders == (folders if name in {"web", "worker"} else set()), name
    given = services["web"]["environment"]
    assert "PRODUCTION" in given
    assert {given["KEYS_DIR"], given["TUF_ONLINE_PASSPHRASE_FILE"].rpartition("/")[0]} == folders
    # A volume takes its owner from the image's folder.
    assert all(folder in texts()["Dockerfile"] for folder in folders)


def test_every_target_that_compose_builds_is_in_the_dockerfile():
    services = yaml.safe_load(texts()["compose.yaml"])["services"].values()
    built = {service["build"]["target"] for service in services if "build" in service}
    assert built == {"web", "packager"}
    assert built <= set(re.findall(r"^FROM .* AS (\w+)$", texts()["Dockerfile"], re.MULTILINE))


def test_the_images_get_every_package_that_the_server_imports():
    allowed = set(re.findall(r"^!(\S+)$", texts()[".dockerignore"], re.MULTILINE))
    packages = {name.split("/")[0] for name in texts() if name.endswith("/__init__.py")} - {"tests"}
    assert packages
    assert packages | {"manage.py", "requirements.txt", "requirements-web.txt"} <= allowed
