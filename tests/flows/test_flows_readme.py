"""flows/README.md is what the command line takes and gives; command lines of all pages can be typed."""

from __future__ import annotations

import re
import shlex

import pytest
from typer.main import get_command

from flows.cli import BROKEN_PIPE, app
from labelsnap.buckets.noted import NOTED
from labelsnap.errors import LabelsnapError
from tests.flows.flows_readme import ROOT, documented_keys, first_cells, section, undocumented


def commands(group, above=()):
    """Every command with its name, as it is typed behind ``labelsnap``."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*above, name))
        else:
            yield " ".join((*above, name)), command


COMMANDS = dict(commands(get_command(app)))


def usage(command):
    """What a usage line says of a command: its arguments in order, and its options, with those that must be given."""
    arguments = [each.metavar or each.name.upper() for each in command.params if each.param_type_name == "argument"]
    options = [each for each in command.params if each.param_type_name == "option"]
    return arguments, {max(each.opts, key=len): each.required for each in options}


def typed(page):
    """The command lines in the shell blocks of a page, without the remarks behind them."""
    blocks = re.findall(r"^```(?:sh|console)\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    lines = (line.removeprefix("$ ") for block in blocks for line in block.splitlines())
    return {shlex.join(shlex.split(line, comments=True)) for line in lines if line.startswith("labelsnap ")}


PAGES = [ROOT / "README.md", *sorted(ROOT.glob("[!.]*/**/*.md"))]
TYPED = sorted(set().union(*map(typed, PAGES)) - {"labelsnap --help"})


def test_the_table_has_every_command_with_its_arguments_and_options():
    """An option stands in brackets unless it must be given; --help is every command's."""
    said = {}
    for line in first_cells("Commands"):
        free = re.sub(r"\[[^]]*\]", "", line).removeprefix("labelsnap ")
        name = re.match(r"[a-z]+( [a-z]+)?", free)[0]
        required = re.findall(r"(--[a-z-]+) [A-Z]+", free)
        arguments = re.sub(r"--[a-z-]+ [A-Z]+", "", free.removeprefix(name)).split()
        said[name] = arguments, {option: option in required for option in re.findall(r"--[a-z-]+", line)}
    assert said == {name: usage(command) for name, command in COMMANDS.items()}


def test_every_command_with_a_result_says_what_that_is():
    """Those that take --json; those that publish have a table of their own."""
    printed = {name for name, command in COMMANDS.items() if "--json" in usage(command)[1]}
    assert set(first_cells("The other commands")) == printed - {"refresh", "backfill", "reprocess"}


def test_every_exit_status_of_an_error_stands_in_the_table():
    """And two that are no error's: done, and a reader that went."""

    def statuses(kind):
        return {kind.exit_status}.union(*map(statuses, kind.__subclasses__()))

    found = re.findall(r"^\| (\d+) \|", section("Exit statuses"), re.MULTILINE)
    assert {int(each) for each in found} == {0, BROKEN_PIPE} | statuses(LabelsnapError)


def test_every_count_of_what_was_not_quite_as_expected_is_a_key_of_the_result():
    """By the names that the code counts under."""
    assert set(NOTED) <= documented_keys()


def test_a_key_that_is_not_in_the_table_is_told():
    """Names of formats, kinds and codes stand for any."""
    formats = {"coco": {"held": {"mask": 1}, "images": {"lost": {"gif": 1}}}, "my yolo": {"hold": {"mask": 1}}}
    rows = {"exported": 1, "excluded": {"skipped": 1}, "extra": 1}
    assert undocumented({"formats": formats, "rows": rows}) == {"formats.my yolo.hold.mask", "rows.extra"}


@pytest.mark.parametrize("line", TYPED)
def test_a_command_line_of_a_page_can_be_typed(line):
    """Its command, arguments and options are there; nothing is run."""
    name = next(name for name in COMMANDS if line.startswith(f"labelsnap {name} "))
    COMMANDS[name].make_context(name, shlex.split(line)[1 + len(name.split()) :])
