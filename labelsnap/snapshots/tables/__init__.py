"""The tables among a snapshot's files: what they are called, and Parquet that is read in bounded pieces.

In: a manifest and its store. Out: Arrow tables whose columns were checked.
Doors: bucket_paths, bucket_tables, images, parquet_files, table_columns.
"""
