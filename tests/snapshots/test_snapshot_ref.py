"""References to snapshots."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from publishing import published

from labelsnap.errors import ConfigurationError
from labelsnap.snapshots import Ref, parse_ref, read_snapshot
from labelsnap.snapshots.keeping.expire import expire
from labelsnap.snapshots.keeping.tagging import tag
from labelsnap.snapshots.reading.read import check_kept

NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,20}", fullmatch=True)
URLS = st.builds("{}/{}/{}".format, st.sampled_from(["s3://bucket", "file:///var/a%40b"]), NAMES, NAMES)
TAGS = st.from_regex(r"[A-Za-z][A-Za-z0-9._-]{0,20}", fullmatch=True)


@given(url=URLS, selector=st.integers(1, 10**18) | TAGS)
def test_reference_reads_as_written(url, selector):
    """A reference to a version or tag is what it says, and is written the same way."""
    ref = parse_ref(f"{url}@{selector}")
    assert ref == Ref(url, selector)
    assert str(ref) == f"{url}@{selector}"


@given(url=URLS)
def test_no_selector_means_latest(url):
    """A dataset's URL alone means its newest version."""
    assert parse_ref(url) == parse_ref(f"{url}@latest") == Ref(url, "latest")


@pytest.mark.parametrize(
    "text",
    ["", "@3", "street-scenes@3", "s3://bucket", "s3://bucket@3", "s3://bucket/", "s3://bucket/a@", "s3://bucket/a@0", "s3://bucket/a@007",
     "s3://bucket/a@-1", "s3://bucket/a@1@2", "s3://bucket/a@a b", "s3://bucket/@3", "gs://bucket/a@3", "file:///@3",
     "s3://bucket/#", "s3://bucket/a?"],
)  # fmt: skip
def test_malformed_references_are_refused(text):
    """A malformed reference is a configuration error that shows how to write one."""
    with pytest.raises(ConfigurationError) as refused:
        parse_ref(text)
    assert refused.value.code in {"ref", "store_url"}


@pytest.mark.parametrize(
    "text",
    ["s3:/u:very-secret@bucket/a", "s3://u:very-secret@bucket/a", "s3:u:very-secret@bucket", "u:very-secret@bucket",
     "//u:very-secret@bucket/a@3", "//u:very-secret@bucket", "s3://u:very/very-secret@bucket",
     "bucket/a?sig=very-secret", "s3://bucket/a@3?sig=very-secret"],
)  # fmt: skip
def test_a_password_in_a_reference_is_not_repeated(text):
    """Nor a signature, however the slashes are spelled."""
    with pytest.raises(ConfigurationError) as refused:
        parse_ref(text)
    assert "very-secret" not in str(refused.value)


def test_a_wrong_selector_is_repeated():
    """What stands after the @ of a dataset's URL is no secret, and what is to be corrected."""
    with pytest.raises(ConfigurationError, match="found 's3://bucket/a@a b'"):
        parse_ref("s3://bucket/a@a b")


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text):
    """No text makes the parser fail in another way."""
    with suppress(ConfigurationError):
        assert parse_ref(f"s3://bucket/{text}").dataset_url.startswith("s3://bucket/")


def test_tag_is_read_as_its_version(folder_store):
    """A tag means the version that it names, whatever is published later."""
    published(folder_store, {"a.txt": b"1"}, publish_id="one")
    published(folder_store, {"a.txt": b"2"}, publish_id="two", parent=1)
    tag(folder_store, "paper", 1)
    assert read_snapshot(folder_store, "paper").version == 1
    with pytest.raises(ConfigurationError, match="'poster', which is none"):
        read_snapshot(folder_store, "poster")


def test_expired_version_is_refused(folder_store):
    """What is kept no longer is not begun to be read: its objects may go at any moment."""
    published(folder_store, {"a.txt": b"1"}, publish_id="one")
    published(folder_store, {"a.txt": b"2"}, publish_id="two", parent=1)
    assert check_kept(folder_store, read_snapshot(folder_store, 1)).version == 1
    expire(folder_store, keep=1)
    with pytest.raises(ConfigurationError) as refused:
        check_kept(folder_store, read_snapshot(folder_store, 1))
    assert refused.value.code == "version_expired"
    assert check_kept(folder_store, read_snapshot(folder_store, 2)).version == 2
