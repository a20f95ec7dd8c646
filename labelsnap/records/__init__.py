"""One row of an export as typed, frozen values, and what follows from them alone: the model that everything works on.

In: nothing but values. Out: rows, labels, annotations, places in an image, and their plain arithmetic. Rooms beside:
``lines`` (a line as it travels), ``parsing`` (line → row), ``choices`` (what a dataset decides about rows), ``tables``
(rows ↔ Arrow). README.md describes every column.
Doors: counts, extent, geometry, image, model, ontology, questions, shapes.
"""
