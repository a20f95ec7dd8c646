"""Shards upon those of a version before: the bytes of one pass, of which nothing that stands is made or sent again."""

from __future__ import annotations

import io
import tarfile
from collections import Counter
from contextlib import suppress
from pathlib import Path
from shutil import copytree
from tempfile import TemporaryDirectory

import pyarrow as pa
import pytest
from converting import SHAPES, Converting, Row, image_of
from hypothesis import Phase, settings
from hypothesis import given as drawn
from hypothesis import strategies as st
from pyarrow import parquet

from labelsnap.buckets.parts import shards as renewing
from labelsnap.buckets.parts.shards import MAX_WASTE
from labelsnap.buckets.source import BucketSource
from labelsnap.errors import StorageRefusedError
from labelsnap.formats import huggingface, webdataset
from labelsnap.formats.interface import NotThereError, Span, Standing, Told
from labelsnap.formats.shared.groups import row_groups, standing
from labelsnap.records.choices.splits import SPLITS
from labelsnap.snapshots.checking.objects import Fault, check_object, wholes_of
from labelsnap.snapshots.writing.joined import MAX_OBJECTS
from labelsnap.storage.local import LocalStore
from tasks.formats import given, shards
from tests.examples import of_a_hundred

FORMATS = {"webdataset": {}, "huggingface": {}}
NARROWED = {
    "boxes": {"format": "webdataset", "kinds": ["bounding_box"]},
    "lanes": {"format": "huggingface", "classes": {"lane": "line"}},
}
OTHERS = {"webdataset": {"mask": "instance"}, "huggingface": {"layout": "imagefolder"}}
NAMES = [f"row{number:02}" for number in range(16)]
ROWS = st.dictionaries(
    st.sampled_from(NAMES),
    st.builds(Row, st.integers(0, len(SHAPES) - 1), st.sampled_from(SPLITS), st.integers(0, 1)),
    max_size=len(NAMES),
)


def street(**others):
    """Forty rows of all kinds in all splits; ``others`` are other rows by name, None: it is not there."""
    rows = {f"row{number:02}": Row(number % len(SHAPES), SPLITS[number % 5 % 3]) for number in range(40)}
    return {name: row for name, row in (rows | others).items() if row is not None}


def of_shards(version):
    """A version's shards."""
    return [file for file in version.manifest.below("formats/") if file.path.endswith((".tar", ".parquet"))]


def joined_of(version):
    """A version's shards that are joined, by path."""
    return {file.path: file for file in of_shards(version) if file.parts}


@pytest.fixture(autouse=True)
def small_groups(monkeypatch):
    """Groups of eight rows at most, four on average, so that a shard has several."""
    monkeypatch.setattr(row_groups, "ROWS_IN_A_GROUP", 8)
    monkeypatch.setattr(row_groups, "ROWS_TO_AN_END", 4)


@pytest.fixture(scope="module")
def beginning(tmp_path_factory):
    """The street in four buckets with copied images, and the folder that it is in."""
    folder = tmp_path_factory.mktemp("street")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(row_groups, "ROWS_IN_A_GROUP", 8)
        patched.setattr(row_groups, "ROWS_TO_AN_END", 4)
        return folder, Converting(folder, FORMATS, buckets=4, copied=True).convert(street())


@pytest.fixture
def begun(beginning, tmp_path):
    """What makes versions upon the street, and its version."""
    folder, first = beginning
    copytree(folder, tmp_path, dirs_exist_ok=True)
    converting = Converting(tmp_path, FORMATS, buckets=4, copied=True)
    converting.images |= {
        each.image.sha256: image_of(each.record.data_row.id[4:], 0) for each in first.samples.values()
    }
    return converting, first


def assert_sound(converting, version):
    """Each shard has its bytes, is of few objects that have little else, and reads as what it is."""
    packs = {pack.key: pack.size for pack in version.manifest.packs}
    for file in joined_of(version).values():
        keys = {part.key for part in file.parts}
        assert len(keys) <= MAX_OBJECTS
        assert sum(packs[key] for key in keys) <= MAX_WASTE * file.size
    with TemporaryDirectory() as folder:
        for whole in wholes_of(version.manifest):
            assert not isinstance(check_object(converting.store, whole, Path(folder, "object")), Fault)


@pytest.mark.parametrize("count", [1, pytest.param(4, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "formats",
    [
        pytest.param(FORMATS, id="images"),
        pytest.param(OTHERS, id="others", marks=pytest.mark.slow),
        pytest.param(NARROWED, id="narrowed", marks=pytest.mark.slow),
    ],
)
@settings(max_examples=of_a_hundred(12), phases=(Phase.generate,), deadline=None)
@drawn(versions=st.lists(ROWS, min_size=2, max_size=5))
def test_versions_upon_others_have_the_bytes_of_one_pass(formats, count, versions):
    """Rows added, changed, given other images, moved and removed, in one shard of a split or in four."""
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patched:
        patched.setattr(given, "shard_count", lambda *_: count)
        patched.setattr(shards, "FEW", 1)
        converting = Converting(Path(folder), formats, copied=True)
        base = None
        for rows in versions:
            base = converting.convert(rows, base)
            if count == 1:
                assert converting.tree(base) == converting.expected(base)
            else:
                alone = Converting(Path(folder, "alone"), formats, copied=True)
                assert converting.tree(base) == alone.tree(alone.convert(rows))
            assert_sound(converting, base)


def test_rows_that_are_made_have_what_the_output_selects(tmp_path):
    """As those have that stand beside them: no object of another kind or class comes with a row that was edited."""
    converting = Converting(tmp_path, NARROWED, copied=True)
    first = converting.convert(street())
    second = converting.convert(street(row10=Row(2, "train", 1), row12=Row(2, "train")), first)
    assert {file.path for file in of_shards(second)} & joined_of(second).keys()
    assert converting.tree(second) == converting.expected(second)


def test_of_rows_that_stand_nothing_is_made_or_sent(begun, monkeypatch):
    """One row changed, one removed, one added: each format makes two rows, reads two images, and sends no other."""
    converting, first = begun
    made = Counter()

    def counted(module, name, at):
        function = getattr(module, name)

        def call(*arguments, **options):
            made[name, arguments[at].record.data_row.id] += 1
            return function(*arguments, **options)

        monkeypatch.setattr(module, name, call)

    counted(webdataset, "_document", 1)
    counted(webdataset, "semantic_map", 0)
    counted(huggingface, "_row", 0)
    counted(BucketSource, "pick_image", 1)
    counted(BucketSource, "read_image", 1)
    there = {info.key for info in converting.store.list("data/formats/webdataset/")}
    rows = street(row00=Row(1, "train"), row05=None, other=Row(2, "train"))
    assert {name: street()[name].split for name in ("row00", "row05")} == dict.fromkeys(("row00", "row05"), "train")
    second = converting.convert(rows, first)
    asked = {name: {row_id: made[name, row_id] for called, row_id in made if called == name} for name, _ in made}
    twice = {"row-row00": 2, "row-other": 2}
    assert asked == {
        "_document": dict.fromkeys(twice, 1),
        "semantic_map": dict.fromkeys(twice, 1),
        "_row": dict.fromkeys(twice, 1),
        "pick_image": twice,
    }
    assert "formats/webdataset/train-000000.tar" in joined_of(second)
    (new,) = {info.key for info in converting.store.list("data/formats/webdataset/")} - there
    assert new.endswith(".tar.part")
    sent = {name for name in rows if image_of(name, 0) in converting.store.get(new)}
    assert sent == {"row00", "other"}
    assert converting.tree(second) == converting.expected(second)


def test_labels_alone_send_no_image(begun):
    """Of a row whose image stands, tables send columns of its group, and no image of any row."""
    converting, first = begun
    there = {info.key for info in converting.store.list("data/formats/huggingface/")}
    second = converting.convert(street(row10=Row(3, "train")), first)
    (new,) = {info.key for info in converting.store.list("data/formats/huggingface/")} - there
    assert new.endswith(".parquet.part")
    body = converting.store.get(new)
    assert not any(image_of(name, 0)[:200] in body for name in street())
    assert converting.tree(second) == converting.expected(second)


def test_a_row_that_comes_or_goes_sends_its_group_alone(begun):
    """Groups of a table end at rows of their own: those behind it are as they were."""
    converting, first = begun
    there = {info.key for info in converting.store.list("data/formats/huggingface/")}
    rows = street(row28=None)
    second = converting.convert(rows, first)
    (new,) = {info.key for info in converting.store.list("data/formats/huggingface/")} - there
    assert new.endswith(".parquet.part")
    body = converting.store.get(new)
    assert [name for name in rows if image_of(name, 0)[:200] in body] == ["row33"]
    assert converting.tree(second) == converting.expected(second)


@pytest.mark.slow
def test_many_nights_leave_few_objects_and_little_waste(begun):
    """Each night gives one row another image: what a shard is joined of stays within its limits."""
    converting, version = begun
    rows = street()
    most = 0
    for night in range(40):
        name = f"row{night * 7 % 40:02}"
        rows[name] = rows[name]._replace(image=night + 1)
        version = converting.convert(rows, version)
        assert_sound(converting, version)
        most = max(most, *(len({part.key for part in file.parts}) for file in of_shards(version)))
    assert converting.tree(version) == converting.expected(version)
    assert 1 < most <= MAX_OBJECTS


@pytest.mark.slow
def test_a_shard_of_which_most_rows_changed_is_made_whole(begun):
    """It is not read for the few that stand."""
    converting, first = begun
    rows = street(**{f"row{number:02}": Row(3, SPLITS[number % 5 % 3], 1) for number in range(40) if number % 4})
    second = converting.convert(rows, first)
    assert not joined_of(second)
    assert converting.tree(second) == converting.expected(second)


@pytest.mark.slow
def test_a_version_that_changes_nothing_has_the_joined_shards_of_before(begun):
    """With the packs that they lie in."""
    converting, first = begun
    rows = street(row10=Row(3, "train"))
    second = converting.convert(rows, first)
    assert joined_of(second)
    third = converting.convert(rows, second)
    assert third.manifest == second.manifest
    fourth = converting.convert(street(row10=Row(3, "train"), row01=Row(0, "val")), second)
    assert {path: file for path, file in joined_of(fourth).items() if "train" in path} == joined_of(second)
    assert_sound(converting, fourth)


def damaged(body):
    """Other bytes of the same length."""
    return body[:-1] + bytes([body[-1] ^ 1])


@pytest.mark.parametrize("prefix", ["webdataset/train", "huggingface/data/train"])
@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(damaged, id="other bytes"),
        pytest.param(lambda body: body[:-10], id="cut", marks=pytest.mark.slow),
    ],
)
def test_a_shard_that_is_not_as_it_was_written_is_damage(begun, prefix, spoil):
    """Nothing of it is taken over; where its object has another size, the format is made anew."""
    converting, first = begun
    (key,) = (info.key for info in converting.store.list(f"data/formats/{prefix}"))
    converting.store.put(key, spoil(converting.store.get(key)))
    rows = street(row10=Row(3, "train"))
    if spoil is not damaged:
        assert converting.tree(second := converting.convert(rows, first)) == converting.expected(second)
        return
    with pytest.raises(StorageRefusedError) as refused:
        converting.convert(rows, first)
    assert refused.value.code == "object_damaged"
    assert prefix.rpartition("/")[2] in refused.value.message


def stand_in(path, body):
    """What a writer that is not trusted puts in the place of a shard."""
    if path.endswith(".tar"):
        with tarfile.open(path, "w") as tar:
            tar.add(__file__, "other.py")
    else:
        Path(path).write_bytes(body)
    return Path(path).read_bytes()


def tar_of(*members):
    """A tar of members, each a name with its body, or what else it is."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                tar.addfile(member)
            else:
                found = tarfile.TarInfo(member)
                found.size = 2
                tar.addfile(found, io.BytesIO(b"{}"))
    return file.getvalue()


def link(name):
    """A symbolic link of this name."""
    found = tarfile.TarInfo(name)
    found.type, found.linkname = tarfile.SYMTYPE, "/etc/passwd"
    return found


@pytest.mark.parametrize(
    "members",
    [
        ["a.json", link("a.png")],
        ["a.json", "a.mask.png", "a.x/../../../evil"],
        ["a.json", "a.mask.png", "a.txt"],
        ["a.mask.png", "a.json"],
        ["a.json", "b.json", "a.mask.png"],
        ["a.json", "a.mask.png", link("b.json")],
        ["a.json"],
    ],
    ids=["a link", "a path", "one more", "another order", "another between", "a link elsewhere", "one less"],
)
def test_members_that_no_shard_has_are_taken_over_by_none(members):
    """What stands of a row are the files that it would be given, one behind another, and nothing else."""
    before = Standing(io.BytesIO(tar_of(*members)), [Told("r", "a.jpg", None)])
    with pytest.raises(NotThereError):
        list(webdataset._renewed(lambda _: (), before, with_map=True))


def test_members_that_a_shard_has_are_one_span():
    """Of a row whose image is referenced."""
    body = tar_of("a.json", "a.mask.png")
    before = Standing(io.BytesIO(body), [Told("r", "a.jpg", None)])
    span, end = webdataset._renewed(lambda _: (), before, with_map=True)
    assert (span, end) == (Span(0, 4 * tarfile.BLOCKSIZE), bytes(2 * tarfile.BLOCKSIZE))


@pytest.mark.parametrize(("most", "held"), [(7, 1 << 28), (8, 1 << 16)], ids=["rows", "bytes"])
def test_a_group_that_says_more_than_any_is_not_held(tmp_path, monkeypatch, most, held):
    """A few bytes of Parquet may stand for a lot: a text in a dictionary, once for every row."""
    schema = pa.schema({"data_row_id": pa.string(), "text": pa.string()})
    path = tmp_path / "table.parquet"
    parquet.write_table(pa.table({"data_row_id": list("abcdefgh"), "text": ["x" * 60_000] * 8}, schema=schema), path)
    monkeypatch.setattr(standing, "_LABELS_BYTES", held)
    with path.open("rb") as file, pytest.raises(NotThereError, match="more than"):
        _ = standing.Earlier(file, schema, most).found("a").group.rows


@pytest.mark.parametrize(
    "what",
    [
        "another tar",
        "another table",
        *(pytest.param(what, marks=pytest.mark.slow) for what in ("no tar", "long names", "no table")),
    ],
)
def test_a_shard_that_has_not_what_stands_is_made_whole(begun, tmp_path, monkeypatch, what):
    """Whatever it is: the shard of today has the bytes of one pass."""
    converting, first = begun
    others = Converting(tmp_path / "others", FORMATS, copied=True)
    other = others.tree(others.convert({"other": Row(1, "train")}))
    table = other["formats/huggingface/data/train-00000-of-00001.parquet"]
    ending = ".tar" if "tar" in what else ".parquet"
    ending = ".tar" if what == "long names" else ending
    if what == "long names":
        body = tar_of("x" * 2_000_000 + ".json")
    else:
        body = b"x" * 5000 if what.startswith("no") else stand_in(str(tmp_path / f"other{ending}"), table)
    read = renewing.download_file

    def replaced(store, file, path, **options):
        read(store, file, path, **options)
        if file.path.endswith(ending):
            path.write_bytes(body)

    monkeypatch.setattr(renewing, "download_file", replaced)
    if what == "no table":
        with pytest.raises(StorageRefusedError, match="no whole Parquet"):
            converting.convert(street(row10=Row(3, "train")), first)
        return
    second = converting.convert(street(row10=Row(3, "train")), first)
    assert {Path(path).suffix for path in joined_of(second)} == {".tar", ".parquet"} - {ending}
    assert converting.tree(second) == converting.expected(second)


class Killed(BaseException):
    """The process is gone."""


@pytest.mark.slow
def test_a_run_that_is_killed_at_any_call_of_the_store_is_run_again(begun, monkeypatch):
    """At each call that shards make: the version before has its bytes, and the next run those of one pass."""
    converting, first = begun
    before = converting.tree(first)
    rows = street(row10=Row(3, "train", 1), row05=None)
    left, writing = [0], [False]

    def killing(name):
        function = getattr(LocalStore, name)

        def call(*arguments, **options):
            if writing[0]:
                left[0] -= 1
                if left[0] < 0:
                    raise Killed
            return function(*arguments, **options)

        monkeypatch.setattr(LocalStore, name, call)

    for name in ("put", "get", "head", "download"):
        killing(name)
    add = renewing.Renewer.add

    def watched(*arguments):
        writing[0] = True
        try:
            return add(*arguments)
        finally:
            writing[0] = False

    monkeypatch.setattr(renewing.Renewer, "add", watched)
    kills = 0
    for calls in range(200):
        left[0] = calls
        with suppress(Killed):
            second = converting.convert(rows, first)
            break
        kills += 1
        assert converting.tree(first) == before
    assert kills > 10
    assert joined_of(second)
    assert converting.tree(second) == converting.expected(second)
    assert_sound(converting, second)
