"""One bucket, from lines to tables and a pack of images: the unit of parallel work, of resume and of reuse."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

from msgspec import structs

from labelsnap.buckets.base import rows_path
from labelsnap.buckets.boundary import UNFORESEEN, bounded, check_rows
from labelsnap.buckets.given import left_table
from labelsnap.buckets.noted import RENAMED, REPEATED
from labelsnap.buckets.reading import NOTHING, Earlier, table_path
from labelsnap.buckets.receipt import BucketInput, BucketReceipt, Tally
from labelsnap.buckets.rows.images import images_table, store_images
from labelsnap.buckets.rows.made import Made, faults_in, faults_of, made_of
from labelsnap.buckets.rows.one import records_of_one
from labelsnap.buckets.rows.outcome import Outcome
from labelsnap.buckets.rows.reuse import LASTING, Reuse, digest_of
from labelsnap.buckets.rows.told import encode_told, left_out, tell
from labelsnap.buckets.rows.worn import brought, images_of, relocated
from labelsnap.buckets.spool import NOTHING_SAID
from labelsnap.formats.description.census import Census
from labelsnap.memory import give_back
from labelsnap.records.choices.names import Naming
from labelsnap.records.lines.moments import BEFORE_ALL
from labelsnap.records.model import Problem, Record, Row, Sample
from labelsnap.records.parsing.identity import Identity, row_id
from labelsnap.records.parsing.parse import parse
from labelsnap.records.tables.schema import OF_SOURCES
from labelsnap.records.tables.tables import Tables, joined, problems_table, rows_of, write_table
from labelsnap.snapshots.checking.measures import add
from labelsnap.snapshots.checking.of_tables import measure_tables
from labelsnap.snapshots.keeping.behind import LEFT
from labelsnap.snapshots.tables.table_columns import without_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping
    from concurrent.futures import Executor
    from datetime import datetime

    import pyarrow as pa

    from labelsnap.buckets.rows.fetch import Fetcher
    from labelsnap.buckets.rows.images import StoredImages
    from labelsnap.buckets.rows.reuse import Reused
    from labelsnap.buckets.rows.several import Several
    from labelsnap.buckets.rows.told import Told
    from labelsnap.buckets.spool import Said
    from labelsnap.records.choices.policy import Policy
    from labelsnap.snapshots.checking.measures import Measure
    from labelsnap.snapshots.manifest import File, Pack
    from labelsnap.snapshots.writing.draft import Draft
    from labelsnap.storage import ObjectStore


@dataclass(frozen=True, slots=True)
class BucketBuilder:
    """Builds the buckets of one run: what to publish, what stands already, and how to get the rest.

    ``earlier`` is the snapshot that is built upon; ``taken`` is what a run fetched that was broken off, of which rows
    are reused like those, and of which no snapshot knows. ``since`` is when the run began to look. ``given`` reads the
    splits that rows were given before. What the fetcher's ``held`` has of the rows counts then.
    ``said`` is what the run found out about lines, by their numbers: those that were given. ``several`` are the
    dataset's sources, where there are several.
    """

    store: ObjectStore
    draft: Draft
    policy: Policy
    keep_embeddings: bool
    earlier: Earlier
    fetcher: Fetcher
    threads: int
    taken: Earlier = NOTHING
    since: datetime = BEFORE_ALL
    given: Callable[[], Mapping[str, str]] | None = None
    said: Mapping[int, Said] = field(default_factory=dict)
    several: Several | None = None

    def build(self, bucket: BucketInput, lines: Iterable[tuple[int, bytes]]) -> BucketReceipt:
        """Give every line its place, write the bucket's files and say what came of it.

        A bucket without lines has files only where it has to tell of rows that left, or is the first. Of one whose rows
        all stand, and that has no other, nothing but the problems is written. ``lines`` are gone through twice: what
        they say is held, and not they.
        """
        outcome, reuse = Outcome(), self._reuse
        if known := self._filled(bucket, lines, reuse, outcome):
            return known
        try:
            return self._written(bucket, reuse, outcome)
        except Exception as error:
            check_rows(error)
            if not self._left_out(outcome):
                raise
            return self._written(bucket, reuse, outcome)

    def _filled(
        self, bucket: BucketInput, lines: Iterable[tuple[int, bytes]], reuse: Reuse, outcome: Outcome
    ) -> BucketReceipt | None:
        """Give every line its place, and fetch what is missing; the receipt where no table has to be written for that.

        Records go with it: when tables are written, none is in memory any more.
        """
        looked = reuse.of_lines(lines)
        kept = {number: row for number, row in looked.kept.items() if row not in bucket.unwritable}
        if self.several:
            outcome.of_sources = self.several.lines(chain(looked.kept, looked.against))
            outcome.excluded[REPEATED] += len(kept) - len(set(kept.values()))
        others = (each for each in lines if each[0] not in kept)
        records_of = self.several.records if self.several else partial(records_of_one, self.policy)
        records = dict(records_of(others, partial(self._read, looked.taken), outcome))
        told = self.earlier.told
        if told and not records and not bucket.behind and told.rows.keys() == set(kept.values()):
            return self._as_before(bucket, told, outcome)
        outcome.given = self.given() if self.given else self.fetcher.given
        if not (looked.kept or looked.against or outcome.given or bucket.is_first):
            return BucketReceipt(bucket.index, (), (), Tally(), Census(), (), ())
        self._keep(kept.values(), outcome)
        outcome.numbers = {record.data_row.id: number for number, record in records.items()}
        outcome.problems += [
            Problem(number, row, "$", UNFORESEEN, bucket.unwritable[row])
            for row, number in outcome.numbers.items()
            if row in bucket.unwritable
        ]
        records = {number: each for number, each in records.items() if each.data_row.id not in bucket.unwritable}
        self._complete(records, self._reused(reuse, records, outcome), outcome)
        return None

    def _as_before(self, bucket: BucketInput, told: Told, outcome: Outcome) -> BucketReceipt:
        """Take the whole bucket over; the lines that gave no row are told as in any other."""
        outcome.reused.update(told.rows)
        outcome.labels_excluded.update(told.tally.labels_excluded)
        outcome.annotations_dropped.update(told.tally.annotations_dropped)
        of_problems = table_path("problems", bucket.index, bucket.count)
        standing = (file for path, file in self.earlier.files.items() if path != of_problems)
        kept, made = self._files(bucket, {"problems": problems_table(outcome.problems_by_line)})
        files = (*map(self.draft.keep_file, standing), *kept, *self.draft.add_files(made))
        packs = {key: self.earlier.packs[key] for key in told.packs}
        return self._receipt(bucket, outcome, told, files, packs)

    def _receipt(
        self,
        bucket: BucketInput,
        outcome: Outcome,
        told: Told,
        files: Iterable[File],
        packs: Mapping[str, Pack],
    ) -> BucketReceipt:
        """What a bucket comes to whose rows are as they were."""
        return BucketReceipt(
            index=bucket.index,
            files=tuple(sorted(files, key=lambda file: file.path)),
            packs=tuple(packs[key] for key in sorted(packs)),
            tally=self._tally(told, outcome),
            census=told.census,
            measures=told.measures,
            changed=(),
            alike=bucket.base.alike,
            seen=told.seen,
            repeated=tuple(sorted(outcome.repeated)),
        )

    @property
    def _reuse(self) -> Reuse:
        fetcher = self.fetcher
        until = self.since + LASTING
        return Reuse(
            self.earlier,
            self.taken,
            fetcher.images,
            fetcher.orientation,
            fetcher.masks,
            until,
            fetcher.refuses,
            fetcher.held,
            self._digest if fetcher.split_from else digest_of,
            self.several.source_of if self.several else None,
        )

    def _said(self, number: int) -> Said:
        return self.said.get(number, NOTHING_SAID)

    def _digest(self, number: int, line: bytes) -> str:
        return self.fetcher.digest(line, self._said(number).listed)

    def _keep(self, row_ids: Collection[str], outcome: Outcome) -> None:
        """Take rows over from the earlier snapshot, with what policies left out of them."""
        if not row_ids:
            return
        outcome.kept = row_ids
        outcome.reused.update(row_ids)
        rows = {"data_rows": self.earlier.tables["data_rows"]}
        labels, annotations = left_out(rows_of(rows, row_ids)["data_rows"])
        outcome.labels_excluded.update(labels)
        outcome.annotations_dropped.update(annotations)

    def _read(self, taken: Mapping[int, Identity], number: int, line: bytes, policy: Policy) -> Row | Problem:
        """The row of a line as it is for a policy's source; ``taken`` is what was taken of lines before."""
        known, vectors = taken.get(number), self.keep_embeddings
        parsed = partial(parse, line, policy.source, number=number, keep_embeddings=vectors, taken=known)
        row = bounded(number, partial(_told, line, known), parsed)
        return row if isinstance(row, Problem) else self.fetcher.with_split(row, line, self._said(number).listed)

    @staticmethod
    def _reused(reuse: Reuse, records: Mapping[int, Record], outcome: Outcome) -> dict[int, Reused]:
        """Look at records by the numbers of their lines; what cannot be looked at is a problem."""
        found = reuse.of_records(records, outcome.several)
        outcome.problems += [each for each in found.values() if isinstance(each, Problem)]
        return {number: each for number, each in found.items() if not isinstance(each, Problem)}

    def _complete(self, records: dict[int, Record], reused: Mapping[int, Reused], outcome: Outcome) -> None:
        """Fetch what is missing of every record, side by side; one that is as it was with its image lacks nothing.

        Each record goes when there is a sample, or a problem, in its place.
        """
        held = self.fetcher.held
        fetcher = replace(self.fetcher, given={**(held.given if held else {}), **outcome.given})
        names = self.earlier.file_names if records else {}

        def attempt(number: int) -> tuple[Reused, tuple[Sample, bool] | Problem, Counter[str]]:
            record, row = records.pop(number), reused[number]
            requests = Counter[str]()

            def made() -> tuple[Sample, bool]:
                said = self._said(number)
                sample = fetcher.fetch(
                    record, requests, row, said.listed, Naming(said.claim, names.get(_id(record), ""))
                )
                return sample, row.is_before(sample)

            return row, bounded(number, partial(_id, record), made), requests

        at_hand = [number for number, row in reused.items() if row.lacks_nothing]
        missing = [number for number, row in reused.items() if not row.lacks_nothing]
        with ThreadPoolExecutor(self.threads, thread_name_prefix="download") as pool:
            fetched = pool.map(attempt, missing)
            for row, result, requests in chain(map(attempt, at_hand), fetched):
                outcome.requests.update(requests)
                if isinstance(result, Problem):
                    outcome.problems.append(result)
                    continue
                sample, is_before = result
                outcome.samples.append(sample)
                row_id = sample.record.data_row.id
                outcome.renamed += names.get(row_id, sample.image.file_name) != sample.image.file_name
                outcome.reused.update([row_id] if row.is_reused else [])
                outcome.anew.update([] if is_before else [row_id])
        outcome.samples.sort(key=lambda sample: sample.record.data_row.id)
        outcome.requests["retries"] = self.fetcher.downloader.counts.retries

    @staticmethod
    def _left_out(outcome: Outcome) -> int:
        """Make problems of those samples that meet a fault where each is alone; return how many there are."""
        if made := outcome.made:
            problems = faults_in(made, outcome.numbers)
            outcome.made = made.only({image.row_id for image in made.images} - problems.keys()) if problems else made
        else:
            problems = faults_of(outcome.samples, outcome.numbers)
            outcome.samples = [each for each in outcome.samples if each.record.data_row.id not in problems]
        outcome.problems += problems.values()
        outcome.reused -= problems.keys()
        outcome.anew -= problems.keys()
        return len(problems)

    def _written(self, bucket: BucketInput, reuse: Reuse, outcome: Outcome) -> BucketReceipt:
        """Write a bucket's pack and its tables, side by side."""
        with ThreadPoolExecutor(1, thread_name_prefix="pack") as sender:
            return self._sent(bucket, reuse, outcome, sender)

    def _sent(self, bucket: BucketInput, reuse: Reuse, outcome: Outcome, sender: Executor) -> BucketReceipt:
        made = outcome.made = outcome.made or made_of(outcome.samples)
        outcome.samples = []
        give_back()
        tables, measures, stored = self._tables(bucket, outcome.kept, made, sender)
        packs = self._packs(stored, tables["images"])
        left = left_table(outcome.given, tables["data_rows"]["data_row_id"].to_pylist())
        every_table = (
            tables | {"problems": problems_table(outcome.problems_by_line)} | ({LEFT: left} if len(left) else {})
        )
        standing, bodies = self._files(bucket, every_table)
        told = tell((*standing, *(self.draft.placed(*each) for each in bodies)), tables, packs, len(left))
        outcome.made = None
        del made, tables, every_table
        if told.rows:
            bodies.append((rows_path(bucket.index, bucket.count), encode_told(told)))
        files = (*standing, *self.draft.add_files(bodies))
        stored.wait()
        changed = reuse.changed(told.rows, outcome.anew)
        return structs.replace(self._receipt(bucket, outcome, told, files, packs), measures=measures, changed=changed)

    def _tables(
        self, bucket: BucketInput, row_ids: Collection[str], made: Made, sender: Executor
    ) -> tuple[Tables, tuple[Measure, ...], StoredImages]:
        """Put what was made beside the rows that are taken over, and send what images are to be packed."""
        kept = rows_of(self.earlier.tables, row_ids) if row_ids else {}
        images = [each.image for each in made.images]
        directory, held = self.fetcher.directory, self.fetcher.held
        locations = {**(held.locations if held else {}), **self.taken.locations, **self.earlier.locations}
        if held:
            held.bring((image for image in images if image.sha256 not in locations), directory)
        every_image = [*images, *(images_of(kept["images"]) if kept else ())]
        moved = brought(self.store, every_image, locations, directory, bucket)
        left_there = {sha256: location for sha256, location in locations.items() if sha256 not in moved}
        stored = store_images(self.draft, [*images, *moved.values()], left_there, directory, bucket, sender=sender)
        tables = made.tables | {"images": images_table(made.images, stored)}
        if self.several:
            tables = {name: without_rows(name) for name in OF_SOURCES} | tables
        if not kept:
            return tables, made.measures, stored
        elsewhere = {sha256: stored.locations[sha256] for sha256 in moved}
        kept = {**kept, "images": relocated(kept["images"], elsewhere)}
        return joined(kept, tables), add(chain(made.measures, measure_tables(kept))), stored

    def _packs(self, stored: StoredImages, images: pa.Table) -> dict[str, Pack]:
        """The packs that a table of images names, by key."""
        known = {**self.earlier.packs, **{pack.key: pack for pack in stored.packs}}
        return {key: known[key] for key in images["pack"].drop_null().unique().to_pylist()}

    def _files(self, bucket: BucketInput, tables: Tables) -> tuple[list[File], list[tuple[str, bytes]]]:
        """The tables that stand in the earlier snapshot as they are, and path and bytes of those to be added.

        One without rows is written by the first bucket alone, so that each table has a file; but where the earlier
        snapshot has it, it stays: a version that has the same rows has the same files. What that has is let go.
        """
        paths = {name: table_path(name, bucket.index, bucket.count) for name in tables}
        found = {name: self.earlier.file(paths[name], name, table) for name, table in tables.items()}
        self.earlier.let_go()
        bodies: list[tuple[str, bytes]] = []
        for name, table in tables.items():
            if found[name] is None:
                body = write_table(table)
                wanted = bucket.is_first and name not in OF_SOURCES
                if len(table) or wanted or self.earlier.has(paths[name], body):
                    bodies.append((paths[name], body))
        return [self.draft.keep_file(file) for file in found.values() if file], bodies

    def _tally(self, told: Told, outcome: Outcome) -> Tally:
        return Tally(
            published=told.tally.published,
            excluded=dict(+outcome.excluded),
            problems=len(outcome.problems),
            problem_codes=dict(Counter(problem.code for problem in outcome.problems)),
            labels=told.tally.labels,
            labels_excluded=dict(outcome.labels_excluded),
            annotations_dropped=dict(outcome.annotations_dropped),
            noted=told.tally.noted | outcome.of_sources | ({RENAMED: outcome.renamed} if outcome.renamed else {}),
            reused_rows=len(outcome.reused),
            left=told.tally.left,
            requests=dict(outcome.requests),
            downloaded=self.fetcher.downloader.counts.bytes,
            uploads=self.draft.uploads,
        )


def _told(line: bytes, taken: Identity | None) -> str | None:
    return taken.row_id if taken else row_id(line)


def _id(row: Row | Record) -> str:
    return row.data_row.id
