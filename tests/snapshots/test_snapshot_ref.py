"""References to snapshots."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.errors import ConfigurationError
from tasks.snapshots import Ref, parse_ref

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
     "s3://bucket/a@-1", "s3://bucket/a@1@2", "s3://bucket/a@a b", "s3://bucket/@3", "gs://bucket/a@3", "file:///@3"],
)  # fmt: skip
def test_malformed_references_are_refused(text):
    """A malformed reference is a configuration error that shows how to write one."""
    with pytest.raises(ConfigurationError) as refused:
        parse_ref(text)
    assert refused.value.code in {"ref", "store_url"}


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text):
    """No text makes the parser fail in another way."""
    with suppress(ConfigurationError):
        assert parse_ref(f"s3://bucket/{text}").dataset_url.startswith("s3://bucket/")
