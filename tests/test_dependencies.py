"""What is locked is listed with licences, and known faults are looked up without a run that fails for want of a net."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FAULT = {"id": "PYSEC-1", "aliases": ["GHSA-1"], "fix_versions": ["2.0"], "description": ""}


@pytest.fixture
def project(tmp_path):
    """The script in a project of two locked packages, and a function that runs it on what a tool found."""
    (tmp_path / "deploy").mkdir()
    shutil.copy(ROOT / "deploy/dependencies.py", tmp_path / "deploy")
    (tmp_path / "constraints.txt").write_text("# pinned\nmsgspec==1.0\nruamel.yaml==1.1\n", encoding="utf-8")
    (tmp_path / "deploy/allowed-faults.toml").write_text("", encoding="utf-8")

    def run(task, *found):
        paths = [tmp_path / f"found-{number}.json" for number in range(len(found))]
        for path, one in zip(paths, found, strict=True):
            path.write_text(json.dumps(one), encoding="utf-8")
        command = [sys.executable, tmp_path / "deploy/dependencies.py", task, *paths, tmp_path / "not-there.json"]
        done = subprocess.run(command[: None if task == "faults" else -1], capture_output=True, text=True, check=False)  # noqa: S603
        return done.returncode, done.stderr

    run.root = tmp_path
    run.page = lambda: (tmp_path / "deploy/known-faults.md").read_text(encoding="utf-8")
    return run


def answer(*, yaml="1.1", vulns=()):
    """What pip-audit says of the two packages, of which the second is in no database if it has no faults' list."""
    second = {"name": "ruamel-yaml", "skip_reason": "not found"} if yaml is None else {"version": yaml, "vulns": []}
    first = {"name": "msgspec", "version": "1.0", "vulns": list(vulns)}
    return {"dependencies": [first, {"name": "ruamel-yaml"} | second], "fixes": []}


def test_the_bill_of_materials_is_of_what_is_locked():
    """Every line of the constraints is listed in its version with a licence, nothing else is, and no address."""
    text = (ROOT / "deploy/bill-of-materials.json").read_text(encoding="utf-8")
    listed = json.loads(text)["components"]
    pins = re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.MULTILINE)
    plain = {(re.sub("[-_.]+", "-", name).lower(), version) for name, version in pins}
    assert {(re.sub("[-_.]+", "-", each["name"]).lower(), each["version"]) for each in listed} == plain
    assert all(each["licenses"] for each in listed)
    assert not re.search(r"https?://(?:[\w.-]*\.)?(?:pypi|pythonhosted)\.org", text)


def test_a_package_without_a_licence_is_not_listed_in_silence(project):
    """The document is not written, and the package is named."""
    of = {"purl": "pkg:pypi/x@1", "licenses": [{"license": {"id": "MIT"}}]}
    found = [{"name": "msgspec", "version": "1.0", **of}, {"name": "ruamel.yaml", "version": "2", **of}]
    status, said = project("materials", {"specVersion": "1.6", "components": found})
    assert (status, "ruamel-yaml==1.1" in said) == (1, True)
    assert not (project.root / "deploy/bill-of-materials.json").exists()


def test_no_database_is_told_with_the_day_and_fails_nothing(project):
    """Without an answer, or with one that knows no package, the page says that nobody could be asked."""
    nothing = {"dependencies": [{"name": "msgspec", "skip_reason": "not found"}], "fixes": []}
    for found in ((), (nothing,)):
        assert project("faults", *found)[0] == 0
        assert re.search(r"Last asked: \d{4}-\d\d-\d\d, and no advisory database could be reached\.", project.page())
        assert "Last answer: none yet." in project.page()


def test_the_last_answer_is_remembered(project):
    """A later run without a database keeps the day on which one answered."""
    assert project("faults", answer())[0] == 0
    told = re.search(r"Last answer: \d{4}-\d\d-\d\d, 2 of 2 packages, 0 known faults\.", project.page())
    assert told
    project("faults")
    assert told[0] in project.page()
    assert "could be reached" in project.page()


def test_what_no_database_has_is_named(project):
    """A package that was not looked up does not count as one without faults."""
    project("faults", answer(yaml=None))
    assert "1 of 2 packages" in project.page()
    assert "No database has: ruamel-yaml." in project.page()


def test_a_known_fault_fails_until_a_reason_is_given(project):
    """By any of its ids; an entry without a reason is none."""
    status, said = project("faults", answer(vulns=[FAULT]))
    assert (status, said.strip()) == (1, "msgspec PYSEC-1")
    assert "| msgspec 1.0 | PYSEC-1 | 2.0 | **not allowed** |" in project.page()
    allowed = project.root / "deploy/allowed-faults.toml"
    for reason, expected in (("", 1), ("only its server part", 0)):
        allowed.write_text(f'["GHSA-1"]\nreason = "{reason}"\n', encoding="utf-8")
        assert project("faults", answer(vulns=[FAULT]))[0] == expected
    assert "| only its server part |" in project.page()
