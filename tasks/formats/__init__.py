"""Training formats: what has to be made is looked up, buckets are made for all formats, and documents are joined.

In: settled tables and classes. Out: receipts of files.
Doors: conversion, convert, given, joining, named, shards, unwritable.
"""
