"""Histories that lost something, seen from the command line: what is told, what stops, and the ways out."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
from contextlib import contextmanager
from pathlib import Path

import pytest
from street_versions import record

from labelsnap.snapshots import expire, tag
from labelsnap.storage import open_store

RUNBOOK = Path(__file__).parents[2] / "deploy/README.md"


def versions_of(labelsnap, url):
    """Exit status, the versions that are listed, and the code of the error, if any."""
    status, listed = labelsnap.json("snapshots", "list", url)
    return status, [each["version"] for each in listed["versions"]], listed.get("error", {}).get("code")


def follow(labelsnap, remedy, command):
    """Type the command of that name in a remedy, word by word, but for the number that it leaves to its reader."""
    (found,) = re.findall(rf"`labelsnap (snapshots {command} [^`]*)`", remedy)
    status, outcome = labelsnap.json(*shlex.split(found.replace("--keep N", "--keep 9")))
    assert status == 0, outcome
    return outcome


def runbook(trouble, url, name):
    """What the runbook says to do about a trouble, of this dataset and name."""
    (line,) = (
        line
        for line in RUNBOOK.read_text(encoding="utf-8").splitlines()
        if line.startswith((f"| `{trouble}", f"| {trouble}"))
    )
    return line.replace("URL", url).replace("NAME", name)


def objects_in(folder):
    """Every object of the store, by its path."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def flip(path):
    """Change one bit of a file."""
    body = bytearray(path.read_bytes())
    body[40] ^= 1
    path.write_bytes(body)


def damaged(path, how):
    """Take a file away, or flip a bit of it."""
    path.unlink() if how == "gone" else flip(path)


def manifest(folder, version):
    """The file of a version's manifest."""
    return folder / f"manifests/{json.loads(record(folder, version).read_bytes())['manifest']}.json"


@contextmanager
def aside(path):
    """Nobody sees the file meanwhile."""
    body = path.read_bytes()
    path.unlink()
    yield
    path.write_bytes(body)


@pytest.fixture
def swept(labelsnap, url, days_ago):
    """Versions 1 to 4 have expired by version 7, and the fence is version 8; their objects are deleted."""
    expire(open_store(url), keep=2)
    days_ago(30)
    for _ in range(2):
        assert labelsnap("snapshots", "gc", url, "--yes")[0] == 0
        days_ago(2)
    assert versions_of(labelsnap, url) == (0, [5, 6, 7, 8], None)


def test_a_lost_newest_record_is_told_by_its_tag(labelsnap, url, folder, tmp_path):
    """Nothing is published, tagged or deleted until it is given up; its number is not given again."""
    labelsnap("snapshots", "tag", f"{url}@6", "model-7")
    record(folder, 6).unlink()
    before = objects_in(folder)
    assert versions_of(labelsnap, url) == (4, [1, 2, 3, 4, 5], "version_gap")
    for command in (["rollback", f"{url}@3"], ["tag", f"{url}@3", "other"], ["gc", url, "--yes"], ["show", url],
                    ["expire", url, "--keep", "1", "--yes"], ["verify", f"{url}@model-7"],
                    ["untag", url, "model-7"]):  # fmt: skip
        status, refused = labelsnap.json("snapshots", *command)
        assert (status, refused["error"]["code"]) == (4, "version_gap")
        assert "found none of 6 ('tags/model-7.json' names version 6)" in refused["error"]["message"]
    assert labelsnap("pull", f"{url}@model-7", "--format", "yolo", tmp_path / "tree")[0] == 4
    assert labelsnap("snapshots", "verify", f"{url}@5")[0] == 0
    assert objects_in(folder) == before
    given_up = follow(labelsnap, refused["error"]["remedy"], "expire")
    assert (given_up["version"], given_up["lost"]) == (7, [[6, 6]])
    assert versions_of(labelsnap, url) == (0, [1, 2, 3, 4, 5, 7], None)
    assert labelsnap("snapshots", "gc", url, "--yes")[0] == 0


def test_what_a_lost_version_gave_away_is_known_by_its_tag(labelsnap, url, folder):
    """Class ids and splits of the version that was given up stand behind the one that was gone on from."""
    labelsnap("snapshots", "tag", f"{url}@6", "model-7")
    lost = manifest(folder, 6).stem
    record(folder, 6).unlink()
    labelsnap("snapshots", "expire", url, "--keep", "9", "--lost", "--yes")
    assert json.loads(record(folder, 7).read_bytes())["behind"] == [lost]


def test_a_tag_is_not_read_as_what_its_number_became(labelsnap, url, folder, tmp_path):
    """Where a number was given again, the tag is not listed with it, and says so until the name is taken away."""
    labelsnap("snapshots", "tag", f"{url}@6", "model-7")
    record(folder, 6).unlink()
    with aside(folder / "tags/model-7.json"):
        assert labelsnap("snapshots", "rollback", f"{url}@3")[0] == 0
    status, listed = labelsnap.json("snapshots", "list", url)
    assert (status, listed["error"]["code"]) == (4, "tag_astray")
    assert (listed["versions"][-1]["version"], listed["versions"][-1]["tags"]) == (6, [])
    for command in (["show", f"{url}@model-7"], ["verify", f"{url}@model-7"], ["rollback", f"{url}@model-7"],
                    ["tag", f"{url}@6", "model-7"]):  # fmt: skip
        status, refused = labelsnap.json("snapshots", *command)
        assert (status, refused["error"]["code"]) == (4, "tag_astray")
    assert labelsnap("pull", f"{url}@model-7", "--format", "yolo", tmp_path / "tree")[0] == 4
    assert follow(labelsnap, refused["error"]["remedy"], "untag") == {"tag": "model-7", "version": 6}
    assert versions_of(labelsnap, url) == (0, [1, 2, 3, 4, 5, 6], None)
    assert labelsnap("snapshots", "tag", f"{url}@6", "model-7")[0] == 0


@pytest.mark.parametrize("witness", ["tags", "gc"])
def test_a_dataset_that_lost_all_records_does_not_begin_again(labelsnap, url, folder, days_ago, witness):
    """A tag or an epoch shows that there were versions; nothing is published, and nothing is deleted."""
    expire(open_store(url), keep=2)
    tag(open_store(url), "model-7", 6)
    days_ago(30)
    assert labelsnap("snapshots", "gc", url, "--yes")[0] == 0
    shutil.rmtree(folder / "commits")
    shutil.rmtree(folder / ({"tags", "gc"} - {witness}).pop())
    before = objects_in(folder)
    assert versions_of(labelsnap, url) == (4, [], "version_gap")
    for command in (["gc", url, "--yes"], ["expire", url, "--keep", "1", "--yes"], ["show", url],
                    ["expire", url, "--keep", "1", "--lost", "--yes"]):  # fmt: skip
        status, refused = labelsnap.json("snapshots", *command)
        assert (status, refused["error"]["code"]) == (4, "version_gap")
        assert "another name" in refused["error"]["remedy"]
    assert objects_in(folder) == before


def test_what_a_lost_newest_version_has_is_kept(labelsnap, url, folder, days_ago):
    """An epoch of garbage collection says that there was a version 7: gc, three times, deletes nothing."""
    expire(open_store(url), keep=2)
    days_ago(30)
    assert labelsnap("snapshots", "gc", url, "--yes")[0] == 0
    for version in (6, 7):
        record(folder, version).unlink()
    before = objects_in(folder)
    for _ in range(3):
        days_ago(9)
        status, refused = labelsnap.json("snapshots", "gc", url, "--yes")
        assert (status, refused["error"]["code"]) == (4, "version_gap")
        assert "found none of 6–7" in refused["error"]["message"]
    assert objects_in(folder) == before


@pytest.mark.parametrize("copied", ["commits/00000000000000000002.json", "tags/model.json", "manifests"])
@pytest.mark.parametrize("number", [5, 6, 99])
def test_what_is_not_the_record_of_its_number_is_damage(labelsnap, url, folder, copied, number):
    """Whole bytes of something else are told and can be given up like a flipped byte."""
    tag(open_store(url), "model", 3)
    source = manifest(folder, 2) if copied == "manifests" else folder / copied
    shutil.copy(source, record(folder, number))
    status, listed = labelsnap.json("snapshots", "list", url)
    kept = [version for version in range(1, 7) if version != number]
    assert (status, [each["version"] for each in listed["versions"]]) == (4, kept)
    for command in (["gc", url, "--yes"], ["expire", url, "--keep", "9", "--yes"], ["show", f"{url}@{number}"]):
        status, refused = labelsnap.json("snapshots", *command)
        assert status == 4
    follow(labelsnap, refused["error"]["remedy"], "expire")
    assert versions_of(labelsnap, url) == (0, [*kept, max(number, 6) + 1], None)
    assert labelsnap("snapshots", "rollback", f"{url}@4")[0] == 0
    assert labelsnap("snapshots", "gc", url, "--yes")[0] == 0


def test_a_number_that_has_no_successor_is_given_to_none(labelsnap, url, folder):
    """A record under the highest key: what would come after it could not be listed, so it is not made."""
    highest = folder / f"commits/{'9' * 20}.json"
    shutil.copy(record(folder, 2), highest)
    status, refused = labelsnap.json("snapshots", "expire", url, "--keep", "9", "--lost", "--yes")
    assert (status, refused["error"]["code"]) == (4, "version_limit")
    assert len(list((folder / "commits").iterdir())) == 7
    highest.unlink()
    assert versions_of(labelsnap, url) == (0, [1, 2, 3, 4, 5, 6], None)


def test_a_wrong_record_of_an_expired_version_is_nobodys_loss(labelsnap, url, folder):
    """Version 2 has expired, and another version's whole record lies under its number."""
    expire(open_store(url), keep=2)
    shutil.copy(record(folder, 4), record(folder, 2))
    assert versions_of(labelsnap, url) == (0, [5, 6, 7], None)
    for command in (["tag", f"{url}@6", "x"], ["rollback", f"{url}@5"], ["expire", url, "--keep", "9", "--yes"],
                    ["gc", url, "--yes"]):  # fmt: skip
        assert labelsnap("snapshots", *command)[0] == 0


@pytest.mark.parametrize("where", ["commits", "data", "tags", "work", "gc", "manifests", "work/lease", ".partial"])
def test_names_that_no_store_can_hold_stop_no_command(labelsnap, url, folder, where):
    """A file whose name is no UTF-8, and a link that points to itself, are somebody else's."""
    (folder / where).mkdir(exist_ok=True, parents=True)
    foreign = os.path.join(os.fsencode(folder / where), b"caf\xe9.json")  # noqa: PTH118 - bytes are no path
    os.close(os.open(foreign, os.O_CREAT))
    loop = folder / where / "x.json"
    loop.symlink_to("x.json")
    for command in (["list", url], ["tag", f"{url}@6", "model"], ["rollback", f"{url}@3"],
                    ["expire", url, "--keep", "2", "--yes"], ["gc", url, "--yes"]):  # fmt: skip
        assert labelsnap("snapshots", *command)[0] == 0, command
    assert loop.is_symlink()
    assert os.path.exists(foreign)  # noqa: PTH110 - as above


@pytest.mark.usefixtures("swept")
@pytest.mark.parametrize("readable", [5, 6])
def test_what_was_swept_does_not_come_back(labelsnap, url, folder, days_ago, readable):
    """Where every later record is damaged, versions whose objects are deleted stay expired."""
    for version in range(readable + 1, 9):
        record(folder, version).write_bytes(b"{}")
    status, refused = labelsnap.json("snapshots", "gc", url, "--yes")
    assert status == 4
    given_up = follow(labelsnap, refused["error"]["remedy"], "expire")
    assert given_up["expiring"] == [1, 2, 3, 4]
    assert given_up["lost"] == [[readable + 1, 8]]
    assert versions_of(labelsnap, url) == (0, [*range(5, readable + 1), 9], None)
    for _ in range(2):
        days_ago(9)
        assert labelsnap("snapshots", "gc", url, "--yes")[0] == 0
    assert labelsnap.json("snapshots", "verify", url)[0] == 0


@pytest.mark.usefixtures("swept")
def test_nothing_is_gone_on_from_when_all_that_is_left_was_swept(labelsnap, url, folder):
    """Only records of versions whose objects are deleted can be read: status 4, and nothing is changed."""
    for version in range(5, 9):
        record(folder, version).write_bytes(b"{}")
    before = objects_in(folder)
    status, refused = labelsnap.json("snapshots", "expire", url, "--keep", "9", "--lost", "--yes")
    assert (status, "another name" in refused["error"]["remedy"]) == (4, True)
    assert objects_in(folder) == before


@pytest.mark.parametrize("how", ["gone", "flipped"])
@pytest.mark.parametrize("version", [3, 5, 6])
def test_a_version_without_its_manifest_is_given_up(labelsnap, url, folder, version, how):
    """Whether it is tagged (3), untagged or the newest: gc names the way out, and goes on after it."""
    tag(open_store(url), "model-3", 3)
    damaged(manifest(folder, version), how)
    for command in (["gc", url, "--yes"], ["expire", url, "--keep", "4", "--yes"]):
        status, refused = labelsnap.json("snapshots", *command)
        assert (status, refused["error"]["code"]) == (4, "object_damaged")
    assert follow(labelsnap, refused["error"]["remedy"], "expire")["lost"] == [[version, version]]
    assert versions_of(labelsnap, url) == (0, [*({1, 2, 3, 4, 5, 6, 7} - {version})], None)
    assert labelsnap("snapshots", "gc", url, "--yes")[0] == 0
    assert labelsnap.json("snapshots", "verify", url)[0] == 0
    assert labelsnap("snapshots", "rollback", f"{url}@2")[0] == 0
    status, refused = labelsnap.json("snapshots", "show", f"{url}@{version}")
    assert (status, refused["error"]["code"]) == (2, "version_expired")


@pytest.mark.parametrize("how", ["gone", "flipped"])
def test_a_damaged_newest_manifest_is_gone_back_from(labelsnap, url, folder, how):
    """The other way out is a rollback: what stands behind it is named where it cannot be read."""
    newest = manifest(folder, 6)
    damaged(newest, how)
    assert labelsnap("snapshots", "rollback", f"{url}@3")[0] == 0
    assert labelsnap("snapshots", "expire", url, "--keep", "1", "--yes")[0] == 0
    status, outcome = labelsnap.json("snapshots", "gc", url, "--yes")
    if how == "flipped":
        assert (status, newest.stem in outcome["error"]["message"]) == (4, True)
        assert "delete it" in outcome["error"]["remedy"]
        newest.unlink()
    assert labelsnap("snapshots", "gc", url, "--yes")[0] == 0


@pytest.mark.parametrize("how", ["gone", "flipped"])
def test_a_version_without_its_manifest_is_neither_named_nor_gone_back_to(labelsnap, url, folder, how):
    """Status 4, and nothing is changed; the newest version stays one that can be read."""
    damaged(manifest(folder, 3), how)
    before = objects_in(folder)
    for command in (["rollback", f"{url}@3"], ["tag", f"{url}@3", "good"]):
        status, refused = labelsnap.json("snapshots", *command)
        assert (status, refused["error"]["code"]) == (4, "object_damaged")
        assert manifest(folder, 3).stem in refused["error"]["message"]
    assert objects_in(folder) == before
    assert labelsnap("snapshots", "verify", url)[0] == 0


@pytest.mark.parametrize(("version", "is_known"), [(6, False), (3, True)])
def test_whose_newest_version_was_given_up_is_as_of_no_export(labelsnap, url, folder, version, is_known):
    """The next look at Labelbox starts a refresh; where another version was given up nothing is to be made again."""
    store = open_store(url)
    store.put("work/exported.json", b"{}")
    manifest(folder, version).unlink()
    labelsnap("snapshots", "expire", url, "--keep", "9", "--lost")
    assert store.get("work/exported.json") == b"{}"
    labelsnap("snapshots", "expire", url, "--keep", "9", "--lost", "--yes")
    assert (store.head("work/exported.json") is not None) is is_known


def test_a_tagged_version_that_was_given_up_is_named_as_that(labelsnap, url, folder, days_ago, tmp_path):
    """Status 2, and no way out that was gone already; the name can be taken away."""
    labelsnap("snapshots", "tag", f"{url}@4", "model-4")
    for damage in (lambda: record(folder, 4).unlink(), lambda: record(folder, 4).write_bytes(b"{}")):
        damage()
        labelsnap("snapshots", "expire", url, "--keep", "9", "--lost", "--yes")
        for command in (["show", f"{url}@model-4"], ["rollback", f"{url}@4"], ["tag", f"{url}@4", "x"]):
            status, refused = labelsnap.json("snapshots", *command)
            assert (status, refused["error"]["code"]) == (2, "version_expired")
            assert "--lost" not in refused["error"]["remedy"]
        assert labelsnap("pull", f"{url}@model-4", "--format", "yolo", tmp_path / "tree")[0] == 2
    assert labelsnap.json("snapshots", "untag", url, "model-4") == (0, {"tag": "model-4", "version": 4})
    assert labelsnap.json("snapshots", "untag", url, "model-4")[1]["error"]["code"] == "unknown_tag"
    for _ in range(2):
        days_ago(9)
        assert labelsnap("snapshots", "gc", url, "--yes")[0] == 0


def test_a_name_is_taken_away_and_given_again(labelsnap, url, folder):
    """Its version may expire then; a damaged tag goes too."""
    labelsnap("snapshots", "tag", f"{url}@2", "model")
    assert "model was version 2" in labelsnap("snapshots", "untag", url, "model")[1]
    assert labelsnap("snapshots", "tag", f"{url}@3", "model")[0] == 0
    assert labelsnap.json("snapshots", "expire", url, "--keep", "1", "--yes")[1]["tagged"] == [3]
    (folder / "tags/model.json").write_bytes(b"{}")
    status, refused = labelsnap.json("snapshots", "list", url)
    assert status == 4
    remedy = refused["error"]["remedy"]
    assert remedy.index("listed: if its record is lost too") < remedy.index("untag")
    assert "a damaged tag, of which nobody can tell what version" in labelsnap("snapshots", "untag", url, "model")[1]
    assert labelsnap("snapshots", "list", url)[0] == 0


def test_what_waits_is_said_by_whoever_collects(labelsnap, url, days_ago):
    """A second ``gc --yes`` within a day names the same objects that ``gc`` does."""
    expire(open_store(url), keep=2)
    days_ago(30)
    listed = labelsnap.json("snapshots", "gc", url, "--yes")[1]["condemned"]
    assert listed["objects"] == 8
    for options in (["--yes"], []):
        assert labelsnap.json("snapshots", "gc", url, *options)[1]["waiting"] == listed
        assert "waiting      8 objects" in labelsnap("snapshots", "gc", url, *options)[1]


def test_an_epoch_from_the_future_stops_nothing(labelsnap, url, folder, days_ago):
    """Its age cannot be told: what it lists is listed anew, waits its day, and goes."""
    expire(open_store(url), keep=2)
    days_ago(30)
    first = labelsnap.json("snapshots", "gc", url, "--yes")[1]["condemned"]
    epoch = folder / f"gc/{1:020d}.json"
    ahead = epoch.stat().st_mtime + 400 * 86_400
    os.utime(epoch, (ahead, ahead))
    assert labelsnap.json("snapshots", "gc", url, "--yes")[1]["condemned"] == first
    assert labelsnap.json("snapshots", "gc", url, "--yes")[1]["waiting"] == first
    days_ago(2)
    assert labelsnap.json("snapshots", "gc", url, "--yes")[1]["deleted"] == first
    assert versions_of(labelsnap, url) == (0, [5, 6, 7, 8], None)


@pytest.mark.parametrize("number", ["1e6", "inf", "nan", "-1", "1e400"])
@pytest.mark.parametrize("option", [["expire", "--keep", "1", "--older-than-days"], ["gc", "--grace-days"]])
def test_days_that_no_clock_has_are_refused(labelsnap, url, option, number):
    """Status 2, and a message instead of a trace."""
    status, refused = labelsnap.json("snapshots", option[0], url, *option[1:], number)
    assert (status, refused["error"]["code"]) == (2, "usage")
    assert option[-1] in refused["error"]["message"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: record(folder, 4).unlink(),
        lambda folder: record(folder, 6).unlink(),
        lambda folder: flip(record(folder, 6)),
        lambda folder: flip(manifest(folder, 6)),
        lambda folder: manifest(folder, 3).unlink(),
    ],
    ids=["a record", "the newest record", "damage in it", "damage in its manifest", "a manifest"],
)
def test_the_runbooks_way_out_of_losses_is_one(labelsnap, url, folder, damage):
    """As it stands in ``deploy/README.md``, with a dataset's URL and a number."""
    tag(open_store(url), "model", 6)
    damage(folder)
    assert labelsnap("snapshots", "gc", url, "--yes")[0] == 4
    follow(labelsnap, runbook("version_gap", url, "N"), "expire")
    assert labelsnap("snapshots", "list", url)[0] == 0
    assert labelsnap("snapshots", "gc", url, "--yes")[0] == 0
    assert labelsnap("snapshots", "rollback", f"{url}@2")[0] == 0


def test_the_runbooks_way_out_of_a_damaged_tag_is_one(labelsnap, url, folder):
    """The name is taken away, and given again."""
    tag(open_store(url), "model", 6)
    flip(folder / "tags/model.json")
    assert labelsnap("snapshots", "list", url)[0] == 4
    follow(labelsnap, runbook("a damaged tag", url, "model"), "untag")
    assert labelsnap("snapshots", "tag", f"{url}@6", "model")[0] == 0
    assert labelsnap("snapshots", "list", url)[0] == 0
