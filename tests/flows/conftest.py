"""The command line, run in the test's own process; first versions, and tables of a version."""

from __future__ import annotations

import json
import os
import sys
from copy import deepcopy
from shutil import copy, copytree
from urllib.parse import urlsplit

import pytest
from prefect.client.orchestration import get_client
from pyarrow import parquet
from street_versions import publish_six

from flows import cli
from flows.refresh import refresh
from labelsnap.references import pull
from tasks import describe
from tests.flows.plain_runs import plain_runs

__all__ = ["plain_runs"]


class CommandLine:
    """Runs command lines."""

    def __init__(self, monkeypatch, capsys):
        self.monkeypatch, self.capsys = monkeypatch, capsys

    def __call__(self, *arguments):
        """Give (exit status, standard output, standard error)."""
        self.monkeypatch.setattr(sys, "argv", ["labelsnap", *map(str, arguments)])
        for name, value in cli.QUIET_PREFECT.items():
            self.monkeypatch.setenv(name, value)
        self.capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            cli.run()
        output = self.capsys.readouterr()
        return left.value.code or 0, output.out, output.err

    def json(self, *arguments):
        """Give (exit status, the JSON object on standard output)."""
        status, output, _ = self(*arguments, "--json")
        return status, json.loads(output)


@pytest.fixture
def prefect_server(request):
    """Prefect's server for a test with the mark ``prefect``; for every other one a flow is its function."""
    is_real = request.node.get_closest_marker("prefect")
    return request.getfixturevalue("prefect_server" if is_real else "plain_runs")


@pytest.fixture
def labelsnap(monkeypatch, capsys):
    """The command line."""
    return CommandLine(monkeypatch, capsys)


@pytest.fixture(scope="session")
def beginnings():
    """How datasets began in tests so far: the results, and where their stores lie."""
    return {}


@pytest.fixture
def begun(sandbox, beginnings, tmp_path_factory):
    """Gives a dataset its first versions, and their results; those that an earlier test had made are copied.

    ``make`` makes them of a dataset in another store, by its own name alone, the dataset file and what the sandbox
    holds. What the sandbox was asked for is forgotten.
    """

    def copied(make, chosen, *given):
        workspace = sandbox.workspace
        held = sandbox.settings, workspace.edits, workspace.removed, workspace.rows, workspace.ontology
        small = os.environ.get("LABELSNAP_ROWS_PER_BUCKET")
        shown = describe.THUMBNAILS_OF_A_SPLIT
        key = make.__qualname__, chosen.model_dump_json(exclude={"store"}), repr(held), small, shown
        if key not in beginnings:
            elsewhere = chosen.model_copy(update={"store": tmp_path_factory.mktemp("begun").as_uri()})
            beginnings[key] = make(elsewhere, *given), elsewhere.url
        results, url = beginnings[key]
        copytree(urlsplit(url).path, urlsplit(chosen.url).path)
        sandbox.requests.clear()
        return tuple(deepcopy(each) | {"ref": each["ref"].replace(url, chosen.url)} for each in results)

    return copied


def first(chosen):
    """The result of one refresh."""
    return (refresh(chosen),)


@pytest.fixture
def first_version(begun):
    """The same of one refresh: gives its result."""
    return lambda chosen: begun(first, chosen)[0]


@pytest.fixture
def tables(tmp_path):
    """Reads one table of a version from its pulled Parquet tree."""

    def read(result, table):
        directory = tmp_path / f"tables-{result['version']}"
        pull(result["ref"], "parquet", directory)
        return parquet.read_table(directory / table).to_pylist()

    return read


@pytest.fixture
def replaced(sandbox):
    """Gives rows' images other bytes at the source, and says so in their lines."""

    def replace(rows):
        for row in rows:
            sandbox.replace_image(row.index, told=True)
            sandbox.edit_row(row.index)

    return replace


@pytest.fixture(scope="session")
def six_versions(tmp_path_factory):
    """The folder of a dataset with six versions."""
    folder = tmp_path_factory.mktemp("six")
    publish_six(folder.as_uri())
    return folder


@pytest.fixture
def url(six_versions, folder):
    """A dataset in a folder, with six versions of a YOLO tree, of which there are two, in turn; all of it is new."""
    copytree(six_versions, folder, copy_function=copy)
    return folder.as_uri()


@pytest.fixture
def folder(tmp_path):
    """The dataset's folder."""
    return tmp_path / "store/street-scenes"


@pytest.fixture
def days_ago(tmp_path):
    """Make everything in the store so many days older."""

    def age(days):
        for path in (tmp_path / "store").rglob("*.*"):
            times = path.stat()
            os.utime(path, (times.st_atime, times.st_mtime - days * 86_400))

    return age


@pytest.fixture
def newest_run(prefect_server):
    """Asks Prefect's server something about the flow run that was started last."""

    def ask(question):
        with get_client(sync_client=True) as client:
            (run, *_) = client.read_flow_runs(limit=1, sort="START_TIME_DESC")
            return question(client, run)

    return ask
