"""A row at which a format's writer fails is a problem of that row: every other one is in every tree."""

from __future__ import annotations

from shutil import rmtree

import pytest
from test_refresh_hostile_rows import problems_of

from flows.refresh import refresh
from labelsnap.errors import DatasetRejectedError, LabelsnapError
from labelsnap.formats import huggingface, labelme
from labelsnap.formats.coco import writer as coco
from labelsnap.references import pull
from tasks.telling.progress import listening
from tests.faults.searching import holding

FAILING = {"labelme": (labelme, "_document"), "coco": (coco, "_image"), "huggingface": (huggingface, "_row")}
"""What each of these writers calls with every sample."""
OF_ALL = ("croissant.json", "report.html", "snapshot.json")
"""What of a tree is about the whole dataset, or names its version."""


class WriterError(Exception):
    """What nobody foresaw in a writer."""


@pytest.fixture(autouse=True)
def small_buckets(monkeypatch):
    """Several buckets, of which two are written side by side."""
    monkeypatch.setenv("LABELSNAP_ROWS_PER_BUCKET", "8")


@pytest.fixture
def chosen(dataset):
    """A dataset of which no row is left out, with changes."""
    defaults = {"skipped": "keep", "formats": {name: {} for name in FAILING}, "problems": {"max_share": 1}}
    return lambda **changes: dataset(**(defaults | changes))


def fail(patched, row_ids):
    """Let writers fail, each at its rows: two where they are given them, that of Hugging Face when it writes many."""

    def failing(name, made):
        def called(*given, **options):
            sample = next(each for each in given if hasattr(each, "record"))
            if sample.record.data_row.id not in row_ids.get(name, ()):
                return made(*given, **options)
            if name == "huggingface":
                return made(*given, **options) | {"width": "secret of the row"}
            raise WriterError("secret of the row")

        return called

    for name, (module, function) in FAILING.items():
        patched.setattr(module, function, failing(name, getattr(module, function)))


def rows_in(result, folder, ids):
    """Which of these rows stand in the trees of a version, but for what is about the whole dataset, or problems."""
    found = {}
    for name in (*FAILING, "parquet"):
        tree = folder / str(result["version"]) / name
        pull(result["ref"], name, tree)
        rmtree(tree / "problems", ignore_errors=True)
        for path in OF_ALL:
            (tree / path).unlink()
        found[name] = {row_id for row_id in ids if holding(tree, row_id.encode())}
    return found


@pytest.mark.slow
def test_rows_that_formats_cannot_write_are_problems_and_all_others_are_published(
    sandbox, chosen, monkeypatch, tmp_path, caplog
):
    """Each is named with class and place, in no tree and counted once; when the writers are mended they are there."""
    ids = [row.id for row in sandbox.rows("DONE")]
    bad = {"labelme": [ids[1]], "coco": [ids[5]], "huggingface": [ids[9]]}
    named = {row_id for found in bad.values() for row_id in found}
    with monkeypatch.context() as patched:
        fail(patched, bad)
        result = refresh(chosen())
        again = refresh(chosen())
    problems = {each["data_row_id"]: each for each in problems_of(result, tmp_path / "raw")}
    assert (result["published"], result["problems"]) == (True, {"unforeseen": 3})
    assert result["rows"] == {"exported": len(ids), "published": len(ids) - 3, "excluded": {}, "problems": 3}
    assert result["requests"]["images"] == len(ids) == sandbox.requests.count("image") - 3
    assert problems.keys() == named
    assert {each["code"] for each in problems.values()} == {"unforeseen"}
    assert {ids[each["line"] - 1] for each in problems.values()} == named
    assert problems[ids[1]]["reason"].startswith("WriterError at labelsnap.formats.labelme:")
    assert problems[ids[5]]["reason"].startswith("WriterError at labelsnap.formats.")
    assert problems[ids[9]]["reason"].startswith("Arrow")
    assert "at labelsnap.formats.shared.groups.row_groups:" in problems[ids[9]]["reason"]
    assert "secret of the row" in caplog.text
    assert "secret of the row" not in str(problems)
    assert rows_in(result, tmp_path, ids) == {name: set(ids) - named for name in (*FAILING, "parquet")}
    assert (again["reason"], again["version"], again["problems"]) == ("unchanged", 1, {"unforeseen": 3})

    mended = refresh(chosen())
    assert "problems" not in mended
    assert (mended["version"], mended["rows"]["published"], mended["reused_rows"]) == (2, len(ids), len(ids) - 3)
    assert rows_in(mended, tmp_path, ids) == {name: set(ids) for name in (*FAILING, "parquet")}


@pytest.mark.slow
def test_more_such_rows_than_the_policy_allows_reject_the_version(sandbox, chosen, monkeypatch):
    """They count as the problems that they are: status 5, and nothing is published."""
    ids = [row.id for row in sandbox.rows("DONE")]
    fail(monkeypatch, {"labelme": ids[:2]})
    with pytest.raises(DatasetRejectedError) as caught:
        refresh(chosen(problems={"max_share": 1 / len(ids)}))
    assert (caught.value.code, caught.value.result["problems"]) == ("too_many_problems", {"unforeseen": 2})


@pytest.mark.parametrize("least", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_what_no_single_row_provokes_ends_the_run(sandbox, chosen, monkeypatch, least):
    """A writer that fails without any row, or only with several together."""
    files = huggingface.HuggingFace.files

    def failing(self, source, split):
        yield from files(self, source, split)
        if len(list(source.rows(split))) >= least:
            raise WriterError

    monkeypatch.setattr(huggingface.HuggingFace, "files", failing)
    with pytest.raises(WriterError):
        refresh(chosen())


class PowerCutError(RuntimeError):
    """What no part of a run expects."""


def cut_before_publication(stage, *_):
    """Let a run end when everything is written."""
    if stage == "gate":
        raise PowerCutError


@pytest.mark.prefect
@pytest.mark.slow
@pytest.mark.parametrize("mended", [True, False])
def test_a_run_that_is_broken_off_asks_for_such_rows_once(sandbox, chosen, monkeypatch, mended):
    """The next one tries them again with what was fetched, whatever the bucket was built without."""
    ids = [row.id for row in sandbox.rows("DONE")]
    with monkeypatch.context() as patched:
        fail(patched, {"coco": ids[:1]})
        with pytest.raises(PowerCutError), listening(cut_before_publication):
            refresh(chosen())
        if not mended:
            result = refresh(chosen())
    if mended:
        result = refresh(chosen())
    assert (result["version"], result["resumed"], result["rows"]["problems"]) == (1, True, 0 if mended else 1)
    assert sandbox.requests.count("image") == len(ids)


@pytest.mark.prefect
@pytest.mark.slow
def test_a_format_that_fails_at_other_rows_each_time_ends_the_run(sandbox, chosen, monkeypatch):
    """It is written three times; the error names the format and the rows."""
    ids = [row.id for row in sandbox.rows("DONE")]
    bad = {"labelme": []}
    fail(monkeypatch, bad)

    def next_row(stage, done, _):
        if stage == "files" and not done:
            bad["labelme"].append(ids[len(bad["labelme"])])

    with (
        pytest.raises(LabelsnapError, match=r"the format labelme fails at 1 rows \(\w+: WriterError at") as caught,
        listening(next_row),
    ):
        refresh(chosen())
    assert (caught.value.code, caught.value.exit_status, bad["labelme"]) == ("format_fails", 1, ids[:3])
    assert ids[2] in str(caught.value)
