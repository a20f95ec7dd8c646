"""The report of a snapshot: one HTML page with plots and overlays.

In: what the snapshot says of itself, and some rows with their images. Out: one page that needs no other file.
Doors: page, sheet, thumbnails.
"""
