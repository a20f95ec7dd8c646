"""A project full of texts that terminals and pages obey, through every command and tree: what is shown is text."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from urllib.parse import unquote
from xml.etree import ElementTree as ET

import pyarrow.parquet as pq
import pytest
import yaml
from markdown_it import MarkdownIt
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

from deploy.sandbox import ExportSettings, Sandbox
from deploy.sandbox.oddities.odd_texts import OBEYED
from flows import cli
from flows.commands.console import print_error
from labelsnap.errors import LabelboxRefusedError

NEVER = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u061c\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
"""Written down apart from the product: control characters but the line feed, separators, marks of direction."""
FORMATS = {"coco": {}, "yolo": {"task": "detect"}, "voc": {}, "labelme": {}, "huggingface": {}, "webdataset": {}}
SHOWN_FILES = {"README.md", "labels.txt", "report.html"}


def never(text):
    """What of a text is obeyed somewhere."""
    return NEVER.findall(text)


@pytest.fixture
def run(monkeypatch, capsys):
    """Runs a command line; gives its status, and what it printed on both streams, in which nothing is obeyed."""

    def command(*arguments):
        monkeypatch.setattr(sys, "argv", ["labelsnap", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            cli.run()
        output = capsys.readouterr()
        for stream in output:
            assert never(stream) == []
            assert not [line for line in stream.splitlines() if line.startswith("INFO a line of its own")]
        return left.value.code or 0, output.out

    return command


@pytest.fixture
def project(dataset_file, monkeypatch, tmp_path):
    """A sandbox with such rows, and a dataset file for it with every format."""
    settings = ExportSettings(odd_lines=("texts", "texts_refused"))
    with Sandbox(rows=12, directory=tmp_path / "own", settings=settings) as sandbox:
        for name, value in sandbox.environment().items():
            monkeypatch.setenv(name, value)
        changes = {"source": {"project": sandbox.project_id}, "filters": {}, "formats": FORMATS}
        changes |= {"problems": {"max_share": 1.0}, "card": {"license": "unknown", "description": OBEYED}}
        yield sandbox, dataset_file(dataset="shown-texts", **changes)


class Page(HTMLParser):
    """A page's tags and the names of their attributes."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.text = set(), set(), ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        """Note a tag."""
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data):
        """Note text."""
        self.text += data


def live(markdown):
    """The tokens of Markdown that load, lead somewhere or are HTML; and text that becomes a link by itself."""
    found = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(markdown)
    inner = [*found, *(each for token in found for each in token.children or ())]
    linked = [each.content for each in inner if each.type == "text" and re.search(r"://|www\.", each.content)]
    return [each.type for each in inner if re.search("image|link|html", each.type)] + linked


@pytest.mark.slow
def test_what_a_project_is_called_is_text_everywhere(project, run, tmp_path, caplog):
    """Commands, logs, Prefect's pages, cards, lists and reports show names; tables and COCO have them as they are."""
    sandbox, config = project
    url = f"file://{tmp_path}/store/shown-texts"
    caplog.set_level(logging.INFO)
    assert run("refresh", config)[0] == 0
    sandbox.rename_class("vehicle", OBEYED)
    status, output = run("refresh", config, "--json")
    result = json.loads(output)
    assert (status, result["published"], result["rows"]["problems"]) == (0, True, 1)
    assert OBEYED in {each["name"] for each in result["classes"]["suffixed"].values()}
    for command in (("list", url), ("show", url), ("verify", url), ("diff", f"{url}@1", f"{url}@2")):
        for form in ((), ("--json",)):
            assert run("snapshots", *command, *form)[0] == 0
    for name in (*FORMATS, "parquet", "raw"):
        assert run("pull", url, "--format", name, tmp_path / name)[0] == 0
        check_tree(tmp_path / name)
    assert never("".join(record.getMessage() for record in caplog.records)) == []
    check_pages()
    check_data(tmp_path)


def check_tree(tree):
    """Nothing that people read in a tree is obeyed, by its own medium's reader."""
    for path in (each for each in tree.rglob("*") if each.name in SHOWN_FILES):
        assert never(path.read_text(encoding="utf-8")) == [], path
    _, header, body = (tree / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    assert yaml.safe_load(header)["license"] == "unknown"
    assert live(body) == []
    cells = [line.count("|") for line in body.splitlines() if line.startswith("|") and "odd" in line]
    assert len(set(cells)) == 1
    page = (tree / "report.html").read_text(encoding="utf-8")
    read = Page(page)
    assert read.tags.isdisjoint({"img", "script", "a"})
    assert not {name for name in read.attributes if name.startswith("on")}
    assert r"odd\x1b[2J" in read.text
    for svg in re.findall(r"<svg viewBox=.*?</svg>", page, re.DOTALL):
        ET.fromstring(svg)  # noqa: S314 - our own


def check_pages():
    """Artifacts of the run in Prefect, and what it said of its state."""
    with get_client(sync_client=True) as client:
        keys = ArtifactFilter(key=ArtifactFilterKey(any_=["result-shown-texts", "samples-shown-texts"]))
        found = {artifact.key: artifact for artifact in client.read_artifacts(artifact_filter=keys)}
        logged = [record.message for record in client.read_logs(limit=200)]
    assert never("".join(logged)) == []
    assert never(found["result-shown-texts"].data) == []
    assert live(found["result-shown-texts"].data) == []
    picture = unquote(found["samples-shown-texts"].data.removeprefix("data:image/svg+xml,"))
    assert never(picture) == []
    ET.fromstring(picture)  # noqa: S314 - our own


def check_data(trees):
    """What machines read is exact, and a class with line breaks is one line of ``labels.txt``."""
    names = set(pq.read_table(trees / "parquet/annotations")["name"].to_pylist())
    assert OBEYED in names
    documents = [json.loads(path.read_bytes()) for path in (trees / "coco/annotations").glob("instances_*.json")]
    assert OBEYED in {each["name"] for document in documents for each in document["categories"]}
    assert OBEYED in yaml.safe_load((trees / "yolo/data.yaml").read_text(encoding="utf-8"))["names"].values()
    used = (trees / "labelme/labels.txt").read_bytes().decode().splitlines()
    assert len(used) == len(documents[0]["categories"])
    labelled = [json.loads(path.read_bytes()) for path in (trees / "labelme").glob("*/*.json")]
    assert {shape["label"] for each in labelled for shape in each["shapes"]} <= set(used)


@pytest.mark.parametrize("as_json", [True, False])
def test_a_message_of_others_is_text(capsys, as_json):
    """What Labelbox answered is quoted in an error in one line, on either stream, and half a character ends nothing."""
    print_error(LabelboxRefusedError(f"{OBEYED}\ud83d", remedy=OBEYED, code="refused"), as_json=as_json)
    output = capsys.readouterr()
    assert never(output.out + output.err) == []
    assert len((output.out + output.err).splitlines()) == (7 if as_json else 2)


def test_an_error_is_text_to_prefect_too():
    """Prefect shows an exception's text as the message of a run's state."""
    assert never(str(LabelboxRefusedError(OBEYED, remedy=OBEYED, code="refused"))) == []


@pytest.mark.parametrize(("call", "written"), [("text", b"\\u65e5\n"), ("json", b'"\\u65e5\\ud83d\\ude97"\n')])
def test_what_standard_output_cannot_spell_ends_nothing(call, written):
    """A name beyond an old terminal's alphabet is spelled out by numbers, in JSON by its own escapes."""
    name = "\u65e5" if call == "text" else "\u65e5\U0001f697"
    told = f"from flows.commands import console, output\nwith output.output_checked(): console.print_{call}({name!a})"
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    done = subprocess.run([sys.executable, "-c", told], env=environment, capture_output=True, check=False)  # noqa: S603
    assert (done.returncode, done.stdout) == (0, written)
