"""One bucket, from lines to tables and a pack of images: the unit of parallel work, of resume and of reuse."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING

from tasks.buckets.fetch import Fetcher, RowError
from tasks.buckets.images import images_table, store_images
from tasks.buckets.noted import noted
from tasks.buckets.reading import NOTHING, Earlier, table_path
from tasks.buckets.receipt import BucketInput, BucketReceipt, Tally
from tasks.formats.census import census
from tasks.records.classes import seen_classes
from tasks.records.model import Excluded, Problem, Record, Row, Sample
from tasks.records.moments import BEFORE_ALL, instant
from tasks.records.numbers import numbers
from tasks.records.parse import parse
from tasks.records.policy import Policy, select
from tasks.records.tables import Tables, joined, problems_table, rows_of, to_tables, write_table
from tasks.snapshots.measures import add, measure
from tasks.snapshots.remeasure import measure_tables

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from datetime import datetime

    from tasks.records.carry import Standing
    from tasks.snapshots.draft import Draft
    from tasks.snapshots.manifest import File


@dataclass(slots=True)
class Outcome:
    """Where the rows of a bucket went, as it is found out; each ends in exactly one place.

    ``kept`` are the tables' rows that are taken over as they stand. ``anew`` are the ids of those samples that are not
    what the earlier snapshot has: another line, image or split. ``repeated`` are the numbers of lines whose row has
    another.
    """

    kept: Tables = field(default_factory=dict)
    samples: list[Sample] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    excluded: Counter[str] = field(default_factory=Counter)
    repeated: list[int] = field(default_factory=list)
    labels_excluded: Counter[str] = field(default_factory=Counter)
    annotations_dropped: Counter[str] = field(default_factory=Counter)
    requests: Counter[str] = field(default_factory=Counter)
    anew: set[str] = field(default_factory=set)
    reused_rows: int = 0


@dataclass(frozen=True, slots=True)
class BucketBuilder:
    """Builds the buckets of one run: what to publish, what stands already, and how to get the rest.

    ``earlier`` is the snapshot that is built upon; ``taken`` is what a run fetched that was broken off, of which rows
    are reused like those, and of which no snapshot knows.
    """

    draft: Draft
    policy: Policy
    keep_embeddings: bool
    earlier: Earlier
    fetcher: Fetcher
    threads: int
    taken: Earlier = NOTHING

    def build(self, bucket: BucketInput, lines: Iterable[tuple[int, bytes]]) -> BucketReceipt:
        """Give every line its place, write the bucket's files and say what came of it."""
        outcome = Outcome()
        numbered = list(lines)
        unchanged = self.earlier.unchanged(numbered)
        self._keep(unchanged.values(), outcome)
        records = dict(self._records((each for each in numbered if each[0] not in unchanged), outcome))
        self._complete(records, outcome)
        return self._written(bucket, outcome)

    def _keep(self, row_ids: Collection[str], outcome: Outcome) -> None:
        """Take rows over from the earlier snapshot, with what policies left out of them."""
        if not row_ids:
            return
        outcome.kept = rows_of(self.earlier.tables, row_ids)
        outcome.reused_rows += len(row_ids)
        rows = outcome.kept["data_rows"]
        for counts, column in (
            (outcome.labels_excluded, rows["labels_excluded"]),
            (outcome.annotations_dropped, rows["annotations_dropped"]),
        ):
            for each in column.to_pylist():
                counts.update(dict(each))

    def _records(self, lines: Iterable[tuple[int, bytes]], outcome: Outcome) -> Iterator[tuple[int, Record]]:
        """The records to publish by line number; refused, repeated and excluded rows are noted on the way.

        A refused line whose row comes well in a later one is a repetition: it was mended since.
        """
        rows: dict[str, tuple[int, Row]] = {}
        refused: list[Problem] = []
        for number, line in lines:
            row = parse(line, self.policy.source, number=number, keep_embeddings=self.keep_embeddings)
            if isinstance(row, Problem):
                refused.append(row)
                continue
            standing = rows.get(row.data_row.id)
            if standing is None or _activity(row) >= _activity(standing[1]):
                rows[row.data_row.id] = number, row
            if standing is not None:
                outcome.repeated.append(standing[0] if rows[row.data_row.id][0] == number else number)
        for problem in refused:
            if problem.data_row_id in rows and rows[problem.data_row_id][0] > problem.line:
                outcome.repeated.append(problem.line)
            else:
                outcome.problems.append(problem)
        outcome.excluded["duplicate"] += len(outcome.repeated)
        for number, row in rows.values():
            chosen = select(row, self.policy)
            outcome.labels_excluded.update(chosen.labels_excluded)
            outcome.annotations_dropped.update(chosen.annotations_dropped)
            if isinstance(chosen, Excluded):
                outcome.excluded[chosen.policy] += 1
            else:
                yield number, chosen

    def _complete(self, records: dict[int, Record], outcome: Outcome) -> None:
        """Fetch what is missing of every record, side by side; one that is as it was with its image lacks nothing."""
        standing = self.earlier.standing(records.values())
        taken = self.taken.standing(records.values())

        def found(record: Record) -> Standing | None:
            stand = [rows[record.data_row.id] for rows in (standing, taken) if record.data_row.id in rows]
            return next((row for row in stand if self.fetcher.as_wanted(record, row.image)), next(iter(stand), None))

        reused = {number: found(record) for number, record in records.items()}

        def attempt(entry: tuple[int, Record]) -> tuple[Sample | Problem, Counter[str]]:
            number, record = entry
            requests = Counter[str]()
            try:
                return self.fetcher.fetch(record, requests, reused[number]), requests
            except RowError as error:
                return Problem(number, record.data_row.id, error.path, error.code, error.reason), requests

        at_hand = {
            number: record
            for number, record in records.items()
            if (row := reused[number]) and self.fetcher.as_wanted(record, row.image)
        }
        missing = [entry for entry in records.items() if entry[0] not in at_hand]
        with ThreadPoolExecutor(self.threads, thread_name_prefix="download") as pool:
            fetched = pool.map(attempt, missing)
            for result, requests in chain(map(attempt, at_hand.items()), fetched):
                outcome.requests.update(requests)
                if isinstance(result, Problem):
                    outcome.problems.append(result)
                    continue
                outcome.samples.append(result)
                row_id = result.record.data_row.id
                row = standing.get(row_id)
                outcome.reused_rows += row is not None
                if row is None or (row.image, row.split) != (result.image, result.split):
                    outcome.anew.add(row_id)
        outcome.samples.sort(key=lambda sample: sample.record.data_row.id)
        outcome.requests["retries"] = self.fetcher.downloader.counts.retries

    def _written(self, bucket: BucketInput, outcome: Outcome) -> BucketReceipt:
        samples, kept = outcome.samples, outcome.kept
        images = [sample.image for sample in samples]
        locations = {**self.taken.locations, **self.earlier.locations}
        stored = store_images(self.draft, images, locations, self.fetcher.directory, bucket)
        tables = to_tables(samples) | {"images": images_table(samples, stored)}
        packs = {pack.key: pack for pack in stored.packs}
        measures = measure(samples)
        if kept:
            tables = joined(kept, tables)
            packs |= {key: self.earlier.packs[key] for key in kept["images"]["pack"].drop_null().unique().to_pylist()}
            measures = add(chain(measures, measure_tables(kept)))
        problems = problems_table(sorted(outcome.problems, key=lambda problem: problem.line))
        return BucketReceipt(
            index=bucket.index,
            files=self._files(bucket, tables | {"problems": problems}),
            packs=tuple(packs[key] for key in sorted(packs)),
            tally=self._tally(tables, outcome),
            census=census(tables),
            measures=measures,
            changed=self._changed(tables["data_rows"]["data_row_id"].to_pylist(), outcome),
            seen=tuple(seen_classes(tables)),
            repeated=tuple(sorted(outcome.repeated)),
        )

    def _files(self, bucket: BucketInput, tables: Tables) -> tuple[File, ...]:
        """Write the tables, but for those that stand in the earlier snapshot as they are."""
        files: list[File] = []
        bodies: list[tuple[str, bytes]] = []
        for name, table in tables.items():
            path = table_path(name, bucket.index, bucket.count)
            if standing := self.earlier.file(path, name, table):
                files.append(self.draft.keep_file(standing))
            else:
                bodies.append((path, write_table(table)))
        return tuple(sorted([*files, *self.draft.add_files(bodies)], key=lambda file: file.path))

    def _changed(self, row_ids: list[str], outcome: Outcome) -> tuple[str, ...] | None:
        if not self.earlier.fingerprints:
            return None
        now, before = numbers(row_ids), numbers(self.earlier.fingerprints)
        return tuple(row_id for row_id in now if row_id in outcome.anew or before[row_id] != now[row_id])

    def _tally(self, tables: Tables, outcome: Outcome) -> Tally:
        return Tally(
            published=len(tables["data_rows"]),
            excluded=dict(+outcome.excluded),
            problems=len(outcome.problems),
            labels=tables["labels"]["origin"].to_pylist().count("label"),
            labels_excluded=dict(outcome.labels_excluded),
            annotations_dropped=dict(outcome.annotations_dropped),
            noted=noted(tables),
            reused_rows=outcome.reused_rows,
            requests=dict(outcome.requests),
            downloaded=self.fetcher.downloader.counts.bytes,
            uploads=self.draft.uploads,
        )


def _activity(row: Row) -> datetime:
    details = row.data_row.details
    return instant(details and details.last_activity_at) or BEFORE_ALL
