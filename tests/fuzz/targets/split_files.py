"""Lists of ids and their splits, as whoever may write beside a dataset file leaves them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from config.dataset import Dataset
from config.split_files import listed_splits
from labelsnap.errors import ConfigurationError
from tests.fuzz.mutation import bytes_mutator
from tests.fuzz.target import MEBIBYTE, Target

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fuzz.target import Run

LINES = (b'{"data_row": {"id": "r1", "external_id": "a,b"}}', b'{"data_row": {"global_key": 3}}', b"{", b"")
TOKENS = (
    b"data_row_id",
    b"global_key",
    b"external_id",
    b"split",
    b"train",
    b"holdout",
    b",",
    b'"',
    b'""',
    b"\r",
    b"\n\n",
    b"\x00",
    b"\xff",
    b"\xef\xbb\xbf",
    b"x" * 20_000,
    b"," * 5000,
    b'"\n' * 300,
)


def seeds() -> dict[str, bytes]:
    """A list by each kind of id, with other columns, quotes and blank lines."""
    return {
        "rows": b"data_row_id,split\nr1,train\nr2,val\nr3,\n",
        "keys": b'\xef\xbb\xbfnote,split,global_key\r\n"a,b",TEST,k1\r\n\r\n,validation,k2\r\n',
        "externals": b'external_id,split\n"a,b",holdout\n"c""d",test\n',
    }


def prepare(folder: Path) -> Run:
    """Read a list, and ask it for the splits of lines."""
    path = folder / "splits.csv"
    given = {"from": f"file:{path}", "names": {"holdout": "test"}}
    content = {"dataset": "a", "store": "file:///tmp/a", "source": {"project": "p"}, "split": given}
    dataset = Dataset.model_validate(content)

    def run(_label: str, body: bytes) -> str:
        path.write_bytes(body)
        try:
            table = listed_splits(dataset)
        except ConfigurationError as error:
            return error.code
        assert table is not None
        assert {table.of_line(line) for line in LINES} <= {"train", "val", "test", ""}
        return "read"

    return run


TARGET = Target("split_files", seeds, prepare, bytes_mutator(TOKENS), budget=64 * MEBIBYTE)
