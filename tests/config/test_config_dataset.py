"""Dataset files: what is taken, and how everything else is refused."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
import yaml

from config.dataset import Dataset
from config.reading import load_dataset, parse_dataset
from config.split_files import listed_splits
from labelsnap.errors import ConfigurationError

MINIMAL = {"dataset": "street-scenes", "store": "s3://ml-datasets/labelsnap", "source": {"project": "cltd3vkju"}}
EXAMPLES = Path(__file__).parents[2] / "config" / "datasets"


def changed(**changes):
    """The minimal file with other values."""
    return copy.deepcopy(MINIMAL) | changes


def refusal(content):
    """What is said of a file that cannot be used."""
    with pytest.raises(ConfigurationError) as caught:
        parse_dataset(content)
    assert caught.value.exit_status == 2
    return caught.value.message


def test_a_minimal_file_has_the_contracts_defaults():
    """Project, label and performance details are asked for, images copied, and COCO written, without saying so."""
    dataset = parse_dataset(MINIMAL)
    assert dataset.url == "s3://ml-datasets/labelsnap/street-scenes"
    assert dataset.params.of_source("project") == {
        "attachments": True,
        "metadata_fields": True,
        "data_row_details": True,
        "embeddings": False,
        "project_details": True,
        "label_details": True,
        "performance_details": True,
        "interpolated_frames": False,
    }
    assert (dataset.images, dataset.labels, dataset.skipped, dataset.empty) == ("copy", "selected", "exclude", "keep")
    assert (dataset.orientation, dataset.masks) == ("declared", "composite")
    assert dataset.formats == {"coco": {}}
    assert dataset.filters.for_labelbox() == {}


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.name)
def test_the_examples_are_valid(path):
    """Every example in config/datasets can be used as it stands."""
    assert isinstance(load_dataset(path), Dataset)


@pytest.mark.parametrize(
    ("changes", "found", "hint"),
    [
        ({"dataste": 1}, "dataste", "`dataset`"),
        ({"params": {"include_labels": True}}, "params.include_labels", "label_details"),
        ({"params": {"media_attributes": True}}, "params.media_attributes", "known here"),
        ({"filters": {"task_queue_status": "Done"}}, "filters.task_queue_status", "workflow_status"),
        ({"filters": {"workflow_statuss": "Done"}}, "filters.workflow_statuss", "did you mean `workflow_status`?"),
        ({"split": {"train": 1, "val": 0, "test": 0, "sead": 1}}, "split.sead", "did you mean `seed`?"),
        ({"split": {"frm": "model_run"}}, "split.frm", "did you mean `from`?"),
        ({"source": {"projekt": "x"}}, "source.projekt", "did you mean `project`?"),
    ],
)
def test_an_unknown_key_is_refused_with_those_that_are_known(changes, found, hint):
    """The SDK would drop unknown params and filters without a word; here each is named, with what was meant."""
    message = refusal(changed(**changes))
    assert f"`{found}`" in message
    assert hint in message


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"dataset": "Street Scenes"}, "dataset"),
        ({"source": {"project": 'a"b'}}, "source.project"),
        ({"source": {}}, "either a project or a model_run"),
        ({"source": {"project": "a", "model_run": "b"}}, "either a project or a model_run"),
        ({"filters": {"workflow_status": "done"}}, "workflow_status"),
        ({"filters": {"last_activity_at": ["yesterday", None]}}, "last_activity_at"),
        ({"filters": {"last_activity_at": ["2024-02-01", "2024-01-01"]}}, "after it ends"),
        ({"filters": {"last_activity_at": ["0001-01-01T00:00:00+05:00", None]}}, "a time that there is in UTC"),
        ({"filters": {"global_keys": ["a"], "data_row_ids": ["b"]}}, "not both"),
        ({"params": {"project_details": False}}, "project_details"),
        ({"params": {"predictions": True}}, "belong to a model run"),
        ({"split": {"train": 0.8, "val": 0.1, "test": 0.2}}, "add up to 1.1"),
        ({"split": {"from": "model_run"}}, "needs a model run as source"),
        ({"split": {"from": "model_run"}, "source": {"model_run": "m"}}, "params.model_run_details: true"),
        ({"split": {"from": "tag:tag"}, "params": {"metadata_fields": False}}, "params.metadata_fields: true"),
        ({"split": {"names": {"holdout": "test"}}}, "what split.from calls splits, and there is none"),
        ({"split": {"from": "metadata:split", "names": {"holdout": "held"}}}, "split.names.holdout"),
        ({"split": {"from": "metadata:split", "names": {"Hold": "test", "hold ": "val"}}}, "stands there twice"),
        ({"problems": {"max_share": 2}}, "max_share"),
        ({"labels": "best"}, "labels"),
        ({"images": "jpeg"}, "`images` is 'jpeg': input should be 'copy', 'jpg' or 'reference'"),
        ({"source": {"model_run": "m"}, "filters": {"workflow_status": "Done"}}, "no filters for a model run"),
        ({"source": {"model_run": "m"}, "params": {"data_row_details": False}}, "a model run needs data_row_details"),
        ({"formats": {"yolo": {"task": "classify", "question": "q"}}, "images": "reference"}, "set images: copy"),
        (
            {"formats": {"by-sky": {"format": "yolo", "task": "classify", "question": "q"}}, "images": "reference"},
            "formats: by-sky, as it is set, lays out the images themselves",
        ),
        ({"formats": {"a": {"format": "coco", "classes": ["van"]}}, "classes": {"van": "car"}}, "is called 'car' by"),
        ({"formats": {"coco": {"classes": ["van"]}}, "classes": {"van": None}}, "the class 'van' is dropped by"),
        ({"classes": {"van": " "}}, "a class is called ' ': write null, without quotes"),
        ({"classes": {"van": "v\0n"}}, "a class is called 'v\\x00n'"),
    ],
)
def test_a_value_that_cannot_be_is_refused_by_name(changes, part):
    """The message says which key is wrong and what was found."""
    assert part in refusal(changed(**changes))


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"formats": {"cocoo": {}}}, "coco"),
        ({"formats": {"coco": {"maks": True}}}, "maks"),
        ({"formats": {"yolo": {"task": "classify"}}}, "question"),
        ({"formats": {"voc": {"palette": "grey"}}}, "$.palette"),
        ({"split": {"group_by": "moon"}}, "moon"),
        ({"split": {"from": "metdata:split"}}, "metadata:NAME"),
        ({"store": "http://example.org"}, "s3://BUCKET/PREFIX"),
        ({"store": "file://relative/path"}, "file:///DIR"),
    ],
)
def test_formats_groups_and_stores_are_checked_too(changes, word):
    """A format that does not exist, an option it does not have, an unknown group, a store's wrong URL: all refused."""
    with pytest.raises(ConfigurationError) as caught:
        parse_dataset(changed(**changes))
    assert word in str(caught.value)


def test_what_splits_are_taken_from_is_part_of_a_version_where_it_is_set():
    """A configuration of before stays what it was; of a list only its name counts, wherever it lies."""
    shares = {"train": 0.8, "val": 0.1, "test": 0.1, "seed": 0, "group_by": None}
    assert parse_dataset(changed()).content()["split"] == shares
    named = parse_dataset(changed(split={"from": "file:/any/where/splits.csv", "names": {"holdout": None}}))
    assert named.content()["split"] == shares | {"from": "file:splits.csv", "names": {"holdout": None}}
    assert Dataset.model_validate(named.model_dump(mode="json")) == named


def test_a_list_of_splits_lies_beside_its_dataset_file(tmp_path, monkeypatch):
    """Whatever the folder is in which the command is typed; a line that cannot be used is named by its number."""
    folder = tmp_path / "datasets"
    folder.mkdir()
    (folder / "lists").mkdir()
    content = changed(split={"from": "file:lists/splits.csv"})
    (folder / "dataset.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    listed = folder / "lists/splits.csv"
    listed.write_text("external_id,split\na.jpg,test\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    found = load_dataset(Path("datasets/dataset.yaml"))
    table = listed_splits(found)
    assert table is not None
    assert (found.split.source, table.split_of("a.jpg")) == (f"file:{listed}", "test")
    for text, said in (("external_id,split\na.jpg,hold\n", "line 2"), ("external_id\n", "line 1"), (None, "machine")):
        listed.unlink() if text is None else listed.write_text(text, encoding="utf-8")
        with pytest.raises(ConfigurationError, match=said) as refused:
            load_dataset(folder / "dataset.yaml")
        assert (refused.value.code, refused.value.exit_status) == ("bad_split_file", 2)
        assert "splits.csv" in refused.value.message


def test_every_fault_of_a_file_is_told_at_once():
    """Two mistakes give one message with both."""
    message = refusal(changed(images="move", labels="best"))
    assert "`images`" in message
    assert "`labels`" in message


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("2024-01-01T00:00:00Z", "2024-01-01T00:00:00Z"),
        ("2024-01-01T05:30:00+05:30", "2024-01-01T00:00:00Z"),
        ("2024-01-01 12:00:00", "2024-01-01T12:00:00Z"),
        ("2024-01-01", "2024-01-01T00:00:00Z"),
    ],
)
def test_times_go_to_labelbox_in_utc(written, sent):
    """The SDK throws an offset away; so it never sees one."""
    dataset = parse_dataset(changed(filters={"last_activity_at": [written, None]}))
    assert dataset.filters.for_labelbox() == {"last_activity_at": [sent, None]}


def test_yaml_dates_are_times_too():
    """A date without quotes, which YAML reads as a date, means its midnight in UTC."""
    content = yaml.safe_load("last_activity_at: [2024-01-01, 2024-01-02T00:00:00Z]")
    dataset = parse_dataset(changed(filters=content))
    assert dataset.filters.for_labelbox()["last_activity_at"] == ["2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z"]


def test_only_the_filters_that_are_set_are_sent():
    """An empty list would ask Labelbox for nothing."""
    filters = {"workflow_status": "Done", "global_keys": ["a"], "batch_ids": []}
    assert parse_dataset(changed(filters=filters)).filters.for_labelbox() == {
        "workflow_status": "Done",
        "global_keys": ["a"],
    }


def test_what_a_dataset_is_does_not_depend_on_where_it_lies():
    """Two stores with one dataset hold the same content."""
    here = parse_dataset(MINIMAL)
    there = parse_dataset(changed(store="file:///tmp/other", single_writer=True))
    assert here.content() == there.content()


def test_a_dataset_survives_the_journey_through_json():
    """Prefect keeps parameters as JSON; what comes back is equal."""
    dataset = parse_dataset(changed(filters={"last_activity_at": ["2024-01-01", None]}, classes={"van": "car"}))
    assert Dataset.model_validate_json(dataset.model_dump_json()) == dataset


def test_classes_of_an_output_keep_their_order_where_keys_lose_theirs():
    """As in Prefect's database and in a manifest, which sort the keys of an object: numbers go by the order."""
    given = {"truck": "vehicle", "person": "person", "car": "vehicle"}
    dataset = parse_dataset(changed(formats={"boxes": {"format": "yolo", "classes": given}}))
    travelled = json.loads(json.dumps(dataset.model_dump(mode="json"), sort_keys=True))
    (output,) = parse_dataset(travelled).outputs.values()
    assert output.selection.classes == tuple(given.items())
    assert parse_dataset(travelled) == dataset
    other = parse_dataset(changed(formats={"boxes": {"format": "yolo", "classes": dict(sorted(given.items()))}}))
    assert other.content() != dataset.content()


def test_a_class_that_the_dataset_renames_another_to_may_be_named():
    """Though a class of that name is renamed itself: there are objects that are called so."""
    renames = {"van": "car", "car": "automobile"}
    dataset = parse_dataset(changed(formats={"coco": {"classes": ["car"]}}, classes=renames))
    assert dataset.outputs["coco"].selection.classes == (("car", "car"),)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (b"dataset: [", "bad_dataset_file"),
        (b"- a\n- b\n", "bad_dataset_file"),
        (b"", "bad_dataset_file"),
        (b"split: {seed: " + b"9" * 5000 + b"}", "bad_dataset_file"),
        (b"dataset: 2024-13-45", "bad_dataset_file"),
        (b"dataset: a\nstore: file:///a\nsource: {project: p}\nsplit: {seed: 9223372036854775808}", "bad_dataset_file"),
        (b"\xff\xfe\x00", "no_dataset_file"),
        (b'dataset: "\\UFFFFFFFF"', "bad_dataset_file"),
        (b'dataset: "\\ud800"', "bad_dataset_file"),
        (b'dataset: !!int ""', "bad_dataset_file"),
        (b"dataset: !!timestamp x", "bad_dataset_file"),
        (b"dataset: !!bool x", "bad_dataset_file"),
        (b"dataset: " + b"1:" * 100_000 + b"1", "bad_dataset_file"),
    ],
)
def test_a_file_that_is_no_dataset_file_is_refused(tmp_path, text, code):
    """What is not YAML, holds no keys or is not text is named as such."""
    path = tmp_path / "dataset.yaml"
    path.write_bytes(text)
    with pytest.raises(ConfigurationError) as caught:
        load_dataset(path)
    assert caught.value.code == code


def test_a_missing_file_is_named(tmp_path):
    """The path is in the message."""
    with pytest.raises(ConfigurationError, match=r"absent\.yaml"):
        load_dataset(tmp_path / "absent.yaml")


def test_card_has_a_licence_and_words():
    """What no count can tell; a licence is an identifier and no sentence."""
    card = {"license": "cc-by-4.0", "description": "Streets at night."}
    assert parse_dataset(changed(card=card)).card.model_dump() == card
    assert parse_dataset(MINIMAL).card.license == "unknown"
    assert "license" in refusal(changed(card={"license": "all rights\nreserved"}))


def file_refusal(folder, text):
    """What is said of a file with this text after the three keys that each has."""
    path = folder / "dataset.yaml"
    path.write_text(f"dataset: streets\nstore: file:///a\nsource: {{project: p}}\n{text}\n", encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load_dataset(path)
    assert caught.value.code == "bad_dataset_file"
    assert len(caught.value.message) < 1500
    return caught.value.message


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("problems: {max_share: 0,\n  max_share: 1.0}", "at lines 4 and 5"),
        ("dataset: others", "at lines 1 and 4"),
        ("classes: {1: a, 0x1: b}", "at lines 4 and 4"),
        ("classes:\n  &a van: car\n  *a : null", "at lines 5 and"),
        ("classes:\n  <<: {van: car}\n  <<: {bus: car}", "at lines 5 and 6"),
    ],
)
def test_a_key_that_stands_twice_is_refused(tmp_path, text, lines):
    """At any depth and however it is spelled, with both lines; the last one would have won."""
    message = file_refusal(tmp_path, text)
    assert "is given twice" in message
    assert lines in message


def test_what_a_merge_brings_may_be_said_otherwise(tmp_path):
    """That is what `<<` is for: the key that stands there itself counts."""
    text = "classes:\n  <<: &some {van: car, bus: car}\n  van: null\nformats: {coco: {}}\n"
    path = tmp_path / "dataset.yaml"
    path.write_text(f"dataset: d\nstore: file:///a\nsource: {{project: p}}\n{text}", encoding="utf-8")
    assert load_dataset(path).classes == {"van": None, "bus": "car"}


LAUGHS = "a0: &a0 [ha, ha, ha, ha, ha, ha, ha, ha, ha]\n" + "\n".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)
)
REPEATS = f"a: &a {'x' * 1_000_000}\nb: [{'*a, ' * 5}]"
MERGES = "a0: &a0 {k: v}\n" + "\n".join(f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}" for n in range(1, 10))
CHAIN = "a0: &a0 [ha]\n" + "\n".join(f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 400))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (LAUGHS, "more than 200,000 values"),
        (MERGES, "more than 200,000 values"),
        (REPEATS, "more than 4,194,304 characters"),
        (CHAIN, "nests more than 20 deep"),
        ("a: " + "[" * 100_000, "nests more than 20 deep"),
        ("a:\n " + "- " * 100_000 + "b", "nests more than 20 deep"),
        ("a: " + "{a: " * 100_000, "nests more than 20 deep"),
        ("a: &a [*a]", "within what it repeats"),
        ("a: " + "x" * (5 << 20), "bytes"),
        ("? " + "x" * 2000 + "\n: a", "a key has more than"),
        ("? [a]\n: a", "a key is a list"),
    ],
    ids=["laughs", "merges", "repeats", "chain", "lists", "blocks", "maps", "itself", "bytes", "key", "list-key"],
)
def test_what_a_file_expands_to_is_bounded_before_it_is_expanded(tmp_path, text, words):
    """Aliases count as often as they repeat, and nesting counts what they bring along."""
    assert words in file_refusal(tmp_path, text)


def test_a_directive_that_yaml_does_not_know_is_refused(tmp_path):
    """By libyaml, which reads a list of a hundred thousand ids in a third of the time."""
    assert "directive" in file_refusal(tmp_path, "%FOO bar\n---\ndataset: a\n")


def test_the_values_of_a_file_are_counted(tmp_path, monkeypatch):
    """Those that no alias repeats too."""
    monkeypatch.setattr("config.bounded_yaml.MAX_NODES", 1000)
    assert "more than 1,000 values" in file_refusal(tmp_path, "a: [" + "a," * 1000 + "]")


@pytest.mark.parametrize(
    "changes",
    [
        {"store": "s3://bucket/place?X-Amz-Signature=very-secret"},
        {"store": "https://user:very-secret@host/place"},
        {"filters": {"last_activity_at": "https://user:ve'ry very-secret@host/place"}},
        {"images": "https://host/place?sig=very-secret"},
        {"formats": {"webdataset": {"shard_size": "https://u:very-secret@host/"}}},
        {"formats": {"webdataset": {"shard_size": "https://h/?very-secret"}}},
        {"formats": {"coco": {"https://h/?very-secret": 1}}},
        {"split": {"group_by": "https://user:very-secret@host"}},
        {"schedule": {"cron": "0 2 * * *", "timezone": "https://user:very-secret@host"}},
        {"source": {"project": ["very-secret"]}},
        {"params": "https://h/#very-secret"},
        {"api_key": "very-secret"},
        {"formats": {"coco": {"stuff": {"token": "very-secret"}}}},
        {"store": "s3:/AKIAKEY:very-secret@bucket/place"},
        {"store": "s3://user:what?very-secret@bucket/place"},
        {"store": "//user:very-secret@host"},
        {"store": "s3:user:very-secret@host"},
        {"store": "s3:\\\\user:very-secret@host"},
        {"store": "bucket?sig=very-secret"},
        {"store": "bucket?at=someone@very-secret"},
        {"store": "bucket/place?very-secret"},
        {"images": "https:/user:very-secret@host/place"},
        {"schedule": {"cron": "0 2 * * *", "timezone": "https:/user:very-secret@host"}},
        {"formats": {"coco": {"https:/user:very-secret@host": 1}}},
        {"formats": {"coco": {f"https:/user:{'very-secret' * 20}@host": 1}}},
        {"formats": {"https:/user:very secret very-secret@host": {}}},
    ],
)
def test_no_message_repeats_what_may_be_a_secret(changes):
    """Queries and passwords of addresses, and whatever stands under a key that is called a secret."""
    with pytest.raises(ConfigurationError) as caught:
        parse_dataset(changed(**changes))
    assert "very-secret" not in str(caught.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"images": "x" * 100_000},
        {"store": "x" * 100_000},
        {"x" * 100_000: 1},
        {"formats": {"x" * 100_000: {}}},
        {"formats": {"webdataset": {"shard_size": "9" * 100_000}}},
        {"schedule": {"cron": "0 2 * * *", "timezone": "x" * 100_000}},
        {f"key{n}": n for n in range(10_000)},
    ],
    ids=["value", "store", "key", "format", "option", "timezone", "keys"],
)
def test_messages_cut_what_they_repeat(changes):
    """However long a value is, and however many faults there are."""
    with pytest.raises(ConfigurationError) as caught:
        parse_dataset(changed(**changes))
    assert len(str(caught.value)) < 15_000
