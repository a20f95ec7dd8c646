"""The sample project: its ontology, rows, labels and lines, and what is true of them.

In: scenes. Out: lines as Labelbox exports them, and the truth that tests compare with.
Doors: identifiers, labels, lines, ontology, rows, truth.
"""
