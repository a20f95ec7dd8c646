"""Publishing through a proxy that loses answers: one version or "unknown", never a false conflict or two versions."""

from __future__ import annotations

import os

import pytest
from s3_proxy import Fault, proxied

from labelsnap.errors import StorageError
from labelsnap.snapshots import Committed, Draft, Manifest, commit, latest, list_versions, read_file
from labelsnap.storage import open_store, probe

CONTENTS = {"a.txt": b"a" * 50, "b.txt": b"b" * 60}
KINDS = ("probe", "commit", "manifest", "data", "get", "head", "list", "delete")
OTHERS = ("cut", "late", 409, 500, 503)


def publish_whole(store, name="run"):
    """A whole publication on the newest version."""
    started_at = probe(store)
    base = latest(store)
    files = Draft(store, base.manifest if base else None).add_files(CONTENTS.items())
    manifest = Manifest.of(dataset="d", created_at="", config={}, result={"run": name}, files=list(files), packs=[])
    return commit(
        store,
        manifest,
        publish_id=name,
        parent=base.version if base else 0,
        started_at=started_at,
        sleep=lambda _: None,
    )


@pytest.fixture(params=["localbucket", pytest.param("ceph", marks=pytest.mark.integration)])
def s3_url(request):
    """Return a fresh dataset URL on a server that a proxy can stand before."""
    return request.getfixturevalue(f"{request.param}_url")


def settled(url, fault, monkeypatch):
    """Publish through the fault, then again without; return what came of the first, and how often the fault was met."""
    backend = os.environ["AWS_ENDPOINT_URL_S3"]
    with proxied(backend, fault) as (proxy, endpoint):
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint)
        try:
            first = publish_whole(open_store(url))
        except StorageError as error:
            first = error
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", backend)
        proxy.land()
        store = open_store(url)
        if isinstance(first, Committed):
            assert list_versions(store) == (first.commit,)
        again = publish_whole(store)
        assert isinstance(again, Committed)
        assert list_versions(store) == (again.commit,)
        files = latest(store).manifest.files
        assert {file.path: read_file(store, file) for file in files} == CONTENTS
        return first, proxy.met


@pytest.mark.parametrize("effect", ["lost", *(pytest.param(each, marks=pytest.mark.slow) for each in OTHERS)])
def test_a_lost_commit_answer_is_one_version(s3_url, monkeypatch, effect):
    """Whatever happens once to the creation of the commit record, the publication succeeds as one version."""
    outcome, met = settled(s3_url, Fault("commit", effect), monkeypatch)
    assert isinstance(outcome, Committed)
    assert met == 1


@pytest.mark.slow
@pytest.mark.parametrize(("effect", "times"), [("lost", 1), ("lost", 3), ("cut", 3), (500, 1), (503, 3)])
@pytest.mark.parametrize("kind", KINDS)
def test_any_lost_answer_is_one_version(s3_url, monkeypatch, kind, effect, times):
    """Any kind of request may fail the first times: one version, or an error that the repeated run overcomes."""
    outcome, met = settled(s3_url, Fault(kind, effect, times), monkeypatch)
    assert 1 <= met <= times
    assert isinstance(outcome, Committed) or kind == "probe", outcome


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["get", "list"])
def test_a_cut_answer_is_one_version(s3_url, monkeypatch, kind):
    """Half of a body is never taken for the whole."""
    _, met = settled(s3_url, Fault(kind, "truncated", 2), monkeypatch)
    assert met == 2


@pytest.mark.slow
@pytest.mark.parametrize("effect", ["lost", "cut", "late"])
def test_an_answer_that_never_comes_is_unknown(s3_url, monkeypatch, effect):
    """When no creation of the commit record is answered and none can be seen, the outcome is settled or unknown."""
    outcome, met = settled(s3_url, Fault("commit", effect, 100), monkeypatch)
    assert met >= 1
    if effect == "lost":
        assert isinstance(outcome, Committed)
    else:
        assert outcome.code == "commit_unknown"
        assert met == 6
