"""An export line before it is a row: its text, its times, what identifies it, and what every export writes anew.

In: the bytes of one line. Out: JSON values, digests, moments, and the line without its signatures.
Doors: asked, elision, fingerprint, moments, signatures, text, wire.
"""
