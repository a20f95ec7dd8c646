"""Parquet files of rows, group by group: written, and joined from groups that stand.

In: rows, and the table of the version before. Out: the bytes of a table.
Doors: row_groups.
"""
