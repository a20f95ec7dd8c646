"""Rows ↔ the canonical Arrow tables, from which every format is written.

In: samples, or tables that an earlier refresh wrote. Out: tables of one schema, or samples; what is not asked for is
not decoded. ../README.md describes every column.
Doors: areas, carry, schema, tables.
"""
