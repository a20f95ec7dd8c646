"""The command line: what is printed where, and the exit status."""

from __future__ import annotations

import json
import logging
import socket
from contextlib import closing

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings
from typer.main import get_command

from flows import cli
from flows.commands.console import PlainProgress, progress_shown
from tests.flows.flows_readme import undocumented


@pytest.mark.prefect
def test_refresh_list_show_and_pull(labelsnap, sandbox, dataset_file, tmp_path):
    """The commands in the order of the README, each giving one JSON object on standard output."""
    path = dataset_file()
    url = f"file://{tmp_path}/store/street-scenes"
    status, output, _ = labelsnap("snapshots", "list", url, "--json")
    assert (status, json.loads(output)) == (0, {"versions": []})

    status, output, errors = labelsnap("refresh", path, "--json")
    result = json.loads(output)
    assert status == 0
    assert result["ref"] == f"{url}@1"
    assert undocumented(result) == set()
    assert "masks and images (rows)" in errors

    status, output, _ = labelsnap("refresh", path)
    assert status == 0
    assert output.startswith(f"unchanged: {url}@1")

    versions = json.loads(labelsnap("snapshots", "list", url, "--json")[1])["versions"]
    assert [(each["version"], each["rows"]) for each in versions] == [(1, result["rows"]["published"])]
    shown = json.loads(labelsnap("snapshots", "show", f"{url}@latest", "--json")[1])
    assert shown["version"] == 1
    assert shown["result"]["annotations"] == result["annotations"]

    status, output, _ = labelsnap("pull", url, "--format", "coco", tmp_path / "tree", "--json")
    assert status == 0
    assert json.loads(output)["kept"] == 0
    assert json.loads((tmp_path / "tree" / "snapshot.json").read_bytes())["version"] == 1

    status, output, _ = labelsnap("snapshots", "verify", url, "--json")
    outcome = json.loads(output)
    assert (status, outcome["version"], outcome["faults"]) == (0, 1, [])
    (pack, *_) = (tmp_path / "store/street-scenes/data/images").iterdir()
    pack.unlink()
    status, output, _ = labelsnap("snapshots", "verify", url, "--json")
    outcome = json.loads(output)
    assert (status, outcome["error"]["code"]) == (4, "snapshot_damaged")
    assert [fault["key"] for fault in outcome["faults"]] == [f"data/images/{pack.name}"]
    status, output, _ = labelsnap("snapshots", "verify", url)
    assert status == 4
    assert f"data/images/{pack.name} is missing" in output


def test_the_same_commands_in_words(labelsnap, sandbox, dataset_file, tmp_path):
    """Without --json people get lines to read; a format that is not there is named with those that are."""
    url = f"file://{tmp_path}/store/street-scenes"
    assert "no versions yet" in labelsnap("snapshots", "list", url)[1]
    assert "exported" in labelsnap("refresh", dataset_file())[1]
    assert "rows" in labelsnap("snapshots", "list", url)[1]
    assert "composite masks" in labelsnap("snapshots", "show", url)[1]
    assert "is whole" in labelsnap("snapshots", "verify", url)[1]
    assert "files" in labelsnap("pull", url, "--format", "raw", tmp_path / "raw")[1]
    status, _, errors = labelsnap("pull", url, "--format", "yolo", tmp_path / "yolo")
    assert (status, "coco, parquet, raw" in errors) == (2, True)


@pytest.mark.parametrize("arguments", [(), ("snapshots",)])
def test_without_a_command_the_help_is_printed_as_it_is_written(labelsnap, arguments):
    """A line a command, on standard error, and the status of wrong use."""
    status, output, errors = labelsnap(*arguments)
    assert (status, output) == (2, "")
    assert any(line.split()[:1] == ["list" if arguments else "refresh"] for line in errors.splitlines())


@pytest.mark.parametrize(
    ("arguments", "status", "code"),
    [
        (("refresh", "no-such-file.yaml"), 2, "no_dataset_file"),
        (("refresh",), 2, "usage"),
        (("refreshh",), 2, "usage"),
        (("pull", "file:///nowhere/at/all@12", "--format", "coco", "tree"), 2, "unknown_version"),
        (("snapshots", "show", "s3://bucket/data@"), 2, "ref"),
        (("snapshots", "show", "ftp://example.org/x"), 2, "store_url"),
        (("snapshots", "list", "s3://no-such-bucket/labelsnap/x"), 4, None),
    ],
)
def test_wrong_use_has_its_exit_status(labelsnap, sandbox, arguments, status, code):
    """Each error is one JSON object with code, message and remedy, and the contract's exit status."""
    found, output, _ = labelsnap(*arguments, "--json")
    error = json.loads(output)["error"]
    assert found == status
    assert set(error) == {"code", "message", "remedy"}
    assert code is None or error["code"] == code


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--from", "2024-01-01", "--to", "2025-01-01", "--every", "30"), "30d or 12h"),
        (("--from", "2025-01-01", "--to", "2024-01-01"), "--from < --to"),
        (("--from", "2024-01-01", "--to", "2025-01-01", "--runner", "threads"), "thread, process, dask"),
        (("--from", "yesterday", "--to", "2025-01-01"), "--help"),
    ],
)
def test_a_backfill_that_cannot_be_is_refused(labelsnap, dataset_file, arguments, words):
    """A length, a range, a runner or a date that is none, with what to write instead; nothing is asked of Labelbox."""
    status, output, errors = labelsnap("backfill", dataset_file(), *arguments)
    assert (status, output) == (2, "")
    assert words in errors


def test_a_listener_needs_a_secret_and_a_port(labelsnap, dataset_file, monkeypatch):
    """Without the secret, and where something else listens already, it ends with status 2 and what to do."""
    status, _, errors = labelsnap("listen", dataset_file())
    assert (status, "LABELBOX_WEBHOOK_SECRET" in errors) == (2, True)
    monkeypatch.setenv("LABELBOX_WEBHOOK_SECRET", "s")
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        status, _, errors = labelsnap("listen", dataset_file(), "--port", port, "--poll", 0)
    assert (status, f"127.0.0.1:{port}" in errors) == (2, True)


@pytest.mark.parametrize(
    ("command", "variable"),
    [
        (("refresh", "CONFIG"), "LABELBOX_API_KEY"),
        (("backfill", "CONFIG", "--from", "2024-01-01", "--to", "2024-02-01"), "LABELBOX_API_KEY"),
        (("worker",), "LABELBOX_API_KEY"),
        (("listen", "CONFIG"), "LABELBOX_API_KEY"),
        (("listen", "CONFIG"), "LABELBOX_WEBHOOK_SECRET"),
    ],
)
def test_a_secret_with_a_line_break_is_refused_at_the_start(labelsnap, dataset_file, monkeypatch, command, variable):
    """Status 2 with the variable and what to do, before anything starts; the secret is not said."""
    path = dataset_file()
    monkeypatch.setenv("LABELBOX_WEBHOOK_SECRET", "a secret")
    for ending, remedy in {"\n": "printf %s", "\n\tmore": "Copy it again"}.items():
        monkeypatch.setenv(variable, f"8675309{ending}")
        status, _, errors = labelsnap(*(path if word == "CONFIG" else word for word in command))
        assert (status, variable in errors, remedy in errors, "8675309" in errors) == (2, True, True, False)


def test_a_deployment_needs_a_server(labelsnap, dataset_file):
    """One on an ephemeral server would end with it."""
    with temporary_settings(restore_defaults={PREFECT_API_URL}):
        status, _, errors = labelsnap("deploy", dataset_file())
    assert (status, "prefect server start" in errors) == (2, True)


def test_two_versions_are_compared(labelsnap, sandbox, dataset_file, tmp_path):
    """A row that was labelled anew is the only one that has changed; a second dataset is no version of the first."""
    url = f"file://{tmp_path}/store/street-scenes"
    labelsnap("refresh", dataset_file())
    row = next(row for row in sandbox.rows("DONE") if not row.skipped)
    sandbox.edit_row(row.index)
    labelsnap("refresh", dataset_file())
    status, output, _ = labelsnap("snapshots", "diff", f"{url}@1", f"{url}@2", "--json")
    found = json.loads(output)
    assert (status, found["from"], found["to"]) == (0, f"{url}@1", f"{url}@2")
    assert found["rows"] == {"added": [], "removed": [], "changed": [row.id], "moved": []}
    assert found["annotations"]["changed"]
    status, output, _ = labelsnap("snapshots", "diff", f"{url}@1", url)
    assert (status, "1 changed" in output) == (0, True)
    status, _, errors = labelsnap("snapshots", "diff", url, f"file://{tmp_path}/store/other")
    assert (status, "no versions yet" in errors) == (2, True)


def test_a_wrong_key_ends_with_status_3(labelsnap, sandbox, dataset_file, monkeypatch):
    """The message goes to standard error with the remedy below it, and nothing to standard output."""
    monkeypatch.setenv("LABELBOX_API_KEY", "wrong")
    status, output, errors = labelsnap("refresh", dataset_file())
    assert (status, output) == (3, "")
    assert "→ Check LABELBOX_API_KEY" in errors


def test_a_store_that_says_no_ends_with_status_4(labelsnap, sandbox, dataset_file):
    """A bucket that does not exist is the store's refusal."""
    assert labelsnap("refresh", dataset_file(store="s3://no-such-bucket/labelsnap"))[0] == 4


def test_a_rejected_result_ends_with_status_5_and_is_printed_whole(labelsnap, sandbox, dataset_file):
    """The result says that nothing was published, and why."""
    sandbox.settings.odd_lines = ("not_json",)
    status, output, _ = labelsnap("refresh", dataset_file(problems={"max_share": 0}), "--json")
    result = json.loads(output)
    assert status == 5
    assert (result["published"], result["reason"]) == (False, "too_many_problems")
    assert result["rows"]["problems"] == 1


@pytest.mark.prefect
def test_the_demo_shows_where_to_look(labelsnap, sandbox, prefect_server, tmp_path):
    """Sandbox up, two refreshes, a tree with a report of counts and pictures: everything is named in the output."""
    status, output, _ = labelsnap("demo", "--rows", 6, "--dir", tmp_path / "demo")
    assert status == 0
    assert "published: s3://datasets/labelsnap/street-scenes@1" in output
    assert "A second refresh: unchanged" in output
    assert (tmp_path / "demo" / "coco" / "annotations" / "instances_train.json").is_file()
    report = tmp_path / "demo" / "coco" / "report.html"
    assert str(report) in output
    assert report.read_bytes().count(b"<figure>") >= 3


def test_plain_progress_is_a_few_lines_a_stage(capsys):
    """A thousand reports make five lines."""
    shown = PlainProgress()
    for done in range(1001):
        shown.show("rows", done, 1000)
    assert len(capsys.readouterr().err.splitlines()) == 5


@pytest.mark.parametrize("terminal", [False, True])
def test_what_is_waited_for_is_said_beside_the_progress(capsys, monkeypatch, terminal):
    """On a terminal and elsewhere, on standard error, word for word."""
    monkeypatch.setattr("sys.stderr.isatty", lambda: terminal)
    with progress_shown() as show:
        show("export", 10, 100)
        logging.getLogger("labelsnap.labelbox.patience").warning("[red] is waited for")
    logging.getLogger("labelsnap.labelbox.patience").warning("nobody shows this")
    said = capsys.readouterr().err
    assert "[red] is waited for" in said
    assert "nobody shows this" not in said


COMMANDS = [(name,) for name in ("demo", "sandbox", "refresh", "pull", "backfill", "deploy", "listen", "snapshots")]
COMMANDS += [("snapshots", name) for name in ("list", "show", "verify", "diff", "tag", "rollback", "expire", "gc")]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_help_with_an_example(labelsnap, command):
    """The example is a whole command line."""
    status, output, _ = labelsnap(*command, "--help")
    assert status == 0
    assert command == ("snapshots",) or f"labelsnap {' '.join(command)}" in output


def number_options(command, path=()):
    """Every option of the command line that takes a number, with the words of its command."""
    for name, below in getattr(command, "commands", {}).items():
        yield from number_options(below, (*path, name))
    yield from ((path, each) for each in command.params if each.type_descriptor.annotation in {int, float})


def test_every_number_option_has_bounds():
    """So that clocks and threads can be set by it."""
    found = list(number_options(get_command(cli.app)))
    assert {path[-1] for path, _ in found} == {"demo", "sandbox", "listen", "backfill", "expire", "gc", "worker"}
    for path, option in found:
        assert None not in {option.min, option.max}, (path, option.name)


@pytest.mark.parametrize(
    ("command", "option", "number"),
    [
        ("listen", "--poll", "inf"),
        ("listen", "--quiet", "nan"),
        ("backfill", "--windows", "99999999"),
        ("demo", "--rows", "99999999999"),
        ("backfill", "--every", "1h"),
    ],
)
def test_numbers_that_cannot_be_meant_are_refused(labelsnap, dataset_file, command, option, number):
    """Status 2, before anything starts."""
    needed = {
        "listen": [dataset_file()],
        "backfill": [dataset_file(), "--from", "0001-01-01", "--to", "9999-12-31"],
        "demo": [],
    }
    status, output, said = labelsnap(command, *needed[command], option, number)
    assert (status, output) == (2, "")
    assert option in said
