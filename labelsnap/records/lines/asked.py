"""The one project or model run of a line that is asked for: whatever stands under any other is passed over, unread."""

from __future__ import annotations

from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from msgspec import UNSET, Raw, Struct, UnsetType, defstruct
from msgspec.json import Decoder

from labelsnap.records.lines import wire

if TYPE_CHECKING:
    from labelsnap.records.model import Source

_making: Final = Lock()


class AskedRun(NamedTuple):
    """What stands under the asked model run, and the model that it is of."""

    model_id: str
    model_name: str | None
    run: wire.Run


def read_strictly(line: bytes, source: Source, *, keep_embeddings: bool) -> wire.Line:
    """Decode a line of which no project and no model run but the asked one is looked at.

    Raises msgspec's errors, UnicodeDecodeError and RecursionError for a line that is not of the wire types.
    """
    with _making:  # msgspec crashes where two threads are the first to look at a type
        decoder = _decoder(source, wire.LineWithEmbeddings if keep_embeddings else wire.Line)
    return decoder.decode(line)


def without_others(line: Any, source: Source) -> Any:
    """Return a line's JSON values without all projects and model runs but the asked one, models that lack it included.

    Where projects, or models, are no object, they stay as they are: it cannot be told what is among them. So does a
    line that is none.
    """
    if not isinstance(line, dict):
        return line
    kept = {key: value for key, value in line.items() if key not in ("projects", "experiments")}
    member = "projects" if source.kind == "project" else "experiments"
    if member not in line:
        return kept
    held = line[member]
    if isinstance(held, dict):
        held = _one(held, source.id) if source.kind == "project" else _of_model(held, source.id)
    return kept | {member: held}


def asked(line: wire.Line, source: Source) -> wire.Project | AskedRun | None:
    """Return what a line, however it was read, has under the asked source; None where it has not got it."""
    if source.kind == "project":
        project = _held(line.projects, source.id)
        return None if project is UNSET else project or wire.Project()
    for model_id, model in (line.experiments or {}).items():
        if model and (run := _held(model.runs, source.id)) is not UNSET:
            return AskedRun(model_id, model.name, run or wire.Run())
    return None


def _held(holder: Any, source_id: str) -> Any:
    """Return what stands under an id; ``UNSET`` where nothing does."""
    if holder is None:
        return UNSET
    return holder.get(source_id, UNSET) if isinstance(holder, dict) else holder.asked


def _one(held: dict[str, Any], key: str) -> dict[str, Any]:
    return {key: held[key]} if key in held else {}


def _of_model(models: dict[str, Any], run_id: str) -> dict[str, Any]:
    """Return the first model that has the run, with no other run."""
    for model_id, model in models.items():
        runs = model.get("runs") if isinstance(model, dict) else None
        if isinstance(runs, dict) and run_id in runs:
            return {model_id: model | {"runs": _one(runs, run_id)}}
    return {}


@lru_cache(maxsize=64)
def _decoder(source: Source, kind: type[wire.Line]) -> Decoder[wire.Line]:
    """Make the decoder of a wire type in which the holder of the asked source has a field for that one alone."""
    if source.kind == "project":
        fields = {"projects": _alone(wire.Project, source.id) | None, "experiments": Raw | None}
    else:
        runs = _alone(wire.Run, source.id) | None
        model = defstruct("Experiment", [("runs", runs, None)], bases=(wire.Experiment,), gc=False)
        fields = {"projects": Raw | None, "experiments": dict[str, model | None] | None}  # type: ignore[valid-type]
    narrow = defstruct("Line", [(name, of, None) for name, of in fields.items()], bases=(kind,), gc=False)
    return Decoder(narrow)


def _alone(kind: type[Struct], source_id: str) -> Any:
    field = ("asked", kind | None | UnsetType, UNSET)
    return defstruct("Asked", [field], rename={"asked": source_id}, gc=False)
