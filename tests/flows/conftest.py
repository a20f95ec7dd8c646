"""The command line, run in the test's own process."""

from __future__ import annotations

import json
import sys

import pytest

from flows import cli


class CommandLine:
    """Runs command lines."""

    def __init__(self, monkeypatch, capsys):
        self.monkeypatch, self.capsys = monkeypatch, capsys

    def __call__(self, *arguments):
        """Give (exit status, standard output, standard error)."""
        self.monkeypatch.setattr(sys, "argv", ["labelsnap", *map(str, arguments)])
        for name in cli.QUIET_PREFECT:
            self.monkeypatch.setenv(name, "test")
        self.capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            cli.main()
        output = self.capsys.readouterr()
        return left.value.code or 0, output.out, output.err

    def json(self, *arguments):
        """Give (exit status, the JSON object on standard output)."""
        status, output, _ = self(*arguments, "--json")
        return status, json.loads(output)


@pytest.fixture
def labelsnap(monkeypatch, capsys):
    """The command line."""
    return CommandLine(monkeypatch, capsys)
