"""Several sources in a dataset file: what is taken, what is refused and how, and that their order means nothing."""

from __future__ import annotations

import pytest

from config.reading import parse_dataset
from labelsnap.errors import ConfigurationError
from labelsnap.records.model import Source

PROJECTS = [f"project-{number}" for number in range(31)]
ONE = {"project": "p1", "name": "day"}
OTHER = {"project": "p2", "name": "night"}


def read(**changes):
    """The dataset that a file of two projects describes, with changes."""
    content = {"dataset": "d", "store": "file:///s", "sources": [ONE, OTHER], "wins": ["day", "night"]}
    return parse_dataset({key: value for key, value in (content | changes).items() if value is not None})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"source": {"project": "p"}}, "`source` for one, or `sources` for several, found both"),
        ({"sources": [], "wins": []}, "`source` for one, or `sources` for several, found neither"),
        ({"wins": ["day"]}, "there are day, night, found day"),
        ({"wins": ["day", "day", "night"]}, "there are day, night, found day, day, night"),
        ({"wins": None}, "found none"),
        ({"sources": [ONE, OTHER | {"name": "Day"}]}, "the name 'day' stands there twice"),
        ({"sources": [ONE, {"project": "p1", "name": "night"}]}, "project p1 stands there twice"),
        ({"filters": {"workflow_status": "Done"}}, "each of `sources` has its own"),
        ({"sources": [ONE, OTHER | {"dataset": "d"}]}, "found project and dataset"),
        (
            {"sources": [ONE, {"name": "night"}]},
            "expected one of project, model_run, dataset, slice, catalog, found none",
        ),
        ({"sources": [ONE, {"slice": "s", "name": "night"}]}, "a slice needs project_ids or model_run_ids"),
        (
            {"sources": [ONE, {"catalog": True, "name": "night", "project_ids": PROJECTS}]},
            "project_ids: Labelbox takes 30 at most, found 31",
        ),
        (
            {"sources": [ONE, {"catalog": True, "name": "night", "project_ids": ["a", "a"]}]},
            "project_ids: 'a' stands there twice",
        ),
        ({"sources": [ONE, OTHER | {"project_ids": ["a"]}]}, "project_ids: a project brings its own labels"),
        (
            {
                "sources": [
                    ONE,
                    {"slice": "s", "name": "night", "project_ids": ["a"], "filters": {"data_row_ids": ["r"]}},
                ]
            },
            "filters: Labelbox takes none for a slice",
        ),
        (
            {
                "sources": [
                    ONE,
                    {"dataset": "s", "name": "night", "project_ids": ["a"], "filters": {"batch_ids": ["b"]}},
                ]
            },
            "filters.batch_ids: Labelbox takes it for a project alone",
        ),
        ({"sources": [ONE, OTHER | {"name": "../night"}]}, "letters, digits, - and _, found '../night'"),
        ({"sources": [ONE, OTHER | {"name": "night\n"}]}, "letters, digits, - and _, found 'night\\n'"),
        ({"sources": [ONE, OTHER | {"classes": {"van": ""}}]}, "a class is called '': write null"),
        ({"sources": [ONE, OTHER | {"clases": {}}]}, "did you mean `classes`"),
        ({"params": {"predictions": True}}, "predictions and model_run_details belong to a model run"),
        ({"split": {"from": "model_run"}}, "split.from: model_run needs a model run as source"),
        ({"sources": None, "wins": ["day"], "source": {"project": "p"}}, "and there is one source"),
    ],
)
def test_what_cannot_be_is_refused_with_what_was_found(changes, said):
    """Before anything starts."""
    with pytest.raises(ConfigurationError) as refused:
        read(**changes)
    assert said in refused.value.message


def test_the_order_in_which_sources_are_listed_is_no_part_of_what_is_asked():
    """The same dataset is read, asked for and noted, whatever the order; that of ``wins`` counts."""
    names = [f"source-{number}" for number in range(7)]
    sources = [{"project": f"p-{name}", "name": name, "classes": {"a": "b"}} for name in names]
    shuffled = [*sources[4:], *sources[3::-1]]
    one, other = (read(sources=each, wins=names) for each in (sources, shuffled))
    assert shuffled != sources
    assert (one, one.content(), one.asked, one.policies) == (other, other.content(), other.asked, other.policies)
    assert [each.name for each in read(sources=shuffled, wins=names[::-1]).policies] == names[::-1]


def test_one_source_is_noted_as_before_there_were_several():
    """Versions of it say neither ``sources`` nor ``wins``, so that a refresh finds them alike."""
    content = read(sources=None, wins=None, source={"project": "p"}).content()
    assert content["source"] == {"project": "p", "model_run": None}
    assert not {"sources", "wins"} & content.keys()
    assert "source" not in read().content()


def test_labels_of_a_slice_count_by_its_projects_and_then_its_runs():
    """In the order of the lists, and under the name of the slice: its id where it has none."""
    chosen = read(sources=[ONE, {"slice": "s1", "project_ids": ["b", "a"], "model_run_ids": ["r"]}], wins=["s1", "day"])
    first, second = chosen.policies
    assert (first.name, second.name) == ("s1", "day")
    asked = [each.source for each in first.of]
    assert asked == [Source("project", "b"), Source("project", "a"), Source("model_run", "r")]
    (of_slice,) = (each for each in chosen.asked if each.kind == "slice")
    params = of_slice.params(chosen.params)
    assert (params["project_ids"], params["model_run_ids"]) == (["b", "a"], ["r"])
    assert "model_run_details" not in params


def test_a_sources_own_classes_come_before_those_of_the_dataset():
    """What both come to: a name is looked up in the source's, and what that calls it in the dataset's."""
    chosen = read(
        sources=[ONE | {"classes": {"auto": "car", "tree": None, "bus": "truck"}}, OTHER],
        classes={"car": "vehicle", "truck": None, "tree": "plant"},
    )
    first, second = ({each.name: each.of[0].classes for each in chosen.policies}[name] for name in ("day", "night"))
    assert first == {"auto": "vehicle", "tree": None, "bus": None, "car": "vehicle", "truck": None}
    assert second == {"car": "vehicle", "truck": None, "tree": "plant"}
