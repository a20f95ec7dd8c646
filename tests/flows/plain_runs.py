"""Flow runs without Prefect's engine and server: for tests of what versions hold, not of how a run is carried out."""

from __future__ import annotations

from contextlib import suppress
from itertools import count
from unittest.mock import patch

import pytest
from prefect import Flow

from tests.months.engine import engine

NUMBERS = count()


@pytest.fixture
def plain_runs():
    """Take the place of ``prefect_server``: a flow is its function, and each call of one is a flow run of its own.

    One that fails is called again as the same flow run, as often as the flow's ``retries`` say. A command looks for no
    older runs, for which Prefect would start a server. A report shows one row of a split, for drawing its pictures
    takes as long as all other formats.
    """
    with engine() as runtime:

        def run(flow, *given, **named):
            runtime.flow_run.id = f"plain-run-{next(NUMBERS)}"
            for runtime.flow_run.run_count in range(1, 1 + (flow.retries or 0)):
                with suppress(Exception):
                    return flow.fn(*given, **named)
            runtime.flow_run.run_count = 1 + (flow.retries or 0)
            return flow.fn(*given, **named)

        with (
            patch.object(Flow, "__call__", run),
            patch("flows.commands.running.trim_own_records"),
            patch("tasks.describe.THUMBNAILS_OF_A_SPLIT", 1),
        ):
            yield
