"""Fingerprints and what an unchanged row takes over."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace
from records_lines import MODEL_RUN, PROJECT, as_line, box, label, published, reference_row, row, shape
from xxhash import xxh3_128_hexdigest

from labelsnap.records.choices.policy import Policy
from labelsnap.records.geometry import Mask, MaskReference, Runs
from labelsnap.records.image import Image
from labelsnap.records.lines.fingerprint import fingerprint
from labelsnap.records.model import Source
from labelsnap.records.tables.carry import Standing, carry_over

RUNS = Runs(100, 200, b"abc", 5, (1, 2, 3, 4))
S3 = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=k&X-Amz-Date=2024{0}&X-Amz-Expires=60&X-Amz-Signature=ab{0}"


def masked(task: Any = "t1", query: Any = "", **names: Any) -> Any:
    """A row with a mask in a composite of an export task."""
    composite = {"url": f"https://api.labelbox.com/api/v1/tasks/{task}/masks/m1/index/1", "color_rgb": [1, 2, 3]}
    found = shape("ImageSegmentationMask", composite_mask=composite)
    data_row = {"row_data": f"https://h.example/a.png{query}"}
    return row(label(found, box("f2")), data_row=data_row) | names


def attached(*values: Any, spelled: Any = str) -> bytes:
    """A row with attachments of these values, of which the first may be spelled otherwise in JSON."""
    found = [{"type": "IMAGE", "value": value, "name": '[1] "{'} for value in values]
    return spelled(as_line(masked() | {"attachments": found}).decode()).encode()


def escaped(line: str) -> str:
    """What Go's encoder, and some that escape slashes, make of a line."""
    return line.replace("&", "\\u0026").replace("/", "\\/")


def record(values: Any) -> Any:
    """What is published of a row."""
    return published(values, Policy(Source("project", "p1")))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (masked("t1"), masked("t2")),
        (masked(query="?" + S3.format(1)), masked(query="?" + S3.format(2))),
        (masked(query="?Expires=1&KeyName=k&Signature=a"), masked(query="?Expires=2&KeyName=k&Signature=b")),
        (masked(query="?v=3&sv=1&se=2&sp=r&sig=a"), masked(query="?v=3&sv=1&se=3&sp=r&sig=b")),
        (masked(query="?X-Goog-Signature=a&X-Goog-Date=1"), masked(query="?X-Goog-Signature=b&X-Goog-Date=2")),
    ],
    ids=["task", "S3", "CloudFront", "Azure", "Google"],
)
def test_what_changes_on_every_export_does_not_count(one: Any, other: Any) -> None:
    """Export tasks and signatures leave the fingerprint as it is."""
    assert as_line(one) != as_line(other)
    assert fingerprint(as_line(one)) == fingerprint(as_line(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (masked(query="?versionId=3"), masked(query="?versionId=4")),
        (masked(query="?versionId=3&" + S3.format(1)), masked(query="?versionId=4&" + S3.format(1))),
        (masked(query="?Expires=1"), masked(query="?Expires=2")),
        (masked(query="?sig=a&sp=1"), masked(query="?sig=a&sp=2")),
        (masked(query="?sig=a&policy=1"), masked(query="?sig=a&policy=2")),
        (masked(), masked(note="/tasks/t1/masks/")),
        (masked(note="see /tasks/t1/masks/m"), masked(note="see /tasks/t2/masks/m")),
        (masked(note='{"url": "/tasks/t1/masks/m"}'), masked(note='{"url": "/tasks/t2/masks/m"}')),
        (masked(), masked(media_attributes={"height": 100, "width": 201})),
    ],
    ids=["version", "signed version", "unsigned", "no SAS", "no policy", "more", "text", "text like a url", "size"],
)
def test_content_counts(one: Any, other: Any) -> None:
    """Anything else, also text that looks like an export task, changes the fingerprint."""
    assert fingerprint(as_line(one)) != fingerprint(as_line(other))


@pytest.mark.parametrize("query", [S3, "v=3&Expires=1{0}&KeyName=k&Signature=a{0}", "sv=1&se=2{0}&sp=r&sig=b{0}&v=3"])
@pytest.mark.parametrize("spelled", [str, escaped, lambda line: line.replace("=", "\\u003d")])
def test_signatures_of_attachments_and_escaped_urls_do_not_count(query: str, spelled: Any) -> None:
    """However JSON spells them; the rest of an attachment's URL does count, as do escapes in any other string."""
    first, then, other = (f"https://h.example/{name}?{query}" for name in ("a", "a", "b"))
    one, two = first.format(1), then.format(2)
    assert fingerprint(attached("text", one, spelled=spelled)) == fingerprint(attached("text", two, spelled=spelled))
    assert fingerprint(attached(one)) != fingerprint(attached(other.format(1)))
    assert fingerprint(attached(f"see {one}")) != fingerprint(attached(f"see {two}"))
    assert fingerprint(attached(f"{one} {one}")) != fingerprint(attached(f"{one} {two}"))
    lines = [as_line(masked(query="?" + query.format(each))).decode() for each in (1, 2)]
    assert fingerprint(spelled(lines[0]).encode()) == fingerprint(spelled(lines[1]).encode())


def test_an_escaped_url_says_what_the_plain_one_says() -> None:
    """Where it is signed; one that is not keeps its digest, as does what cannot be read."""
    urls = [
        f"https:{slash}{slash}h{slash}a?v=3{amp}X-Amz-Signature=1" for slash, amp in (("/", "&"), ("\\/", "\\u0026"))
    ]
    plain, escapes = (f'{{"row_data":"{url}"}}'.encode() for url in urls)
    assert fingerprint(plain) == fingerprint(escapes)
    assert fingerprint(b'{"row_data":"https:\\/\\/h?v=3"}') == xxh3_128_hexdigest(b'{"row_data":"https:\\/\\/h?v=3"}')
    for broken in (
        b'{"row_data":"https://h?sig=1\\ud83d"}',
        b'{"row_data":"https://h?sig=1\\x"}',
        b'{"attachments":["?',
    ):
        assert fingerprint(broken) == xxh3_128_hexdigest(broken)


@pytest.mark.parametrize("name", ["project_row", "model_run_row"])
def test_reference_rows_of_another_export(name: Any) -> None:
    """The document's rows keep their fingerprint under another export task, spaced or compact."""
    line = as_line(reference_row(name))
    other = line.replace(b"/tasks/clur6dp8r04ul07wrgp9q4pla/", b"/tasks/x/")
    other = other.replace(b"/tasks/clur6mb7a0dz107xod5w53p61/", b"/tasks/x/")
    assert other != line
    assert fingerprint(other + b"\n") == fingerprint(line)
    assert fingerprint(other.replace(b'"url":', b'"url" : ')) == fingerprint(line.replace(b'"url":', b'"url" : '))


def decoded(found: Any) -> Any:
    """A record with its masks decoded."""
    (made,) = found.entry.labels
    objects = tuple(
        replace(each, geometry=Mask(each.geometry, RUNS)) if isinstance(each.geometry, MaskReference) else each
        for each in made.annotations
    )
    return replace(found, entry=replace(found.entry, labels=(replace(made, annotations=objects),)))


def standing(found: Any) -> Standing:
    """A record as an earlier snapshot has it."""
    origins = {"label": found.entry.labels, "prediction": getattr(found.entry, "predictions", ())}
    masks = {
        (origin, made.id, each.feature_id): each.geometry
        for origin, labels in origins.items()
        for made in labels
        for each in made.annotations
        if isinstance(each.geometry, Mask)
    }
    image = Image("a.jpg", 1, 1, "image/jpeg", None, None)
    return Standing(found.fingerprint, found.data_row.row_data, "train", image, masks)


def test_unchanged_rows_take_everything_over() -> None:
    """A row with the same fingerprint becomes the earlier record: masks, composite URLs, signed address."""
    base = decoded(record(masked("t1", "?" + S3.format(1))))
    assert carry_over(record(masked("t2", "?" + S3.format(2))), standing(base), None) == base


def test_changed_rows_take_nothing_over() -> None:
    """A row with another fingerprint is left as it is."""
    changed = record(masked(media_attributes={"height": 1, "width": 2}))
    assert carry_over(changed, standing(decoded(record(masked()))), None) is changed


def test_masks_that_the_base_does_not_hold() -> None:
    """An object that the earlier record lacks keeps its reference."""
    base = decoded(record(masked("t1")))
    empty = replace(base, entry=replace(base.entry, labels=()))
    now = record(masked("t2"))
    assert carry_over(now, standing(empty), None) == now


def test_predictions_take_their_own_masks_over() -> None:
    """Labels and predictions of one label id do not mix up their masks."""
    now = published(reference_row("model_run_row"), Policy(Source("model_run", MODEL_RUN)))
    (predicted,) = now.entry.predictions
    masks = tuple(
        replace(each, geometry=Mask(each.geometry, RUNS)) if isinstance(each.geometry, MaskReference) else each
        for each in predicted.annotations
    )
    base = replace(now, entry=replace(now.entry, predictions=(replace(predicted, annotations=masks),)))
    carried = carry_over(now, standing(base), None)
    assert carried == base
    assert carried.entry.labels == now.entry.labels


def test_other_objects_of_an_unchanged_row() -> None:
    """Classes renamed since by the dataset keep their new names."""
    values = reference_row("project_row")
    base = published(values, Policy(Source("project", PROJECT)))
    renamed = published(values, Policy(Source("project", PROJECT), classes={"mask": "area"}))
    assert carry_over(renamed, standing(base), None) == renamed
