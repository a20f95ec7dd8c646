"""Verifying: whatever is wrong with an object, it is named, and nobody reads it."""

from __future__ import annotations

import io
import shutil
from itertools import cycle

import pyarrow as pa
import pytest
from msgspec import structs
from publishing import publish, published
from pyarrow import parquet
from sample_snapshot import draft_samples, publish_samples

from labelsnap.errors import ConfigurationError, StorageRefusedError
from labelsnap.snapshots import Draft, pull, read_file, read_snapshot
from labelsnap.snapshots.checking.decoding import UndecodableError, decode_file
from labelsnap.snapshots.checking.verify import Progress, verify
from labelsnap.snapshots.manifest import digest
from labelsnap.snapshots.sealed import seal
from labelsnap.storage import open_store
from tests.formats.format_samples import every_kind, samples_of

SOURCE = every_kind()
SAMPLES = [*samples_of(SOURCE, "train"), *samples_of(SOURCE, "val")]


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """A folder with a model run with every kind of annotation, published in two buckets."""
    store = open_store((tmp_path_factory.mktemp("sound") / "store").as_uri())
    publish_samples(store, SAMPLES, classes=SOURCE.registry, count=2, model_run=True)
    return store.root


@pytest.fixture
def snapshot(sound, folder_store):
    """Read the model run's version from a copy."""
    shutil.copytree(sound, folder_store.root)
    return read_snapshot(folder_store)


def objects_of(found):
    """Every object of a snapshot below its manifest."""
    return sorted({file.key for file in found.manifest.files} | {pack.key for pack in found.manifest.packs})


def flipped(body):
    """Change one bit, in a tar that of a payload."""
    place = 520 if len(body) % 512 == 0 else len(body) // 2
    return body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :]


def truncated(body):
    """Cut the end off, in a tar before that of the first payload."""
    return body[:520] if len(body) % 512 == 0 else body[:-3]


def deleted(_):
    """Leave nothing."""
    return


DAMAGES = {flipped: "bytes", truncated: "size", deleted: "missing"}


def spoil(store, key, damage):
    """Damage an object, and return what makes it whole again."""
    body = store.get(key)
    store.delete(key) if damage is deleted else store.put(key, damage(body))
    return lambda: store.put(key, body)


def read_all(store, folder):
    """Read the newest version in every way there is."""
    found = read_snapshot(store)
    for name in ("coco", "yolo", "parquet", "raw"):
        pull(store, found, name, folder / name, layout=lambda split, name: f"images/{split}/{name}")


def test_whole_version_has_no_fault(folder_store, snapshot):
    """Every object of an undamaged version is looked at, and nothing is found."""
    steps = []
    outcome = verify(folder_store, on_progress=steps.append)
    objects = objects_of(snapshot)
    assert outcome.faults == ()
    assert (outcome.version, outcome.objects) == (1, len(objects) + 2)
    assert outcome.bytes == sum(info.size for info in folder_store.list("") if not info.key.startswith("_probe/"))
    assert steps == [Progress(done, len(objects)) for done in range(1, len(objects) + 1)]


def spoil_three_in_four(store, turn):
    """Flip an object, cut the next, delete the one after, leave the fourth, and so on; give the damages by key."""
    found = read_snapshot(store)
    wheel = [*DAMAGES, None]
    damages = dict(zip(objects_of(found), cycle(wheel[turn:] + wheel[:turn]), strict=False))
    for key, damage in damages.items():
        if damage:
            spoil(store, key, damage)
    return found.manifest.files, {key: damage for key, damage in damages.items() if damage}


@pytest.mark.parametrize("turn", range(len(DAMAGES) + 1))
def test_damaged_objects_and_no_others_are_named(folder_store, snapshot, turn):
    """Three objects in four are damaged, in turn each in every way: just those are named, and how."""
    files, damages = spoil_three_in_four(folder_store, turn)
    found = {fault.key: fault.damage for fault in verify(folder_store).faults}
    assert found == {key: DAMAGES[damage] for key, damage in damages.items()}
    for key in damages.keys() & {file.key for file in files}:
        with pytest.raises(StorageRefusedError, match=key):
            [read_file(folder_store, file) for file in files if file.key == key]


@pytest.mark.slow
@pytest.mark.parametrize("turn", range(len(DAMAGES) + 1))
def test_damaged_objects_are_named_on_every_store(store, turn):
    """The same on S3."""
    publish_samples(store, SAMPLES, classes=SOURCE.registry, model_run=True)
    _, damages = spoil_three_in_four(store, turn)
    found = {fault.key: fault.damage for fault in verify(store).faults}
    assert found == {key: DAMAGES[damage] for key, damage in damages.items()}


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGES)
def test_nothing_that_is_damaged_is_read(folder_store, snapshot, tmp_path, damage):
    """Any one object damaged: it alone is named, and reading all of the version stops with an error."""
    for key in objects_of(snapshot):
        mend = spoil(folder_store, key, damage)
        assert {fault.key for fault in verify(folder_store).faults} == {key}
        with pytest.raises(StorageRefusedError, match=key):
            read_all(folder_store, tmp_path / key.replace("/", "-"))
        mend()
    assert verify(folder_store).faults == ()


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_manifest_is_a_finding(folder_store, snapshot, damage):
    """A manifest that cannot be trusted is named, nothing below it is guessed at, and reading stops."""
    key = f"manifests/{snapshot.commit.manifest}.json"
    spoil(folder_store, key, damage)
    outcome = verify(folder_store)
    assert [fault.key for fault in outcome.faults] == [key]
    assert outcome.faults[0].damage == ("missing" if damage is deleted else "bytes")
    with pytest.raises(StorageRefusedError, match=snapshot.commit.manifest):
        read_snapshot(folder_store)


def test_manifest_that_is_no_manifest_is_a_finding(folder_store, snapshot):
    """Bytes with the right hash that hold no manifest are named as such."""
    body = b"[]"
    folder_store.put(f"manifests/{digest(body)}.json", body)
    folder_store.put("commits/00000000000000000001.json", seal(structs.replace(snapshot.commit, manifest=digest(body))))
    assert [(fault.key, fault.damage) for fault in verify(folder_store).faults] == [
        (f"manifests/{digest(body)}.json", "content")
    ]


def test_any_flipped_bit_of_a_commit_record_is_found(folder_store):
    """Whatever byte of the record is hit, it is named."""
    published(folder_store, {"a.txt": b"a"})
    key = "commits/00000000000000000001.json"
    body = folder_store.get(key)
    for place in range(len(body)):
        (folder_store.root / key).write_bytes(body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :])
        assert [fault.key for fault in verify(folder_store).faults] == [key]


@pytest.mark.parametrize("body", [b"", b"{}", b"null", b"\xff", b'{"format_version":9}'])
def test_unreadable_commit_record_is_a_finding(folder_store, body):
    """What is no record is a named finding."""
    published(folder_store, {"a.txt": b"a"})
    folder_store.put("commits/00000000000000000001.json", body)
    (fault,) = verify(folder_store).faults
    assert (fault.key, fault.damage) == ("commits/00000000000000000001.json", "record")


def test_unknown_version_is_the_callers_mistake(folder_store):
    """A version that never was is no damage."""
    with pytest.raises(ConfigurationError):
        verify(folder_store, 7)


def republished(store, change, *, packs=lambda packs: packs):
    """Publish the samples with files that are other than what tables and images should be, rightly hashed."""
    manifest = draft_samples(store, SAMPLES, classes=SOURCE.registry, model_run=True)
    files = [change(file, store.get(file.key)) if file.offset is None else file for file in manifest.files]
    files = [Draft(store).add_file(file.path, body) if body else file for file, body in map(as_pair, files)]
    publish(store, structs.replace(manifest, files=tuple(files), packs=packs(manifest.packs)))
    return verify(store).faults


def as_pair(file):
    """A file as it was, or with another body."""
    return file if isinstance(file, tuple) else (file, None)


def rewritten(table, **columns):
    """Return what replaces columns of one table's first rows."""

    def change(file, body):
        if not file.path.startswith(f"tables/{table}/"):
            return file
        rows = parquet.read_table(io.BytesIO(body))
        for name, new in columns.items():
            values = [new(value) for value in rows.column(name).to_pylist()]
            field = rows.schema.field(name)
            rows = rows.set_column(rows.column_names.index(name), field, pa.array(values, field.type))
        sink = io.BytesIO()
        parquet.write_table(rows, sink)
        return file, sink.getvalue()

    return change


def masks(**wrong):
    """Return what gives every mask other values."""
    return {"mask": lambda mask: mask and mask | wrong}


def kinds(kind):
    """Call polygons points."""
    return "point" if kind == "polygon" else kind


@pytest.mark.parametrize(
    ("table", "columns", "path", "found"),
    [
        ("annotations", masks(area=11), "tables/annotations/", ("content", "states area 11 and")),
        ("annotations", masks(bounding_box=[0] * 4), "tables/annotations/", ("content", "box [0, 0, 0, 0]")),
        ("annotations", masks(counts="0"), "tables/annotations/", ("content", "do not fill")),
        ("annotations", masks(counts="~"), "tables/annotations/", ("content", "cannot be read")),
        ("annotations", {"kind": kinds}, None, ("counts", "1 annotations.polygon, as in its result 0 in the tables")),
        ("labels", {"origin": lambda _: "prediction"}, None, ("counts", "2 labels, as in its result 0 in the tables")),
        ("images", {"width": lambda _: 9}, "train/street.png", ("content", "8×6")),
        ("images", {"offset": lambda offset: offset + 1}, "train/street.png", ("bytes", "another one")),
        ("images", {"pack": lambda _: "data/images/none-0123456789abcdef.tar"}, "tables/images/", ("missing", "none")),
    ],
)
def test_content_that_does_not_fit_is_found(folder_store, table, columns, path, found):
    """Bytes that are what was written, and still say something that cannot be, are named with what they say."""
    faults = republished(folder_store, rewritten(table, **columns))
    damage, words = found
    told = [
        (fault.damage, words in f"{fault.expected} {fault.found}", (fault.path or "").startswith(path or ""))
        for fault in faults
    ]
    assert (damage, True, True) in told, faults


def test_a_document_that_is_nested_too_deep_is_named(folder_store):
    """It is damage of its object, and no fault of whoever verifies."""
    published(folder_store, {"formats/coco/annotations/instances_train.json": b"[" * 100_000 + b"]" * 100_000})
    (fault,) = verify(folder_store).faults
    assert fault.key.endswith(".json")
    assert (fault.path, fault.damage) == ("formats/coco/annotations/instances_train.json", "content")


def test_images_outside_the_pack_are_found(folder_store):
    """A pack that the manifest does not list is named."""
    faults = republished(folder_store, lambda file, _: file, packs=lambda _: ())
    assert {fault.damage for fault in faults} == {"missing"}


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("a.parquet", b"PAR1"), ("a.ndjson.zst", b"zstd"), ("a.ndjson", b'{"a": 1}\n{"a"'), ("a.json", b'{"a": [1, 2}'),
        ("a.json", b""), ("a.json", b"[" * 100_000 + b"]" * 100_000), ("a.ndjson", b"[" * 100_000 + b"]" * 100_000),
        ("a.tar", b"tar" * 400), ("a.png", b"GIF"), ("a.jpg", b"\xff\xd8\xff"),
    ],
)  # fmt: skip
def test_file_that_is_not_what_its_name_says(tmp_path, name, body):
    """Each kind of file is read from end to end."""
    (tmp_path / "file").write_bytes(body)
    with pytest.raises(UndecodableError):
        decode_file(tmp_path / "file", name)
