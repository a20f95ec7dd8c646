"""Each rule of the protocol taken out of a copy of the code: the test that is named here must fail."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COPIED = ("labelsnap", "tasks", "config", "deploy", "flows", "tests", "pyproject.toml")
COMMIT, GC, EPOCHS, DRAFT, TAGGING, LAYOUT, HISTORY, CHECKPOINTS = (
    f"labelsnap/snapshots/{name}.py"
    for name in (
        "writing/commit",
        "keeping/gc",
        "keeping/epochs",
        "writing/draft",
        "keeping/tagging",
        "layout",
        "keeping/history",
        "keeping/checkpoints",
    )
)
MUTATIONS = {
    "the record is not read back": (
        COMMIT,
        "standing = store.get(key, most=max(len(body), RECORD_BYTES))",
        "standing = body",
        "test_lost_answer_is_settled",
    ),
    "the manifest is not read back": (
        COMMIT,
        "if store.get(key, most=DOCUMENT_BYTES) != body or ",
        "if ",
        "test_manifest_is_read_back",
    ),
    "publish ids are not looked for": (
        COMMIT,
        "if (mine := published_by(store, history, publish_id)) is not None:",
        "if (mine := None) is not None:",
        "test_repeated_run_is_one_version",
    ),
    "publications may take for ever": (
        COMMIT,
        "timedelta(hours=12)",
        "timedelta(days=1000)",
        "test_publication_must_not_take_too_long",
    ),
    "epochs are not looked at": (
        COMMIT,
        "if newest := newest_epoch(store):",
        "if newest := 0:",
        "test_condemned_object_is_used_by_no_publication",
    ),
    "keys have no generation": (
        DRAFT,
        "self._generation = self._told()",
        "self._generation = 0",
        "test_condemned_object_is_used_by_no_publication",
    ),
    "no fence": (
        GC,
        "fence = _fence(store, sleep) if set(epoch.condemned) - is_used else None",
        "fence = None",
        "test_stalled_publication_loses_to_the_fence",
    ),
    "no second mark": (
        GC,
        "spared = _in_use(store, _history(store), epoch.condemned, marked)",
        "spared: set[Condemned] = set()",
        "test_spared_object_is_not_deleted",
    ),
    "a collector that was overtaken goes on": (
        GC,
        "if begun is None or EpochKey(epoch.number, swept=True) in epochs:",
        "if begun is None:",
        "test_a_collector_that_another_one_overtook_deletes_nothing",
    ),
    "an epoch takes away what itself says is over": (
        GC,
        "drop_over(store, plan.over)",
        "drop_over(store, begun.over)",
        "test_a_newest_epoch_that_is_gone_takes_nothing_along_that_is_over",
    ),
    "the newest epoch alone tells what is over": (
        EPOCHS,
        "return max((found.over for _, found in told if found), default=0)",
        "return next((found.over for _, found in told if found), 0)",
        "test_epochs_that_earlier_code_begins_hold_no_later_one_up",
    ),
    "notes go before their records": (
        EPOCHS,
        "    for swept in (False, True):\n        if going",
        "    for swept in (True, False):\n        if going",
        "test_a_note_stays_as_long_as_a_record_that_is_over",
    ),
    "epochs are over at once": (
        EPOCHS,
        " and fence - done >= SETTLED:",
        ":",
        "test_who_began_before_an_epoch_was_done_is_still_refused",
    ),
    "epochs are over without a fence": (
        GC,
        "fence) if fence else 0",
        "fence or begun + 9 * WAIT)",
        "test_no_epoch_is_over_by_a_collection_that_deletes_nothing",
    ),
    "what is over is begun again": (
        EPOCHS,
        "for number, modified in begun if number > over]",
        "for number, modified in begun]",
        "test_what_is_left_of_an_epoch_that_is_over_is_nothing",
    ),
    "what is over is lost": (
        EPOCHS,
        "if number <= over:",
        "if number < 0:",
        "test_what_a_tagged_version_has_is_used_again_when_all_epochs_of_its_days_are_gone",
    ),
    "commit records are garbage": (
        LAYOUT,
        "GARBAGE: Final = (OBJECT, MANIFEST, SCRATCH, PROBE)",
        "GARBAGE: Final = (OBJECT, MANIFEST, SCRATCH, PROBE, COMMIT)",
        "test_collection_lists_first_and_deletes_later",
    ),
    "a tag's version is not looked at again": (
        TAGGING,
        "    kept_version(store, read_history(store, expired=False), version)  #",
        "    #",
        "test_tag_that_comes_too_late_is_refused",
    ),
    "the hint is believed": (
        HISTORY,
        "if hint and created_key(hint) in keys:",
        "if hint:",
        "test_a_hint_that_is_wrong_costs_a_list_and_no_answer",
    ),
    "a checkpoint counts for records that are listed otherwise": (
        HISTORY,
        " and found.of(each.version) == (key,)",
        "",
        "test_a_fork_of_an_old_version_shows_twice",
    ),
    "what a checkpoint lacks is not read": (
        HISTORY,
        "sorted(versions - known)",
        "sorted(versions - set(range(told.version + 1)))",
        "test_what_a_lost_expiry_said_counts_no_more",
    ),
    "runs of long ago are not looked for": (
        HISTORY,
        "older = (found for key in keys if",
        "older = (found for key in () if",
        "test_a_run_of_long_ago_is_found",
    ),
    "a checkpoint bears no witness": (
        HISTORY,
        "return max(witness, _hinted(store, hint)) if hint > found.newest else witness, found",
        "return witness, found",
        "test_records_that_a_checkpoint_alone_bears_witness_of_are_told",
    ),
    "a checkpoint counts under any key": (
        CHECKPOINTS,
        "if told != (number, first_of(number), (number - found.first + 1) * _DIGITS):",
        "if told is None:",
        "test_another_checkpoint_under_a_key_is_damage_of_it",
    ),
    "single writers make checkpoints": (
        COMMIT,
        "        if not single_writer:\n            fold",
        "        if standing:\n            fold",
        "test_single_writers_make_no_checkpoints",
    ),
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_rule_stands_in_one_place(name):
    """The line that is taken out stands in the code, once."""
    path, line, _, _ = MUTATIONS[name]
    assert (ROOT / path).read_text(encoding="utf-8").count(line) == 1


@pytest.mark.slow
@pytest.mark.parametrize("name", MUTATIONS)
def test_rule_is_watched_by_a_test(name, tmp_path):
    """The code without the rule fails the test that is named for it."""
    path, line, other, test = MUTATIONS[name]
    for copied in COPIED:
        source = ROOT / copied
        shutil.copytree(source, tmp_path / copied) if source.is_dir() else shutil.copy(source, tmp_path)
    mutated = tmp_path / path
    content = mutated.read_text(encoding="utf-8")
    mutated.write_text(content.replace(line, other), encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "tests/snapshots", "-k", test]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)  # noqa: S603 - our own
    assert done.returncode == 1, done.stdout
    assert f"::{test}" in done.stdout
