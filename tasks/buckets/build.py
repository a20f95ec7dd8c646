"""One bucket, from lines to tables and a pack of images: the unit of parallel work, of resume and of reuse."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING

from tasks.buckets.fetch import Fetcher, RowError
from tasks.buckets.images import images_table, store_images
from tasks.buckets.reading import Earlier, table_path
from tasks.buckets.receipt import BucketInput, BucketReceipt, Tally
from tasks.formats.census import census
from tasks.records.carry import carry_over
from tasks.records.classes import seen_classes
from tasks.records.model import Excluded, Image, Problem, Record, Row, Sample
from tasks.records.numbers import numbers
from tasks.records.parse import parse
from tasks.records.policy import Policy, select
from tasks.records.tables import problems_table, to_tables, write_table
from tasks.snapshots.measures import measure

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tasks.records.carry import Standing
    from tasks.snapshots.draft import Draft


@dataclass(slots=True)
class Outcome:
    """Where the rows of a bucket went, as it is found out; each ends in exactly one place."""

    samples: list[Sample] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    excluded: Counter[str] = field(default_factory=Counter)
    labels_excluded: Counter[str] = field(default_factory=Counter)
    annotations_dropped: Counter[str] = field(default_factory=Counter)
    requests: Counter[str] = field(default_factory=Counter)
    reused_rows: int = 0


@dataclass(frozen=True, slots=True)
class BucketBuilder:
    """Builds the buckets of one run: what to publish, what stands already, and how to get the rest."""

    draft: Draft
    policy: Policy
    keep_embeddings: bool
    earlier: Earlier
    fetcher: Fetcher
    threads: int

    def build(self, bucket: BucketInput, lines: Iterable[tuple[int, bytes]]) -> BucketReceipt:
        """Give every line its place, write the bucket's files and say what came of it."""
        outcome = Outcome()
        records = dict(self._records(lines, outcome))
        self._complete(records, outcome)
        return self._written(bucket, outcome)

    def _records(self, lines: Iterable[tuple[int, bytes]], outcome: Outcome) -> Iterator[tuple[int, Record]]:
        """The records to publish by line number; refused, repeated and excluded rows are noted on the way."""
        rows: dict[str, tuple[int, Row]] = {}
        for number, line in lines:
            row = parse(line, number=number, keep_embeddings=self.keep_embeddings)
            if isinstance(row, Problem):
                outcome.problems.append(row)
                continue
            standing = rows.get(row.data_row.id)
            if standing is not None:
                outcome.excluded["duplicate"] += 1
            if standing is None or _activity(row) >= _activity(standing[1]):
                rows[row.data_row.id] = number, row
        for number, row in rows.values():
            selection = select(row, self.policy)
            outcome.labels_excluded.update(selection.labels_excluded)
            outcome.annotations_dropped.update(selection.annotations_dropped)
            if isinstance(selection.chosen, Excluded):
                outcome.excluded[selection.chosen.policy] += 1
            else:
                yield number, selection.chosen

    def _complete(self, records: dict[int, Record], outcome: Outcome) -> None:
        """Fetch what is missing of every record, side by side; one that is as it was with its image lacks nothing."""

        def attempt(entry: tuple[int, Record]) -> tuple[Sample | Problem, Counter[str]]:
            number, record = entry
            requests: Counter[str] = Counter()
            try:
                return self._fetched(record, requests), requests
            except RowError as error:
                return Problem(number, record.data_row.id, error.path, error.code, error.reason), requests

        at_hand = {number: record for number, record in records.items() if self._known(record)}
        missing = [entry for entry in records.items() if entry[0] not in at_hand]
        with ThreadPoolExecutor(self.threads, thread_name_prefix="download") as pool:
            fetched = pool.map(attempt, missing)
            for result, requests in chain(map(attempt, at_hand.items()), fetched):
                outcome.requests.update(requests)
                if isinstance(result, Problem):
                    outcome.problems.append(result)
                else:
                    outcome.samples.append(result)
                    outcome.reused_rows += self._standing(result.record) is not None
        outcome.requests["retries"] = self.fetcher.downloader.counts.retries

    def _fetched(self, record: Record, requests: Counter[str]) -> Sample:
        standing = self._standing(record)
        if standing is not None:
            record = carry_over(record, standing)
        return self.fetcher.fetch(record, requests, self._known(record))

    def _known(self, record: Record) -> Image | None:
        """The record's image as the earlier snapshot has it, where it is copied, or not, as it shall be now."""
        standing = self._standing(record)
        copied = standing is not None and standing.image.sha256 is not None
        return standing.image if standing and copied == (self.fetcher.images == "copy") else None

    def _standing(self, record: Record) -> Standing | None:
        """The same row in the earlier snapshot, when its content has not changed since."""
        row = self.earlier.rows.get(record.data_row.id)
        return row if row and row.fingerprint == record.fingerprint else None

    def _written(self, bucket: BucketInput, outcome: Outcome) -> BucketReceipt:
        samples = sorted(outcome.samples, key=lambda sample: sample.record.data_row.id)
        images = [sample.image for sample in samples]
        stored = store_images(self.draft, images, self.earlier.locations, self.fetcher.directory, bucket)
        tables = to_tables(samples) | {
            "images": images_table(samples, stored),
            "problems": problems_table(sorted(outcome.problems, key=lambda problem: problem.line)),
        }
        files = self.draft.add_files(
            (table_path(name, bucket.index, bucket.count), write_table(table)) for name, table in sorted(tables.items())
        )
        return BucketReceipt(
            index=bucket.index,
            files=files,
            packs=stored.packs,
            tally=self._tally(samples, outcome),
            census=census(samples),
            measures=measure(samples),
            changed=self._changed(samples),
            seen=tuple(sorted({seen for sample in samples for seen in seen_classes(sample.record)})),
        )

    def _changed(self, samples: list[Sample]) -> tuple[str, ...] | None:
        earlier = self.earlier.rows
        if not earlier:
            return None
        of_id = {sample.record.data_row.id: sample for sample in samples}
        now, before = numbers(of_id), numbers(earlier)
        return tuple(
            row_id for row_id, sample in of_id.items() if self._made_anew(sample) or before[row_id] != now[row_id]
        )

    def _made_anew(self, sample: Sample) -> bool:
        standing = self._standing(sample.record)
        return standing is None or (standing.image, standing.split) != (sample.image, sample.split)

    def _tally(self, samples: list[Sample], outcome: Outcome) -> Tally:
        return Tally(
            published=len(samples),
            excluded=dict(outcome.excluded),
            problems=len(outcome.problems),
            labels=sum(len(sample.record.entry.labels) for sample in samples),
            labels_excluded=dict(outcome.labels_excluded),
            annotations_dropped=dict(outcome.annotations_dropped),
            reused_rows=outcome.reused_rows,
            requests=dict(outcome.requests),
            downloaded=self.fetcher.downloader.counts.bytes,
            uploads=self.draft.uploads,
        )


def _activity(row: Row) -> str:
    details = row.data_row.details
    return (details.last_activity_at if details else None) or ""
