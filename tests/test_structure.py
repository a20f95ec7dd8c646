"""The structure is a failing check: what must not be imported cannot be."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from functools import cache
from graphlib import CycleError, TopologicalSorter
from importlib import import_module
from pathlib import Path

import pytest

from labelsnap.formats.registry import FORMATS

ROOT = Path(__file__).parents[1]
COMMANDS = """
import sys
from flows import cli
from flows.commands import maintain, reports
from labelsnap import references
print(sorted({"pandas", "prefect", "labelbox"} & sys.modules.keys()))
"""
PACKAGES = ("labelsnap", "flows", "tasks", "config", "deploy")


def lint_imports(root):
    """What the check says of a copy of the project."""
    command = Path(sys.executable).with_name("lint-imports")
    return subprocess.run(  # noqa: S603 - our own tool
        [command, "--no-cache"], cwd=root, capture_output=True, text=True, check=False, env={"PYTHONPATH": str(root)}
    )


@pytest.fixture
def copied(tmp_path):
    """The packages and their contracts, to be broken."""
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_commands_about_versions_load_nothing_that_they_do_not_use():
    """Prefect, the SDK, and pandas, which pyarrow loads where it makes an array: each takes a good part of a second."""
    done = subprocess.run([sys.executable, "-c", COMMANDS], cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603
    assert done.stdout == "[]\n"


@pytest.mark.slow
def test_the_contracts_hold(copied):
    """Unchanged, every contract is kept."""
    outcome = lint_imports(copied)
    assert outcome.returncode == 0, outcome.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("place", "breach", "contract"),
    [
        ("labelsnap/formats/coco/writer.py", "import boto3", "are pure"),
        ("labelsnap/records/parsing/parse.py", "def late():\n    import prefect", "know Prefect"),
        ("tasks/prepare.py", "import flows.refresh", "Data flows one way"),
        ("labelsnap/masks/decoding/composite.py", "import labelsnap.storage", "Data flows one way"),
        ("labelsnap/snapshots/reading/read.py", "import deploy.sandbox", "does not know its sandbox"),
        ("labelsnap/shown.py", "import config.settings", "knows nothing of the project"),
        ("labelsnap/formats/voc.py", "import labelsnap.formats.coco.panoptic", "do not know each other"),
    ],
)
def test_a_breach_is_found(copied, place, breach, contract):
    """One import in the wrong direction, even inside a function, fails the check by the contract's name."""
    path = copied / place
    path.write_text(path.read_text(encoding="utf-8") + f"\n\n{breach}\n", encoding="utf-8")
    outcome = lint_imports(copied)
    assert outcome.returncode != 0
    broken = [line for line in outcome.stdout.splitlines() if " BROKEN" in line]
    assert any(contract in line for line in broken), outcome.stdout


@pytest.mark.parametrize("path", sorted((ROOT / "flows").glob("*.py")), ids=lambda path: path.name)
def test_no_flow_file_shadows_a_package(path):
    """Prefect puts a flow's own folder first on sys.path: a file named like a package would hide it."""
    taken = {"config", "tasks", "labelbox", "prefect", "webdataset", "deploy"}
    assert path.stem not in taken


def source_files(root=ROOT):
    """Every Python file of the product and its sandbox."""
    return sorted(path for package in PACKAGES for path in (root / package).rglob("*.py"))


@cache
def parsed(source):
    """A file's tree, which several checks look through."""
    return ast.parse(source)


def module_of(path, root=ROOT):
    """The name by which a file is imported, a package's ``__init__`` by the package's."""
    return ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")


def rooms(root):
    """Each package, with the modules that its docstring calls its doors."""
    found = {}
    for path in source_files(root):
        if path.name == "__init__.py":
            doc = ast.get_docstring(parsed(path.read_text(encoding="utf-8"))) or ""
            doors = re.search(r"^Doors: ([\w,\s]+)\.$", doc, re.MULTILINE)
            found[module_of(path, root)] = set(re.split(r",\s+", doors[1])) if doors else set()
    return found


def behind_doors(root):
    """Imports of what is in a room and is none of its doors, by modules outside of the room."""
    modules = {module_of(path, root): path for path in source_files(root)}
    doors = rooms(root)
    for importer, path in modules.items():
        found = set(imports_of(path))
        for name in sorted(found | {each.rpartition(".")[0] for each in found}):
            room, _, door = name.rpartition(".")
            inside = f"{importer}.".startswith(f"{room}.")
            if name in modules and name not in doors and room in doors and not inside and door not in doors[room]:
                yield f"{importer} imports {name}"


def test_rooms_are_entered_by_their_doors():
    """Nothing reaches behind a room's doors, and each door is a file that somebody else uses."""
    assert list(behind_doors(ROOT)) == []
    missing = [f"{room}.{door}" for room, doors in rooms(ROOT).items() for door in doors if not exists(room, door)]
    assert missing == []


def exists(room, door):
    """Whether a door is a file of the room."""
    return (ROOT / room.replace(".", "/") / f"{door}.py").is_file()


def test_who_reaches_behind_a_door_is_named(copied):
    """An import of a room's inner file from outside is found, in whatever form it is written."""
    breach = "\nfrom labelsnap.masks.decoding import sparse\nimport labelsnap.masks.decoding.scan\n"
    path = copied / "labelsnap/formats/voc.py"
    path.write_text(path.read_text(encoding="utf-8") + breach, encoding="utf-8")
    assert sorted(behind_doors(copied)) == [
        "labelsnap.formats.voc imports labelsnap.masks.decoding.scan",
        "labelsnap.formats.voc imports labelsnap.masks.decoding.sparse",
    ]


@pytest.mark.parametrize("room", sorted(rooms(ROOT)))
def test_a_room_has_a_dozen_doors(room):
    """A package has about a dozen files, and says in its first lines what it is for."""
    folder = ROOT / room.replace(".", "/")
    assert len([path for path in folder.glob("*.py") if path.name != "__init__.py"]) <= 13
    assert room == "deploy" or ast.get_docstring(parsed((folder / "__init__.py").read_text(encoding="utf-8")))


@pytest.mark.parametrize("path", source_files(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_files_stay_short(path):
    """No file grows past what can be read in one go."""
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


@pytest.mark.parametrize("path", sorted((ROOT / "tests/benchmarks").glob("[!_]*.py")), ids=lambda path: path.name)
def test_a_benchmark_uses_what_there_is(path):
    """Every benchmark can be imported, though none is run by the tests."""
    import_module(f"tests.benchmarks.{path.stem}")


def imports_of(path):
    """The name of whatever a file imports anywhere in it, also for the type check only."""
    for node in ast.walk(parsed(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def circle_among(imports):
    """The modules of one circle, each importing the one before; empty where there is none."""
    graph = {
        name: {found if found in imports else found.rpartition(".")[0] for found in wanted} - {name}
        for name, wanted in imports.items()
    }
    try:
        TopologicalSorter({name: wanted & graph.keys() for name, wanted in graph.items()}).prepare()
    except CycleError as error:
        return error.args[1]
    return []


def test_no_modules_import_each_other():
    """No module needs itself on the way over others, not for the type check either."""
    assert circle_among({module_of(path): set(imports_of(path)) for path in source_files()}) == []


def test_a_circle_is_found():
    """A circle over a package, a module and a name in one is told, and a chain is none."""
    chain = {"a": {"a.b"}, "a.b": {"c.Name"}, "c": {"os.path"}}
    assert circle_among(chain) == []
    assert set(circle_among(chain | {"c": {"a.anything"}})) == {"a", "a.b", "c"}


def test_no_step_takes_a_type_from_another():
    """What steps give to others, and to what runs them, is no step's own: such types lie in ``tasks.run``."""
    steps = {module_of(path) for path in (ROOT / "tasks").glob("*.py")} - {"tasks"}
    found = (each.rpartition(".") for path in (ROOT / "tasks").rglob("*.py") for each in imports_of(path))
    assert [f"{module}.{name}" for module, _, name in found if module in steps and is_type(name)] == []


def is_type(name):
    """Whether a name is written as those of classes are."""
    return name[0].isupper() and not name.isupper()


def environment_reads(source):
    """Whatever a module's source reads the process's environment by."""
    readers = {"environ", "environb", "getenv", "getenvb", "pydantic_settings"}
    for node in ast.walk(parsed(source)):
        match node:
            case ast.Attribute(attr=name) | ast.ImportFrom(module=name) if name in readers:
                yield name
            case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                yield from readers & {alias.name for alias in aliases}


@pytest.mark.parametrize("path", sorted((ROOT / "labelsnap").rglob("*.py")), ids=module_of)
def test_the_library_reads_no_environment(path):
    """What it goes by is handed in: see ``labelsnap.environment``."""
    assert not list(environment_reads(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    "breach",
    [
        "import os\nos.environ",
        "import os as system\nsystem.getenv('A')",
        "from os import environ",
        "from os import getenv as get",
        "def late():\n    import pydantic_settings",
        "from pydantic_settings import BaseSettings",
    ],
)
def test_a_read_of_the_environment_is_found(breach):
    """However the environment's readers are come by."""
    assert list(environment_reads(breach))


@pytest.mark.parametrize("path", sorted((ROOT / "config").glob("*.py")), ids=module_of)
def test_the_configuration_names_no_format(path):
    """What it must know of one it asks of the registry and of the format itself."""
    tree = parsed(path.read_text(encoding="utf-8"))
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    assert not texts & FORMATS.keys()
