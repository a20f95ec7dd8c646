"""Many masks on one image: where they meet, which of them each pixel shows, and that picture as a PNG.

In: runs in the order in which they are painted. Out: pairs that overlap, stretches of pixels, PNG bytes.
Doors: cut_out, overlaps, overlay, png_writer.
"""
