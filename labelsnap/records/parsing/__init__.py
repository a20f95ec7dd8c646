"""One export line → a ``Row``, or a ``Problem`` that says by name why not; and a project's ontology.

In: the bytes of a line, and which project or model run is asked for. Out: a row of the model; nothing is raised.
Doors: identity, ontology, parse.
"""
